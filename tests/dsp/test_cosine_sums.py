"""First lags of power spectra as a GPU's kernel sums them, step by step on a CPU."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.experimental import pallas

from actjax import precision
from actjax.dsp import autocorrelation, fourier
from actjax.kernels import cosine_sums


@pytest.fixture
def emulated(monkeypatch):
    monkeypatch.setattr(pallas, "pallas_call", functools.partial(pallas.pallas_call, interpret=True))
    monkeypatch.setattr(jax.lax, "platform_dependent", lambda *args, cpu, default: default(*args))
    monkeypatch.setattr(precision, "kernel_cosines", lambda: True)


# Odd and even numbers of pairs of bins, more lags than a program takes, rows of two programs and silent ones.
@pytest.mark.parametrize("length, lags, replaced", [(256, 40, True), (126, 5, False), (400, 197, False)])
def test_kernel_is_the_transform(emulated, length, lags, replaced):
    rng = np.random.default_rng(0)
    power = rng.gamma(0.3, size=(2, 35, length // 2 + 1)).astype(np.float32) * np.float32(1e-6)
    power[1, 3] = 0.0
    # What is replaced is beyond what the others leave room for.
    power[:, :, :2] *= 1e12 if replaced else 1.0
    lowest = (rng.gamma(0.3, size=(2, 35, 2)).astype(np.float32) * np.float32(1e-6),) if replaced else ()

    def total(power_btf, *lowest):
        of_clip = functools.partial(fourier.first_lags, length=length, lags=lags)
        found = jax.vmap(lambda one, *low: of_clip(one, lowest_t2=low[0] if low else None))(
            power_btf, *lowest
        )
        return jnp.sum(found), found

    (_, found), slope = jax.value_and_grad(total, has_aux=True)(power, *lowest)
    whole = np.concatenate([*lowest, power[:, :, 2:] if replaced else power], axis=2).astype(np.float64)
    expected = np.fft.irfft(whole, axis=2)[:, :, :lags]
    np.testing.assert_allclose(found, expected, atol=2e-6 * expected.max())
    basis = np.fft.irfft(np.eye(whole.shape[2]), axis=1)[:, :lags].sum(axis=1)
    basis[: 2 * replaced] = 0.0
    np.testing.assert_allclose(slope[0, 0], basis, atol=1e-4 * np.abs(basis).max())


@pytest.mark.parametrize("lags", [30, 60])
def test_autocorrelation_by_kernel(emulated, lags):
    frames = np.random.default_rng(0).standard_normal((5, 128)).astype(np.float32) + np.float32(0.5)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(128) / 128)
    centred = (frames.astype(np.float64) - frames.mean(axis=1, keepdims=True)) * window
    expected = np.stack([np.sum(centred[:, : 128 - lag] * centred[:, lag:], 1) for lag in range(lags)], 1)
    found = autocorrelation.hann_autocorrelation(jnp.asarray(frames), lags)
    np.testing.assert_allclose(found / expected[:, :1], expected / expected[:, :1], atol=3e-6)


def test_trial_tells_right_from_wrong(emulated, monkeypatch):
    assert cosine_sums.holds.__wrapped__()
    right = cosine_sums._cosines
    monkeypatch.setattr(cosine_sums, "_cosines", lambda *args: right(*args)[::-1])
    assert not cosine_sums.holds.__wrapped__()
