"""Every way to a null gives the metric's own score first, and rescoring of rearranged sides after."""

import jax
import numpy as np
import pytest
import scipy.stats

from actjax.similarity.api import make_metric
from actjax.similarity.kernel import clip_scores, pairwise
from actjax.statistics import families, permutations
from actjax.statistics.metric_nulls import null_of
from actjax.statistics.requirements import StatisticsError

B, FRAMES, N, K = 9, 20, 3, 2
CLASSES = np.repeat([0, 1, 2], 3)
DRAWS = permutations.within_class(np.arange(B), CLASSES, replicates=20, seed=0)


def sides(seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(B, FRAMES, N)).astype(np.float32)
    y = (rng.normal(size=(B, FRAMES, K)) + x[:, :, :K]).astype(np.float32)
    return x, y, np.ones((B, FRAMES), bool)


def test_spearman_within_clips():
    x, y, mask = sides()
    mask[::2, -4:] = False
    part = null_of(make_metric("spearman"), x, y, mask, DRAWS)

    def by_hand(source):
        table = np.empty((B, N, K))
        for b, n, k in np.ndindex(B, N, K):
            both = mask[b] & mask[source[b]]
            table[b, n, k] = scipy.stats.spearmanr(x[b, both, n], y[source[b], both, k]).statistic
        return table.mean(axis=0)

    np.testing.assert_allclose(part.score, by_hand(np.arange(B)), atol=1e-5)
    want = np.stack([by_hand(source) for source in DRAWS.source_rb])
    np.testing.assert_allclose(part.mean, want.mean(axis=0), atol=1e-5)
    np.testing.assert_allclose(part.std, want.std(axis=0, ddof=1), atol=1e-5)


def test_maps_by_frame_geometry():
    rng = np.random.default_rng(1)
    x = rng.normal(size=(B, N, 5, FRAMES)).astype(np.float32)
    y = rng.normal(size=(B, K, 4, FRAMES)).astype(np.float32)
    mask = np.ones((B, FRAMES), bool)
    metric = make_metric("cka")
    part = null_of(metric, x, y, mask, DRAWS)
    for r, name in ((None, "score"), (0, "mean")):
        if r is None:
            want = np.asarray(clip_scores(metric, x, y, mask)["score"]).mean(axis=0)
        else:
            want = np.mean(
                [
                    np.asarray(clip_scores(metric, x, y[s], mask)["score"]).mean(axis=0)
                    for s in DRAWS.source_rb
                ],
                axis=0,
            )
        np.testing.assert_allclose(getattr(part, name), want, atol=1e-5)


@pytest.mark.parametrize("name", ["pearson", "spearman", "distance_correlation"])
def test_clip_view_equals_pairwise_on_rearranged_clips(name):
    x, y, _ = sides(2)
    x, y, mask = x[:, :1], y[:, :1], np.ones((B, 1), bool)
    mask[4] = name == "pearson"
    metric = make_metric(name)
    part = null_of(metric, x, y, mask, DRAWS)
    scorer = jax.jit(lambda yy, m: pairwise(metric, x[:, 0], yy, m)["score"])
    np.testing.assert_allclose(part.score, scorer(y[:, 0], mask[:, 0]), atol=2e-6)
    want = np.stack([scorer(y[s, 0], mask[:, 0] & mask[s, 0]) for s in DRAWS.source_rb])
    np.testing.assert_allclose(part.mean, want.mean(axis=0), atol=3e-6)
    np.testing.assert_allclose(part.std, want.std(axis=0, ddof=1), atol=3e-6)


def test_pearson_within_and_total():
    x, y, mask = sides(3)
    metric = make_metric("pearson")
    total = null_of(metric, x, y, mask, DRAWS, part="total")
    want = np.corrcoef(x.reshape(-1, N).T, y.reshape(-1, K).T)[:N, N:]
    np.testing.assert_allclose(total.score, want, atol=2e-6)
    within = null_of(metric, x, y, mask, DRAWS)
    flat = [(v - v.mean(axis=1, keepdims=True)).reshape(B * FRAMES, -1) for v in (x, y)]
    np.testing.assert_allclose(within.score, np.corrcoef(*[f.T for f in flat])[:N, N:], atol=2e-6)
    assert families.correct([within])[0].p_maxt[0, 0] == pytest.approx(1 / 21)


def test_combinations_without_a_null_are_refused():
    x, y, mask = sides()
    with pytest.raises(StatisticsError, match="use part=within"):
        null_of(make_metric("spearman"), x, y, mask, DRAWS, part="total")
    shifts = permutations.circular_shift(mask, replicates=20, seed=0)
    with pytest.raises(StatisticsError, match="not circular shifts"):
        null_of(make_metric("spearman"), x, y, mask, shifts)
