"""YIN's normalised differences as a GPU's kernel sums them, step by step on a CPU."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from actjax import dsp, precision
from actjax.kernels import lag_differences


@pytest.fixture
def emulated(as_beside_a_gpu, monkeypatch):
    monkeypatch.setattr(precision, "kernel_differences", lambda: True)


def test_kernel_finds_the_pitch(emulated, monkeypatch):
    time_s = np.arange(1500) / 4000
    waves = np.stack([np.sin(2 * np.pi * hz * time_s) * (time_s > 0.1) for hz in (110.0, 333.0)])
    waves += 1e-3 * np.random.default_rng(0).standard_normal(waves.shape)

    def results():
        def total(wave_bs):
            settings = {"sample_rate_hz": 4000, "hop_samples": 128, "fmin_hz": 70.0, "fmax_hz": 900.0}
            pitch = jax.vmap(lambda wave: dsp.yin(dsp.frame(wave, 512, 128), **settings))(wave_bs)
            return jnp.sum(pitch.aperiodicity), pitch

        (_, pitch), slope = jax.jit(jax.value_and_grad(total, has_aux=True))(waves.astype(np.float32))
        return [np.asarray(values) for values in (pitch.f0_hz, pitch.aperiodicity, pitch.sounding, slope)]

    by_kernel = results()
    monkeypatch.setattr(precision, "kernel_differences", lambda: False)
    for found, expected in zip(by_kernel, results(), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max())


def test_trial_tells_right_from_wrong(emulated, monkeypatch):
    assert lag_differences.holds.__wrapped__()
    monkeypatch.setattr(jnp, "cumsum", lambda x, axis: x)
    assert not lag_differences.holds.__wrapped__()
