"""Spectral flatness."""

import jax
import jax.numpy as jnp

from actjax.extraction.analysis import Analysis
from actjax.extraction.shared import spectral_shape, where_valid
from actjax.types import Feature


def feature(*, sample_rate_hz: int = 22050, hop_samples: int = 512, n_fft: int = 2048) -> Feature:
    """The geometric over the arithmetic mean of the power spectrum, powers not below 1e-10.

    Rows: one. Unit: ratio, 0 (tonal) .. 1 (flat). Invalid where the frame is silent.

    Raises:
      ValueError: impossible window, hop or sample rate.

    Reference: Johnston (1988), Transform coding of audio signals using perceptual noise criteria, IEEE JSAC
    6(2).
    """
    at = Analysis(sample_rate_hz, n_fft, hop_samples)

    def fn(wave_s: jax.Array):
        power = at.power(wave_s)
        _, valid = spectral_shape(power)
        power = jnp.maximum(power, 1e-10)
        flatness = jnp.exp(jnp.mean(jnp.log(power), axis=1)) / jnp.mean(power, axis=1)
        return where_valid(flatness[None, :], valid)

    return at.feature("spectral_flatness", fn, unit="ratio", reference="Johnston 1988", always_valid=False)
