"""Mel bands as a GPU's kernel sums them, step by step on a CPU."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from actjax import dsp, precision
from actjax.kernels import band_sums


@pytest.fixture
def emulated(as_beside_a_gpu, monkeypatch):
    monkeypatch.setattr(precision, "kernel_bands", lambda: True)


# More bands than a program sums at once, and fewer, of some bins alone.
@pytest.mark.parametrize("n_mels, fmin_hz, fmax_hz", [(140, 0.0, None), (12, 300.0, 2000.0)])
def test_kernel_is_the_product(emulated, n_mels, fmin_hz, fmax_hz):
    power = np.random.default_rng(0).gamma(1.0, size=(2, 35, 257)).astype(np.float32)
    bank = dsp.mel_bank(12000, 512, n_mels, fmin_hz, fmax_hz)

    def total(power_btf):
        mel = jax.vmap(lambda one: dsp.mel_power(one, 12000, n_mels, fmin_hz, fmax_hz))(power_btf)
        return jnp.sum(mel**2), mel

    (_, mel), slope = jax.jit(jax.value_and_grad(total, has_aux=True))(power)
    np.testing.assert_allclose(mel, power.astype(np.float64) @ bank.T, rtol=1e-5)
    np.testing.assert_allclose(slope, 2 * (power.astype(np.float64) @ bank.T) @ bank, rtol=1e-5, atol=1e-7)


def test_trial_tells_right_from_wrong(emulated, monkeypatch):
    assert band_sums.holds.__wrapped__()
    monkeypatch.setattr(band_sums, "_widest", lambda bank: 1)
    assert not band_sums.holds.__wrapped__()


def test_wide_bands_are_left_to_the_product():
    assert band_sums.narrow(dsp.mel_bank(12000, 512, 96))
    assert not band_sums.narrow(dsp.mel_bank(22050, 2048, 128))
