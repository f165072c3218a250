"""Spectral flux."""

import jax
import jax.numpy as jnp

from actjax import dsp
from actjax.extraction.analysis import Analysis
from actjax.extraction.shared import where_valid
from actjax.types import Feature


def feature(*, sample_rate_hz: int = 22050, hop_samples: int = 512, n_fft: int = 2048) -> Feature:
    """The distance of each magnitude spectrum from the one before: sqrt(sum_f (|X_t,f| - |X_t-1,f|)^2).

    Rows: one. Unit: magnitude. Frame 0, which has none before it, is invalid.

    Raises:
      ValueError: impossible window, hop or sample rate.

    Reference: Lerch (2012), An Introduction to Audio Content Analysis, Wiley.
    """
    at = Analysis(sample_rate_hz, n_fft, hop_samples)

    def fn(wave_s: jax.Array):
        magnitude = at.magnitude(wave_s)
        flux = dsp.magnitude(jnp.sum((magnitude[1:] - magnitude[:-1]) ** 2, axis=1))
        flux = jnp.concatenate([jnp.zeros(1, flux.dtype), flux])
        return where_valid(flux[None, :], jnp.arange(flux.shape[0]) > 0)

    return at.feature(
        "spectral_flux",
        fn,
        unit="magnitude",
        reference="Lerch 2012",
        always_valid=False,
        window_samples=n_fft + hop_samples,
    )
