"""Chromagram from the short-time Fourier transform."""

import jax
import jax.numpy as jnp

from actjax import dsp
from actjax.extraction.analysis import Analysis
from actjax.extraction.shared import PITCH_CLASSES, scaled_to_peak
from actjax.types import Feature


def feature(
    *,
    sample_rate_hz: int = 22050,
    hop_samples: int = 512,
    n_fft: int = 2048,
    tuning: float | None = None,
) -> Feature:
    """Energy by pitch class, each frame scaled to a maximum of 1: c = B |X|^2, c / max c.

    B has a Gaussian bump per pitch class around each bin's pitch, columns of unit length, weighted by a
    Gaussian over octaves (centre 5 octaves above A0, width 2). Pitches are counted from A = 440 Hz raised by
    `tuning` (fractions of a semitone); None estimates it for each clip from its spectral peaks. The window
    must resolve semitones: 2048 samples at 12 kHz do down to 100 Hz, 512 do not.

    Rows: pitch classes C, C#, ... B. Unit: relative. Invalid where the frame is silent.

    Raises:
      ValueError: impossible window or hop, or a sample rate below 4000 Hz, which has no octave left to fold.

    Reference: Fujishima (1999), ICMC; Ellis (2007), Chroma feature analysis and synthesis.
    """
    at = Analysis(sample_rate_hz, n_fft, hop_samples, least_rate_hz=4000)

    def fn(wave_s: jax.Array, length: jax.Array | None = None):
        power, raised = at.power(wave_s), tuning
        if tuning is None:
            inside = at.inside(length, wave_s)
            raised = dsp.estimate_tuning(power, sample_rate_hz=sample_rate_hz, inside_t=inside)
        bank = dsp.chroma_bank(jnp.asarray(raised, power.dtype), sample_rate_hz, n_fft)
        return scaled_to_peak(jnp.dot(bank, power.T, precision=dsp.PRECISION))

    return at.feature(
        "chroma_stft",
        fn,
        unit="relative",
        reference="Fujishima 1999; Ellis 2007",
        row_names=PITCH_CLASSES,
        axis="pitch_class",
        always_valid=False,
        whole_clip=tuning is None,
    )
