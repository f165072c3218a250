"""Every way to a null gives the metric's own score first, and rescoring of rearranged sides after."""

import numpy as np
import pytest
import scipy.stats

from actjax import lookup
from actjax.similarity.api import make_metric
from actjax.similarity.kernel import clip_scores, pairwise
from actjax.similarity.stream import without_clip_means
from actjax.statistics import families, permutations, simulated
from actjax.statistics.metric_nulls import WAYS, null_of, way_of
from actjax.statistics.requirements import StatisticsError
from actjax.statistics.rescored import Sides
from actjax.types import Context

B, FRAMES, N, K, R = 9, 20, 3, 2, 20
CLASSES = np.repeat([0, 1, 2], 3)
DRAWS = permutations.within_class(np.arange(B), CLASSES, replicates=R, seed=0)


def series(seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(B, FRAMES, N)).astype(np.float32)
    y = (rng.normal(size=(B, FRAMES, K)) + x[:, :, :K]).astype(np.float32)
    return Sides(x, y, np.ones((B, FRAMES), bool), FRAMES)


def images(seed=1):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(B, N, 5, FRAMES)).astype(np.float32)
    y = rng.normal(size=(B, K, 4, FRAMES)).astype(np.float32)
    return Sides(x, y, np.ones((B, FRAMES), bool), FRAMES)


def agree(null, observed, replicates, atol=1e-5):
    """The null against scores [n, k] and [r, n, k] that were made otherwise."""
    np.testing.assert_allclose(null.score, observed, atol=atol)
    np.testing.assert_allclose(null.mean, np.mean(replicates, axis=0), atol=atol)
    np.testing.assert_allclose(null.std, np.std(replicates, axis=0, ddof=1), atol=atol)
    strength = np.abs(replicates - np.mean([observed, *replicates], axis=0))
    own = np.abs(observed - np.mean([observed, *replicates], axis=0))
    reached = (strength >= own - 1e-4 * null.std).sum(axis=0)
    np.testing.assert_allclose(null.p, (1 + reached) / (len(replicates) + 1), atol=1e-6)


@pytest.mark.parametrize("masked", [False, True])
def test_spearman_within_clips_equals_scipy_on_rearranged_clips(masked):
    sides = series()
    sides.mask[::2, -4:] = not masked
    null = null_of(make_metric("spearman"), sides, DRAWS)

    def by_hand(source):
        table = np.empty((B, N, K))
        for b, n, k in np.ndindex(B, N, K):
            both = sides.mask[b] & sides.mask[source[b]]
            table[b, n, k] = scipy.stats.spearmanr(sides.x[b, both, n], sides.y[source[b], both, k]).statistic
        return table.mean(axis=0)

    agree(null, by_hand(np.arange(B)), np.stack([by_hand(source) for source in DRAWS.source_rb]))


@pytest.mark.parametrize("metric", ["cka", pytest.param("ssim", marks=pytest.mark.long)])
def test_maps_are_scored_with_every_clip_they_can_meet(metric):
    sides, metric = images(), make_metric(metric)
    if metric.compares == "cells":
        sides = sides._replace(x=sides.x[:, :, :4])

    def by_hand(source):
        return np.asarray(clip_scores(metric, sides.x, sides.y[source], sides.mask)["score"]).mean(axis=0)

    null = null_of(metric, sides, DRAWS)
    replicates = np.stack([by_hand(source) for source in DRAWS.source_rb])
    np.testing.assert_allclose(null.score, by_hand(np.arange(B)), atol=1e-5)
    np.testing.assert_allclose(null.mean, replicates.mean(axis=0), atol=1e-5)
    np.testing.assert_allclose(null.std, replicates.std(axis=0, ddof=1), atol=1e-5)
    in_tiles = null_of(metric, sides, DRAWS, memory_gib=1e-6)
    np.testing.assert_allclose(in_tiles.mean, null.mean, atol=1e-6)


