"""Spectral entropy."""

import math

import jax
import jax.numpy as jnp

from actjax.extraction.analysis import Analysis
from actjax.extraction.shared import spectral_shape, where_valid
from actjax.types import Feature


def feature(*, sample_rate_hz: int = 22050, hop_samples: int = 512, n_fft: int = 2048) -> Feature:
    """The entropy of the power spectrum read as a distribution p, over its largest value:
    -sum p log p / log(n_fft / 2 + 1).

    Rows: one. Unit: none, 0 (one bin) .. 1 (flat). Invalid where the frame is silent.

    Raises:
      ValueError: impossible window, hop or sample rate.

    Reference: Misra, Ikbal, Bourlard, Hermansky (2004), Spectral entropy based feature for robust ASR,
    ICASSP.
    """
    at = Analysis(sample_rate_hz, n_fft, hop_samples)
    most = math.log(n_fft // 2 + 1)

    def fn(wave_s: jax.Array):
        shape, valid = spectral_shape(at.power(wave_s))
        surprise = jnp.where(shape > 0, -jnp.log(jnp.where(shape > 0, shape, 1.0)), 0.0)
        return where_valid(jnp.sum(shape * surprise, axis=1)[None, :] / most, valid)

    return at.feature("spectral_entropy", fn, unit="none", reference="Misra et al. 2004", always_valid=False)
