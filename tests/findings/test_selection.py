"""Selection on one half and report on the other; halves; stability."""

import numpy as np
import pytest

from actjax.findings.cross_fitting import selection
from actjax.statistics import moments
from actjax.statistics.requirements import StatisticsError


def test_halves_divide_recordings_evenly_within_classes():
    recordings = np.repeat(np.arange(30), 2)
    classes = np.repeat(np.repeat([0, 1, 2], [14, 11, 5]), 2)
    halves = selection.split_halves(recordings, classes, splits=40, seed=0)
    assert halves.shape == (40, 2, 60) and halves.dtype == bool
    np.testing.assert_array_equal(halves[:, 0], ~halves[:, 1])
    np.testing.assert_array_equal(halves[..., ::2], halves[..., 1::2])
    sizes = {c: set(halves[:, 0, ::2][:, classes[::2] == c].sum(axis=1)) for c in range(3)}
    assert sizes == {0: {7}, 1: {5, 6}, 2: {2, 3}}
    assert (selection.split_halves(recordings, classes, splits=40, seed=0) == halves).all()
    with pytest.raises(StatisticsError, match="class 2 has one recording"):
        selection.split_halves([0, 1, 2], [1, 1, 2])
    assert selection.split_halves(recordings, None).shape == (1, 2, 60)


def test_cross_fit_by_hand():
    #        neuron 0     neuron 1
    first = [[0.3, 0.1], [-0.6, np.nan]]
    second = [[0.2, 0.5], [-0.1, 0.9]]
    fitted = selection.cross_fit(np.asarray([[first, second]]), signed=True)
    # Chosen on the first half: -0.6 at (1, 0), whose other half is -0.1, times its sign: 0.1.
    # Chosen on the second: 0.9 at (1, 1), undefined in the first half.
    np.testing.assert_allclose(fitted.scores, [[0.1, np.nan]])
    assert fitted.score == pytest.approx(0.1)
    assert fitted.chosen.tolist() == [[[1, 0], [1, 1]]] and fitted.sign.tolist() == [[-1, 1]]
    unsigned = selection.cross_fit(np.asarray([[first, second]]), signed=False)
    assert unsigned.chosen[0, 0].tolist() == [0, 0] and unsigned.scores[0, 0] == 0.2
    assert np.isnan(selection.cross_fit(np.full((1, 2, 3), np.nan), signed=True).score)
    with pytest.raises(StatisticsError, match="expected scores"):
        selection.cross_fit(np.zeros((3, 4)), signed=True)


def half_correlations(x, y, halves):
    """[s, 2, n, k] numpy's correlations of [b, 1, n] and [b, 1, k] on each half."""
    n = x.shape[2]
    every = [np.corrcoef(x[own, 0].T, y[own, 0].T)[:n, n:] for own in halves.reshape(-1, halves.shape[2])]
    return np.reshape(every, (*halves.shape[:2], *every[0].shape))


def test_pure_noise_has_no_best_neuron():
    """120 clips, 64 neurons, 12 rows of noise: the best of all is 0.3, cross-fitted about 0."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(120, 1, 64)), rng.normal(size=(120, 1, 12))
    naive = np.abs(np.corrcoef(x[:, 0].T, y[:, 0].T)[:64, 64:]).max()
    halves = selection.split_halves(np.arange(120), np.arange(120) % 12, splits=20, seed=1)
    scores = half_correlations(x, y, halves)
    assert naive > 0.27
    fitted = selection.cross_fit(scores, signed=True)
    assert abs(fitted.score) < 0.08
    # A real relation of 0.6 survives.
    x[:, 0, 5] = 0.75 * y[:, 0, 3] + rng.normal(size=120)
    scores = half_correlations(x, y, halves)
    fitted = selection.cross_fit(scores[..., 3:], signed=True)
    assert (fitted.chosen == [5, 0]).all() and fitted.score == pytest.approx(0.6, abs=0.1)
    assert abs(selection.cross_fit(scores[..., :3], signed=True).score) < 0.15
    agreement = selection.stability(scores, [0] * 3 + [1] * 9, signed=True)
    assert agreement[5] == 1.0 and agreement.shape == (64,) and agreement.mean() < 0.9


def test_centred_survives_a_large_mean():
    values = np.random.default_rng(3).normal(size=(5, 40, 1)) * 0.05 + 2000.0
    got = np.asarray(moments.centred(values.astype(np.float32), np.ones((5, 40), bool), "clip"))[..., 0]
    want = values.astype(np.float32).astype(np.float64)[..., 0]
    want -= want.mean(axis=1, keepdims=True)
    np.testing.assert_allclose(got, want / np.abs(want).max(), atol=2e-3)
