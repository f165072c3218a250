"""Debiased cka of whole sides, in each of its ways, against matrices of frames in float64."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from actjax.similarity.api import make_metric
from actjax.similarity.families import alignment
from actjax.similarity.kernel import clip_scores, pairwise

WAYS = ("bands", "matrices of y", "matrices")


def centred(image, mask):
    """The U-centred products of the frames that count, at length 1, in float64."""
    x = np.asarray(image, np.float64)[:, mask]
    x = x - x.mean(1, keepdims=True)
    k, m = x.T @ x, x.shape[1]
    np.fill_diagonal(k, 0)
    rows = k.sum(1) / (m - 2)
    k = k - rows[:, None] - rows[None] + k.sum() / ((m - 1) * (m - 2))
    np.fill_diagonal(k, 0)
    return k / np.linalg.norm(k)


def expected(x, y, mask):
    return np.array([[np.sum(centred(a, mask) * centred(b, mask)) for b in y] for a in x])


def noise(rng, n, f, t):
    return np.maximum(rng.standard_normal((n, f, t)), 0)


def loud(rng, n, f, t):
    """Half of the images have one frame, each its own, up to 300 times as loud as the others."""
    x = noise(rng, n, f, t)
    for i in range(0, n, 2):
        x[i, :, 1 + i] += 10.0 ** rng.uniform(0, 2.5)
    return x


def sparse(rng, n, f, t):
    """Few cells are active, some of the frames not at all."""
    return np.maximum(rng.standard_normal((n, f, t)) - 1, 0) * rng.gamma(0.5, 4, (n, 1, t))


def smooth(rng, n, f, t):
    return rng.standard_normal((n, f, 2)) @ rng.standard_normal((n, 2, t)).cumsum(2) / 9 + 40


def sides(kind, t, seed=0, n=6, f=5, k=3, g=7):
    rng = np.random.default_rng([t, seed])
    x = kind(rng, n, f, t).astype(np.float32)
    y = kind(rng, k, g, t).astype(np.float32)
    mask = np.ones(t, bool)
    mask[t - t // 8 :] = False
    # What does not count may be anything finite.
    return np.where(mask, x, np.float32(1e6)), np.where(mask, y, np.float32(-1e6)), mask


def scored(x, y, mask):
    return np.asarray(clip_scores(make_metric("cka"), x[None], y[None], mask[None])["score"][0])


@pytest.fixture(params=WAYS)
def way(request, monkeypatch):
    jax.clear_caches()
    monkeypatch.setattr(alignment, "cheapest", lambda f, g, t, k: request.param)
    yield request.param
    jax.clear_caches()


@pytest.mark.parametrize(
    "t", [20, pytest.param(150, marks=pytest.mark.long), pytest.param(1366, marks=pytest.mark.long)]
)
def test_every_way_equals_float64(way, t):
    for kind in (noise, loud, sparse, smooth):
        x, y, mask = sides(kind, t)
        np.testing.assert_allclose(scored(x, y, mask), expected(x, y, mask), atol=2e-6, err_msg=kind.__name__)
    # Where nothing is left: of constants, of a map that is active in one frame alone.
    x, y, mask = sides(noise, t)
    x[1], x[2], y[2] = 7, 0, 3
    x[2, 3, 5] = 2
    undefined = np.isin(np.arange(6), (1, 2))[:, None] | (np.arange(3) == 2)
    np.testing.assert_array_equal(np.isnan(scored(x, y, mask)), undefined)


def test_only_neurons_of_which_little_is_left_are_scored_by_matrices(monkeypatch):
    """Clip by clip: the images of features, and those neurons, as many at a time as a cache holds."""
    rounds = []
    by_matrices = alignment._by_matrices

    def counted(scores_nk, which_n, *rest):
        jax.debug.callback(lambda which: rounds.append(int(which.sum())), which_n)
        return by_matrices(scores_nk, which_n, *rest)

    jax.clear_caches()
    monkeypatch.setattr(alignment, "_by_matrices", counted)
    monkeypatch.setattr(alignment, "cheapest", lambda f, g, t, k: "bands")
    x, y, mask = sides(noise, 40)
    louder = x.copy()
    louder[[1, 4], :, 3] += 100
    clips = np.stack([x, louder, x]), np.stack([y] * 3), np.stack([mask] * 3)
    scores = clip_scores(make_metric("cka"), *clips)["score"]
    jax.effects_barrier()
    jax.clear_caches()
    assert rounds == [2]
    np.testing.assert_array_equal(scores[0], scores[2])
    np.testing.assert_allclose(scores[1], expected(louder, y, mask), atol=2e-6)


def test_the_cheapest_way():
    """Bands where frames are many, matrices of y where its rows are more, both where many images meet."""
    assert alignment.cheapest(21, 96, 656, 4) == "bands"
    assert alignment.cheapest(3, 384, 64, 4) == "matrices of y"
    assert alignment.cheapest(46, 96, 69, 12) == "matrices"


def test_tiles_of_neurons_do_not_matter():
    """Room for two neurons, of five: the last tile overlaps the one before it."""
    x, y, mask = sides(loud, 24, n=5)
    metric = make_metric("cka")
    room = 4 * 2 * metric.together.numbers(x.shape[1:], y.shape[1:], len(y))
    whole = pairwise(metric, x, y, mask)["score"]
    np.testing.assert_allclose(pairwise(metric, x, y, mask, tile_bytes=room)["score"], whole, atol=3e-7)


def test_pair_by_pair_is_the_same():
    x, y, mask = (jnp.asarray(side) for side in sides(sparse, 33))
    apart = dataclasses.replace(make_metric("cka"), together=None)
    np.testing.assert_allclose(pairwise(apart, x, y, mask)["score"], scored(x, y, mask), atol=1e-6)
