"""Spectral centroid."""

import jax
import jax.numpy as jnp
import numpy as np

from actjax import dsp
from actjax.extraction.analysis import Analysis
from actjax.extraction.shared import spectral_shape, where_valid
from actjax.types import Feature


def feature(*, sample_rate_hz: int = 22050, hop_samples: int = 512, n_fft: int = 2048) -> Feature:
    """The centre of mass of the magnitude spectrum: sum f |X_f| / sum |X_f|.

    Rows: one. Unit: Hz, 0 .. sample_rate_hz / 2. Invalid where the frame is silent.

    Raises:
      ValueError: impossible window, hop or sample rate.

    Reference: Peeters (2004), A large set of audio features for sound description, IRCAM.
    """
    at = Analysis(sample_rate_hz, n_fft, hop_samples)
    bins_hz = np.asarray(dsp.fft_frequencies_hz(sample_rate_hz, n_fft), np.float32)

    def fn(wave_s: jax.Array):
        shape, valid = spectral_shape(at.magnitude(wave_s))
        centroid = jnp.dot(shape, jnp.asarray(bins_hz), precision=dsp.PRECISION)
        return where_valid(centroid[None, :], valid)

    return at.feature("spectral_centroid", fn, unit="Hz", reference="Peeters 2004", always_valid=False)
