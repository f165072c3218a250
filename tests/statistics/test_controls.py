"""Controls against least squares, one-way analysis of variance and scoring the long way."""

import jax
import numpy as np
import pytest
import scipy.stats

from actjax.statistics import controls
from actjax.statistics.requirements import StatisticsError


def test_shuffled_weights_keep_each_layers_values():
    params = {"conv": {"kernel": np.arange(60.0).reshape(3, 4, 5), "bias": np.arange(5.0)}, "out": np.ones(3)}
    shuffled = controls.shuffle_weights(params, 0)
    for before, after in zip(jax.tree.leaves(params), jax.tree.leaves(shuffled), strict=True):
        assert before.shape == after.shape
        np.testing.assert_array_equal(np.sort(before, axis=None), np.sort(after, axis=None))
    assert (np.asarray(shuffled["conv"]["kernel"]) != params["conv"]["kernel"]).mean() > 0.8
    again = controls.shuffle_weights(params, 0)
    np.testing.assert_array_equal(again["conv"]["kernel"], shuffled["conv"]["kernel"])


def test_rotations_are_orthogonal_and_uniform():
    q = controls.rotations(1, 3, 4000)
    np.testing.assert_allclose(q @ q.transpose(0, 2, 1), np.tile(np.eye(3), (4000, 1, 1)), atol=1e-5)
    # Under the Haar measure every entry is uniform on [-1, 1] in three dimensions (Archimedes).
    for i, j in np.ndindex(3, 3):
        assert scipy.stats.kstest(q[:, i, j], "uniform", args=(-1, 2)).pvalue > 1e-4


@pytest.mark.parametrize("centre", ["clip", "all"])
def test_rotated_channels_are_mixtures_of_standardised_ones(centre):
    rng = np.random.default_rng(2)
    x = (rng.normal(size=(9, 8, 4)) * [1, 10, 0.1, 3] + 5).astype(np.float32)
    mask = np.arange(8)[None, :] < rng.integers(5, 9, 9)[:, None]
    q = controls.rotations(3, 4, 3)
    means = np.stack([v[m].mean(axis=0) for v, m in zip(x, mask, strict=True)])[:, None]
    deviations = (x - (means if centre == "clip" else x[mask].mean(axis=0)))[mask].astype(np.float64)
    for i in range(3):
        turned = np.asarray(controls.rotate_channels(x, mask, q[i], centre=centre))
        want = deviations / deviations.std(axis=0) @ q[i]
        np.testing.assert_allclose(turned[mask], want, atol=1e-5)
    # Standardised: each channel has unit variance before turning, so the sum of variances stays n.
    assert (turned[mask] ** 2).sum() / mask.sum() == pytest.approx(4.0, rel=1e-4)


def test_eta_squared_equals_analysis_of_variance():
    rng = np.random.default_rng(4)
    classes = rng.integers(0, 3, 40)
    values = rng.normal(size=(40, 3)) + classes[:, None] * [0.0, 1.0, 0.0] + 1000.0
    values[:, 2] = 0.7
    got = controls.eta_squared(values, classes)
    for v in range(2):
        f = scipy.stats.f_oneway(*(values[classes == c, v] for c in range(3))).statistic
        assert got[v] == pytest.approx(2 * f / (2 * f + 37))
    assert np.isnan(got[2])
    values[3, 0] = np.nan
    keep = np.arange(40) != 3
    assert controls.eta_squared(values, classes)[0] == pytest.approx(
        controls.eta_squared(values[keep], classes[keep])[0]
    )
    with pytest.raises(StatisticsError, match="one class for each of 40 clips, got 39"):
        controls.eta_squared(values, classes[1:])


@pytest.mark.parametrize("centre", ["clip", "all"])
def test_residuals_equal_least_squares(centre):
    rng = np.random.default_rng(5)
    nuisance = rng.normal(size=(6, 10, 2)) * [1.0, 50.0] + [3.0, 100.0]
    values = rng.normal(size=(6, 10, 3)) + nuisance[:, :, :1] * 2 + nuisance[:, :, 1:] * 0.1
    values[:, :, 2] = nuisance[:, :, 0]
    mask = np.arange(10)[None, :] < rng.integers(7, 11, 6)[:, None]
    got = np.asarray(
        controls.residuals(values.astype(np.float32), nuisance.astype(np.float32), mask, centre=centre)
    )

    def deviations(array):
        means = np.stack([a[m].mean(axis=0) for a, m in zip(array, mask, strict=True)])[:, None]
        return (array - (means if centre == "clip" else array[mask].mean(axis=0)))[mask]

    a, b = deviations(values), deviations(nuisance)
    want = a - b @ np.linalg.lstsq(b, a, rcond=None)[0]
    for v in range(2):
        # Residuals are returned up to scale.
        assert np.corrcoef(got[mask][:, v], want[:, v])[0, 1] == pytest.approx(1.0, abs=1e-6)
    assert (got[~mask] == 0).all() and (got[:, :, 2] == 0).all()
