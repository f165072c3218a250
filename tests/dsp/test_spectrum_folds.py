"""The constant-Q transform's folds as a GPU's kernel sums them, step by step on a CPU."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from actjax import precision
from actjax.dsp import cqt
from actjax.kernels import spectrum_folds


@pytest.fixture
def emulated(as_beside_a_gpu, monkeypatch):
    monkeypatch.setattr(precision, "kernel_folds", lambda: True)


# Five bins to the octave, which programs of four do not divide; a tuning of each clip, and none.
def test_kernel_is_the_transform(emulated, monkeypatch):
    grid = cqt.Grid(8000, 256, 220.0, 7, 5)
    waves = np.random.default_rng(0).standard_normal((2, 1300)).astype(np.float32)

    def results():
        def total(wave_bs):
            of_tuning = [
                jax.vmap(functools.partial(cqt.cqt_magnitude, grid=grid, tuning=tuning))(wave_bs)
                for tuning in (0.0, None)
            ]
            return jnp.sum(of_tuning[0] ** 2), of_tuning

        (_, of_tuning), slope = jax.jit(jax.value_and_grad(total, has_aux=True))(waves)
        return [np.asarray(values) for values in (*of_tuning, slope)]

    by_kernel = results()
    monkeypatch.setattr(precision, "kernel_folds", lambda: False)
    for found, expected in zip(by_kernel, results(), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max())


def test_trial_tells_right_from_wrong(emulated, monkeypatch):
    assert spectrum_folds.holds.__wrapped__()
    right = spectrum_folds._laid_out
    monkeypatch.setattr(spectrum_folds, "_laid_out", lambda *args: (right(*args)[0][::-1], *right(*args)[1:]))
    assert not spectrum_folds.holds.__wrapped__()