@pytest.mark.parametrize("name", ["pearson", "spearman", "distance_correlation", "mutual_information"])
def test_in_the_clip_view_rows_are_reordered(name):
    sides = series(2)
    sides = sides._replace(x=sides.x[:, :1], y=sides.y[:, :1], mask=np.ones((B, 1), bool), frames=1)
    sides.mask[4] = name == "pearson"
    metric = make_metric(name)

    def by_hand(source):
        mask = sides.mask[:, 0] & sides.mask[source, 0]
        return np.asarray(pairwise(metric, sides.x[:, 0], sides.y[source, 0], mask)["score"])

    null = null_of(metric, sides, DRAWS)
    replicates = np.stack([by_hand(source) for source in DRAWS.source_rb])
    np.testing.assert_allclose(null.score, by_hand(np.arange(B)), atol=2e-6)
    np.testing.assert_allclose(null.mean, replicates.mean(axis=0), atol=3e-6)
    np.testing.assert_allclose(null.std, replicates.std(axis=0, ddof=1), atol=3e-6)


def test_kendall_s_p_is_that_of_scipy_s_permutation_test():
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(2, 24, 1)).astype(np.float32)
    y += 0.4 * x
    sides = Sides(x[:, None], y[:, None], np.ones((24, 1), bool), 1)
    draws = permutations.unrestricted(np.arange(24), replicates=600, seed=0)
    null = null_of(make_metric("kendall"), sides, draws)
    outside = scipy.stats.permutation_test(
        (x[:, 0],),
        lambda a: scipy.stats.kendalltau(a, y[:, 0]).statistic,
        permutation_type="pairings",
        vectorized=False,
        n_resamples=600,
        rng=np.random.default_rng(1),
    )
    assert null.score[0, 0] == pytest.approx(outside.statistic, abs=1e-6)
    # Both are Monte Carlo estimates of one p: three standard errors of their difference.
    p = outside.pvalue
    assert 0.005 < p < 0.5 and abs(null.p[0, 0] - p) < 3 * np.sqrt(2 * p * (1 - p) / 600)


def test_pearson_within_and_total():
    sides = series(3)
    metric = make_metric("pearson")
    total = null_of(metric, sides, DRAWS, part="total")
    want = np.corrcoef(sides.x.reshape(-1, N).T, sides.y.reshape(-1, K).T)[:N, N:]
    np.testing.assert_allclose(total.score, want, atol=2e-6)
    within = null_of(metric, sides, DRAWS)
    flat = [(v - v.mean(axis=1, keepdims=True)).reshape(B * FRAMES, -1) for v in (sides.x, sides.y)]
    np.testing.assert_allclose(within.score, np.corrcoef(*[f.T for f in flat])[:N, N:], atol=2e-6)
    assert families.correct([within])[0].p_maxt[0, 0] == pytest.approx(1 / 21)


def test_cosine_is_one_of_moments_where_clips_are_pooled_and_a_mean_over_clips_otherwise():
    sides, metric = series(4), make_metric("cosine")
    within, total = null_of(metric, sides, DRAWS), null_of(metric, sides, DRAWS, part="total")

    def cosines(source, axes):
        x, y = sides.x[:, :, :, None], sides.y[source][:, :, None]
        return (x * y).sum(axes) / np.sqrt((x**2).sum(axes) * (y**2).sum(axes))

    agree(total, cosines(np.arange(B), (0, 1)), np.stack([cosines(s, (0, 1)) for s in DRAWS.source_rb]))
    means = np.stack([cosines(s, 1).mean(axis=0) for s in DRAWS.source_rb])
    agree(within, cosines(np.arange(B), 1).mean(axis=0), means)


def test_partial_pearson_rearranges_residuals():
    sides = series(5)._replace(
        nuisance=np.random.default_rng(6).normal(size=(B, FRAMES, 1)).astype(np.float32)
    )
    sides = sides._replace(x=sides.x + 2 * sides.nuisance, y=sides.y + 2 * sides.nuisance)

    def residuals(values):
        values, held = (v - v.mean(axis=1, keepdims=True) for v in (values, sides.nuisance))
        values, held = values.reshape(B * FRAMES, -1), held.reshape(B * FRAMES, -1)
        return (values - held @ np.linalg.lstsq(held, values, rcond=None)[0]).reshape(B, FRAMES, -1)

    def correlations(source):
        x, y = (side.reshape(B * FRAMES, -1).T for side in (residuals(sides.x), residuals(sides.y)[source]))
        return np.corrcoef(x, y)[:N, N:]

    null = null_of(make_metric("partial_pearson"), sides, DRAWS)
    agree(null, correlations(np.arange(B)), np.stack([correlations(s) for s in DRAWS.source_rb]))
    with pytest.raises(StatisticsError, match="partial_pearson needs the nuisance rows"):
        null_of(make_metric("partial_pearson"), sides._replace(nuisance=None), DRAWS)


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("spearman", "total"),
        ("cosine_cubed", "within"),
        pytest.param("ridge", "within", marks=pytest.mark.long),
    ],
)
def test_pooled_scores_are_scored_anew(name, part):
    metric, sides = make_metric(name), series(7)._replace(folds_b=np.arange(B) % 3)
    folds = np.repeat(np.arange(B) % 3, FRAMES)

    def by_hand(source):
        x, y = sides.x, sides.y[source]
        if part == "within":
            x, y = (np.asarray(without_clip_means(v, sides.mask)) for v in (x, y))
        context = Context(clip_ids_o=np.repeat(np.arange(B), FRAMES), folds_o=folds)
        return np.asarray(
            pairwise(metric, x.reshape(-1, N), y.reshape(-1, K), np.ones(B * FRAMES, bool), context)["score"]
        )

    null = null_of(metric, sides, DRAWS, part=part)
    replicates = np.stack([by_hand(source) for source in DRAWS.source_rb])
    assert null.score.shape == ((N, 1) if name == "ridge" else (N, K))
    np.testing.assert_allclose(null.score, by_hand(np.arange(B)), atol=1e-5)
    np.testing.assert_allclose(null.mean, replicates.mean(axis=0), atol=1e-5)


