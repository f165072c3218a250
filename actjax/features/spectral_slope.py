"""Spectral slope."""

import jax
import jax.numpy as jnp
import numpy as np

from actjax import dsp
from actjax.extraction.analysis import Analysis
from actjax.extraction.shared import spectral_shape, where_valid
from actjax.types import Feature


def feature(*, sample_rate_hz: int = 22050, hop_samples: int = 512, n_fft: int = 2048) -> Feature:
    """The slope of the least-squares line through the frame's magnitudes over frequency.

    The magnitudes of the frame are scaled to sum to 1.

    Rows: one. Unit: 1 / Hz. Invalid where the frame is silent.

    Raises:
      ValueError: impossible window, hop or sample rate.

    Reference: Peeters (2004), A large set of audio features for sound description, IRCAM.
    """
    at = Analysis(sample_rate_hz, n_fft, hop_samples)
    bins_hz = dsp.fft_frequencies_hz(sample_rate_hz, n_fft)
    centred = bins_hz - bins_hz.mean()
    weights = np.asarray(centred / np.sum(centred**2), np.float32)

    def fn(wave_s: jax.Array):
        shape, valid = spectral_shape(at.magnitude(wave_s))
        return where_valid(jnp.dot(shape, jnp.asarray(weights), precision=dsp.PRECISION)[None, :], valid)

    return at.feature("spectral_slope", fn, unit="1 / Hz", reference="Peeters 2004", always_valid=False)
