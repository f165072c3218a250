"""Harmonic-to-noise ratio."""

import jax
import jax.numpy as jnp

from actjax import dsp
from actjax.extraction.analysis import Analysis
from actjax.extraction.pitch_family import FMAX_HZ, FMIN_HZ, check_pitch
from actjax.extraction.shared import where_valid
from actjax.types import Feature


def feature(
    *,
    sample_rate_hz: int = 22050,
    hop_samples: int = 512,
    n_fft: int = 2048,
    fmin_hz: float = FMIN_HZ,
    fmax_hz: float = FMAX_HZ,
) -> Feature:
    """Energy of the periodic over the aperiodic part of a frame in dB: 10 log10(r / (1 - r)).

    r is the largest normalised autocorrelation at a period from 1 / fmax_hz to 1 / fmin_hz, of the frame
    without its mean under a Hann window, divided by the window's own autocorrelation; it is kept within
    1e-6 .. 1 - 1e-6.

    Rows: one. Unit: dB, -60 .. 60. Invalid where the frame is silent.

    Raises:
      ValueError: impossible window, hop or sample rate, a pitch range above half the sample rate or of
        which the window holds less than two periods.

    Reference: Boersma (1993), Accurate short-term analysis of the fundamental frequency, IFA Proceedings 17.
    """
    at = Analysis(sample_rate_hz, n_fft, hop_samples)
    check_pitch(at, fmin_hz, fmax_hz)

    def fn(wave_s: jax.Array):
        r, sounding = dsp.periodicity(
            at.frames(wave_s), sample_rate_hz=sample_rate_hz, fmin_hz=fmin_hz, fmax_hz=fmax_hz
        )
        r = jnp.clip(r, 1e-6, 1.0 - 1e-6)
        return where_valid(10.0 * jnp.log10(r / (1.0 - r))[None, :], sounding)

    return at.feature("harmonic_to_noise_ratio", fn, unit="dB", reference="Boersma 1993", always_valid=False)
