"""Fundamental frequency by YIN."""

import jax
import jax.numpy as jnp

from actjax.extraction.analysis import Analysis
from actjax.extraction.pitch_family import FMAX_HZ, FMIN_HZ, check_pitch, find_pitch
from actjax.types import Feature


def feature(
    *,
    sample_rate_hz: int = 22050,
    hop_samples: int = 512,
    n_fft: int = 2048,
    fmin_hz: float = FMIN_HZ,
    fmax_hz: float = FMAX_HZ,
    threshold: float = 0.1,
    voicing: float = 0.2,
) -> Feature:
    """The pitch of each frame: sample_rate_hz over the period that YIN finds.

    d_l = sum (x[s] - x[s + l])^2, d'_l = d_l / mean(d_1 .. d_l); the period is the first local minimum of d'
    below `threshold`, else the smallest value, refined by a parabola.

    Rows: one. Unit: Hz, about fmin_hz .. fmax_hz. Valid where the frame sounds and d' at the period is below
    `voicing`; elsewhere the value is YIN's best guess.

    Raises:
      ValueError: impossible window, hop or sample rate, a pitch range above half the sample rate or of which
        the window holds less than two periods.

    Reference: de Cheveigné, Kawahara (2002), YIN, a fundamental frequency estimator, JASA 111(4).
    """
    at = Analysis(sample_rate_hz, n_fft, hop_samples)
    check_pitch(at, fmin_hz, fmax_hz)

    def fn(wave_s: jax.Array):
        pitch = find_pitch(at, wave_s, fmin_hz, fmax_hz, threshold)
        voiced = pitch.sounding & (pitch.aperiodicity < voicing)
        return jnp.where(pitch.sounding, pitch.f0_hz, 0.0)[None, :], voiced

    return at.feature("f0_yin", fn, unit="Hz", reference="de Cheveigné & Kawahara 2002", always_valid=False)
