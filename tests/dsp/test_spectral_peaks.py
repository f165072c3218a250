"""Peaks and tuning as a GPU's kernel finds them, step by step on a CPU."""

import functools

import jax
import numpy as np
import pytest

from actjax import precision
from actjax.dsp import tuning
from actjax.kernels import spectral_peaks


@pytest.fixture
def emulated(as_beside_a_gpu, monkeypatch):
    monkeypatch.setattr(precision, "kernel_peaks", lambda: True)


# Even and odd numbers of bins looked at, up to the last but one; ties and silence.
@pytest.mark.parametrize("rate_hz, bins", [(12000, 257), (6000, 130)])
def test_kernel_finds_the_peaks(emulated, rate_hz, bins):
    spectra = np.random.default_rng(0).gamma(0.5, size=(2, 7, bins)).astype(np.float32)
    spectra[0, 1], spectra[1, 2, 30:50] = 0.0, 3.0
    looked = tuning._looked(bins, rate_hz, 36)
    height, slot = jax.jit(jax.vmap(lambda one: tuning._peaks(one, looked)))(spectra)
    expected, slots = jax.jit(jax.vmap(functools.partial(tuning._by_passes, looked=looked)))(spectra)
    peaks = np.isfinite(expected)
    assert peaks.sum() > 40
    np.testing.assert_allclose(height, expected, rtol=1e-5)
    np.testing.assert_array_equal(slot[peaks], slots[peaks])


def test_trial_tells_right_from_wrong(emulated, monkeypatch):
    assert spectral_peaks.holds.__wrapped__()
    monkeypatch.setattr(spectral_peaks, "_vertex", lambda left, centre, right: (centre, right))
    assert not spectral_peaks.holds.__wrapped__()
