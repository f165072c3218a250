"""Spectral bandwidth."""

import jax
import jax.numpy as jnp
import numpy as np

from actjax import dsp
from actjax.extraction.analysis import Analysis
from actjax.extraction.shared import spectral_shape, where_valid
from actjax.types import Feature


def feature(*, sample_rate_hz: int = 22050, hop_samples: int = 512, n_fft: int = 2048) -> Feature:
    """The deviation of the magnitude spectrum from its centroid c: sqrt(sum (f - c)^2 |X_f| / sum |X_f|).

    Rows: one. Unit: Hz. Invalid where the frame is silent.

    Raises:
      ValueError: impossible window, hop or sample rate.

    Reference: Peeters (2004), A large set of audio features for sound description, IRCAM.
    """
    at = Analysis(sample_rate_hz, n_fft, hop_samples)
    bins_hz = np.asarray(dsp.fft_frequencies_hz(sample_rate_hz, n_fft), np.float32)

    def fn(wave_s: jax.Array):
        shape, valid = spectral_shape(at.magnitude(wave_s))
        centroid = jnp.dot(shape, jnp.asarray(bins_hz), precision=dsp.PRECISION)
        deviation = jnp.asarray(bins_hz)[None, :] - centroid[:, None]
        return where_valid(dsp.magnitude(jnp.sum(shape * deviation**2, axis=1))[None, :], valid)

    return at.feature("spectral_bandwidth", fn, unit="Hz", reference="Peeters 2004", always_valid=False)
