"""Spectral crest."""

import jax
import jax.numpy as jnp

from actjax.extraction.analysis import Analysis
from actjax.extraction.shared import spectral_shape, where_valid
from actjax.types import Feature


def feature(*, sample_rate_hz: int = 22050, hop_samples: int = 512, n_fft: int = 2048) -> Feature:
    """The largest magnitude of a frame over the mean magnitude.

    Rows: one. Unit: ratio, 1 (flat) .. n_fft / 2 + 1 (one bin). Invalid where the frame is silent.

    Raises:
      ValueError: impossible window, hop or sample rate.

    Reference: Peeters (2004), A large set of audio features for sound description, IRCAM.
    """
    at = Analysis(sample_rate_hz, n_fft, hop_samples)

    def fn(wave_s: jax.Array):
        shape, valid = spectral_shape(at.magnitude(wave_s))
        return where_valid(jnp.max(shape, axis=1)[None, :] * shape.shape[1], valid)

    return at.feature("spectral_crest", fn, unit="ratio", reference="Peeters 2004", always_valid=False)