@pytest.mark.parametrize("name", ["pearson", "spearman", "cka"])
def test_shifts_rotate_the_features_frames(name):
    metric = make_metric(name)
    sides = images(8) if metric.observes == "image" else series(8)
    draws = permutations.circular_shift(sides.mask, replicates=R, seed=0)
    null = null_of(metric, sides, draws)

    def shifted(shift_b):
        axis = 2 if metric.observes == "image" else 0
        return sides._replace(
            y=np.stack([np.roll(y, s, axis) for y, s in zip(sides.y, shift_b, strict=True)])
        )

    replicates = np.stack([null_of(metric, shifted(s), DRAWS).score for s in draws.shift_rb])
    np.testing.assert_allclose(null.score, null_of(metric, sides, DRAWS).score, atol=1e-5)
    np.testing.assert_allclose(null.mean, replicates.mean(axis=0), atol=1e-5)
    np.testing.assert_allclose(null.std, replicates.std(axis=0, ddof=1), atol=1e-5)


def test_one_value_a_clip_cannot_be_shifted():
    sides = series()
    sides = sides._replace(x=sides.x[:, :1], y=sides.y[:, :1], mask=np.ones((B, 1), bool), frames=1)
    draws = permutations.circular_shift(np.ones((B, FRAMES), bool), replicates=R, seed=0)
    with pytest.raises(StatisticsError, match="cannot be shifted in time"):
        null_of(make_metric("pearson"), sides, draws)


def test_too_few_valid_clips_leave_a_score_and_its_null_undefined():
    sides = series(9)
    sides.x[:2, :, 0] = 1.0  # constant in 2 of 9 clips, more than a tenth
    null = null_of(make_metric("spearman"), sides, DRAWS)
    assert np.isnan(null.p[0]).all() and not np.isnan(null.p[1:]).any()


@pytest.mark.parametrize("name", lookup.names("metric"))
def test_every_metric_has_a_null_in_every_part_and_view(name):
    metric = make_metric(name)
    for several in (False, True):
        for part in ("within", "total"):
            assert way_of(metric, part, several) in WAYS
            assert way_of(metric, part, several, shifts=True) != "pairs"


@pytest.mark.parametrize("name", ["spearman", "kendall", "distance_correlation"])
def test_p_values_are_calibrated_where_nothing_is_to_be_found(name):
    """Max-T p over the pairs of sets whose sides share class-specific envelopes and nothing else."""
    design, sets, level = simulated.Design(clips=24, classes=4, frames=12, neurons=3, rows=2), 60, 0.1
    x, y = simulated.draw("class_envelopes", design, sets, np.random.default_rng(0))
    mask = np.ones(x.shape[1:3], bool)
    rejected = 0
    for i in range(sets):
        draws = permutations.within_class(np.arange(24), design.class_ids, replicates=39, seed=i, level=0.1)
        null = null_of(make_metric(name), Sides(x[i], y[i], mask, 12), draws)
        rejected += families.correct([null])[0].p_maxt.min() <= level
    # p <= 0.1 has probability 4 / 40: a binomial 99.9 % range.
    low, high = scipy.stats.binom.interval(0.999, sets, 0.1)
    assert low <= rejected <= high
