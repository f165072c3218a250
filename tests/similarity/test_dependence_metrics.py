"""Dependence metrics against SciPy, dcor and scikit-learn in float64."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.spatial
import scipy.stats
from sklearn.linear_model import Ridge, RidgeCV
from sklearn.model_selection import GroupKFold, LeaveOneGroupOut, cross_val_predict

from actjax.similarity.api import make_metric
from actjax.similarity.families.observation_pairs import row_sums, sum_over_pairs
from actjax.similarity.kernel import pairwise
from actjax.types import Context

N, K = 4, 3
# (observations, rounded to ties, masked); shorter ones are masks of the one length, which compiles once.
SIZES = [(8, True, False), (129, True, True)]
LENGTH = 129


def related(o, seed=0, ties=False, n=N, k=K):
    """Sides with relations of both signs; the second neuron falls as the first rises."""
    rng = np.random.default_rng(seed)
    common = rng.standard_normal((o, 3))
    x, y = (common @ rng.standard_normal((3, c)) + rng.standard_normal((o, c)) for c in (n, k))
    x[:, 1] = -(x[:, 0] ** 3)
    if ties:
        x, y = np.round(2 * x) / 2, np.maximum(np.round(y), -1)
    return x.astype(np.float32), y.astype(np.float32)


def masked_sides(o, ties, masked):
    x, y = related(o, ties=ties)
    mask = np.random.default_rng(1).random(o) < 0.8 if masked else np.ones(o, bool)
    mask = np.pad(mask, (0, LENGTH - o))
    padded = [np.pad(side, ((0, LENGTH - o), (0, 0))) for side in (x, y)]
    return *(np.where(mask[:, None], side, np.float32(1e6)) for side in padded), mask


def scores(metric, x, y, mask=None, context=Context(), name="score", **options):  # noqa: B008
    return np.asarray(pairwise(metric, x, y, mask, context, **options)[name])


def each_pair(fn, x, y, mask=None):
    """fn on the float64 columns of every pair."""
    mask = np.ones(len(x), bool) if mask is None else mask
    x, y = (np.asarray(side, np.float64)[mask] for side in (x, y))
    return np.array([[fn(a, b) for b in y.T] for a in x.T])


def cubed(x, y):
    u, v = (x - x.mean()) ** 3, (y - y.mean()) ** 3
    return u @ v / np.sqrt(u @ u * (v @ v))


def partial(z):
    def of_residuals(x, y):
        design = np.column_stack([np.ones(len(z)), np.asarray(z, np.float64)])
        x, y = (side - design @ np.linalg.lstsq(design, side)[0] for side in (x, y))
        return scipy.stats.pearsonr(x, y)[0]

    return of_residuals


@pytest.mark.parametrize("o", [1, 2, 9, 70])
def test_pairs_are_met_once(o):
    rng = np.random.default_rng(o)
    x, y = rng.standard_normal((2, o)).astype(np.float32)

    def apart(a, b):
        return a - b

    found = sum_over_pairs(apart, apart, jnp.asarray(x), jnp.asarray(y))
    every = np.float64(x)[:, None] - x, np.float64(y)[:, None] - y
    np.testing.assert_allclose(found, np.sum(every[0] * every[1]) / 2, rtol=2e-6, atol=1e-5)
    sums = row_sums(lambda a, b: jnp.abs(a - b), jnp.asarray(x))
    np.testing.assert_allclose(sums, np.abs(every[0]).sum(1), rtol=1e-5)


@pytest.mark.parametrize("o, ties, masked", SIZES)
def test_kendall(o, ties, masked):
    x, y, mask = masked_sides(o, ties, masked)
    expected = each_pair(lambda a, b: scipy.stats.kendalltau(a, b)[0], x, y, mask)
    assert (expected < -0.1).any() and (expected > 0.1).any()
    np.testing.assert_allclose(scores(make_metric("kendall"), x, y, mask), expected, atol=1e-6)


@pytest.mark.parametrize("debiased", [False, True])
@pytest.mark.parametrize("o, ties, masked", SIZES)
def test_distance_correlation(o, ties, masked, debiased):
    x, y, mask = masked_sides(o, ties, masked)
    reference = functools.partial(distance_correlation, debiased=debiased)
    found = scores(make_metric("distance_correlation", debiased=debiased), x, y, mask)
    np.testing.assert_allclose(found, each_pair(reference, x, y, mask), atol=1e-5)


def distance_correlation(x, y, debiased):
    """Of all pairs of distances, float64: Szekely et al. 2007, eq. 2.8; debiased, Szekely and Rizzo 2014."""
    n = len(x)
    centred = []
    for side in (x, y):
        far = scipy.spatial.distance.cdist(np.float64(side)[:, None], np.float64(side)[:, None])
        rows, total = far.sum(0), far.sum()
        if debiased:
            far = far - (rows + rows[:, None]) / (n - 2) + total / ((n - 1) * (n - 2))
            np.fill_diagonal(far, 0)
        else:
            far = far - (rows + rows[:, None]) / n + total / n**2
        centred.append(far)
    a, b = centred
    squared = (a * b).sum() / np.sqrt((a * a).sum() * (b * b).sum())
    return squared if debiased else np.sqrt(squared)


# What dcor 0.7 gives for the sides of `distances_of`, by the test below with --long.
DCOR = {False: 0.4089760641092527, True: 0.06688965077957773}


def distances_of():
    rng = np.random.default_rng(0)
    x = rng.normal(size=40)
    return x, np.round(x**2 + rng.normal(size=40))


@pytest.mark.parametrize("debiased", [False, True])
def test_the_reference_of_distance_correlation_is_dcor(debiased):
    assert distance_correlation(*distances_of(), debiased) == pytest.approx(DCOR[debiased], abs=1e-12)


@pytest.mark.long  # importing dcor compiles it for half a minute
@pytest.mark.filterwarnings("ignore:Cannot cache compiled function")  # numba, of dcor's own code
@pytest.mark.parametrize("debiased", [False, True])
def test_dcor_is_what_is_written_here(debiased):
    import dcor

    reference = dcor.u_distance_correlation_sqr if debiased else dcor.distance_correlation
    assert reference(*distances_of()) == pytest.approx(DCOR[debiased], abs=1e-12)


@pytest.mark.parametrize("name", ["kendall", "distance_correlation", "cosine_cubed"])
def test_neurons_first_and_offsets_of_ten_thousand_deviations(name):
    # Whole numbers keep their differences exact at that offset, so the scores must not move.
    x, y = (np.round(16 * side) / 16 for side in related(LENGTH))
    metric = make_metric(name)
    expected = scores(metric, x, y)
    offset = np.float32(16384)
    found = scores(metric, (x + offset).T, (y - offset).T, neurons_first=True)
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_debiased_distance_correlation_of_a_single_outlier_is_undefined():
    x, y = related(LENGTH)
    x[:, 0] = np.arange(LENGTH) == 7
    found = scores(make_metric("distance_correlation", debiased=True), x, y)
    assert np.isnan(found[0]).all() and np.isfinite(found[1:]).all()


@pytest.mark.parametrize("scale", [1e-9, 1.0, 1e9])
def test_cosine_cubed(scale):
    x, y, mask = masked_sides(61, False, True)
    x = np.where(mask[:, None], x * np.float32(scale), np.float32(1e6))
    found = scores(make_metric("cosine_cubed"), x, y, mask)
    np.testing.assert_allclose(found, each_pair(cubed, x, y, mask), atol=1e-5)


def test_cosine_cubed_streams_over_batches_that_differ():
    scale = 1e9
    # Batches of other means and spreads, one constant, one empty.
    x, y = related(200)
    level = np.repeat([0.0, 30.0, -3.0, 5.0], 50)[:, None]
    spread = np.repeat([0.1, 1.0, 3.0, 0.0], 50)[:, None]
    x, y = (
        (np.float32(scale) * (x * spread + level)).astype(np.float32),
        (y * spread - level).astype(np.float32),
    )
    found = stream("cosine_cubed", x, y, [slice(0, 0), *(slice(i, i + 50) for i in (0, 150, 50, 100))])
    np.testing.assert_allclose(found["score"], each_pair(cubed, x, y), atol=1e-5)


def stream(name, x, y, slices, context=Context(), together=False):  # noqa: B008
    """The score of batches, added to one state, or each to its own and merged."""
    accumulator = make_metric(name).accumulator
    update, merge = jax.jit(accumulator.update), jax.jit(accumulator.merge)
    empty = state = accumulator.init(x.shape[1], y.shape[1])
    for part in slices:
        size = 50
        rows = np.arange(size) + (part.start or 0)
        mask, rows = rows < part.stop, np.minimum(rows, len(x) - 1)
        at = jax.tree.map(lambda leaf, rows=rows: leaf[rows], context)
        if together:
            state = update(state, x[rows], y[rows], mask, at)
        else:
            state = merge(state, update(empty, x[rows], y[rows], mask, at))
    return jax.jit(accumulator.finalize)(state)


def nuisance_problem(left, o=200, q=2):
    """Sides of which the nuisances explain all but the share `left` of the deviation, at an offset."""
    x, y = related(o, seed=4)
    z = np.random.default_rng(5).standard_normal((o, q)) + 3
    x, y = (left * side + z @ np.random.default_rng(6).standard_normal((q, side.shape[1])) for side in (x, y))
    return x.astype(np.float32), y.astype(np.float32), z.astype(np.float32)


@pytest.mark.parametrize("left, tolerance", [(1.0, 2e-6), (0.03, 1e-5), (1e-3, 3e-4)])
def test_partial_pearson(left, tolerance):
    x, y, z = nuisance_problem(left)
    expected = each_pair(partial(z), x, y)
    assert (expected < -0.1).any() and (expected > 0.1).any()
    found = scores(make_metric("partial_pearson"), x, y, context=Context(nuisance_oq=z))
    np.testing.assert_allclose(found, expected, atol=tolerance)
    slices = [slice(i, i + 50) for i in range(0, 200, 50)]
    for together in (False, True):
        streamed = stream("partial_pearson", x, y, slices, Context(nuisance_oq=z), together)["score"]
        np.testing.assert_allclose(streamed, expected, atol=tolerance)


def test_partial_pearson_of_collinear_nuisances_and_of_a_nuisance_itself():
    x, y, z = nuisance_problem(1.0)
    twice = np.column_stack([z, 2 * z[:, 0] - 1, np.full(len(z), 7, np.float32)])
    context = Context(nuisance_oq=twice.astype(np.float32))
    expected = each_pair(partial(z), x, y)
    x[:, 2] = 1000 * z[:, 1] + 5
    metric = make_metric("partial_pearson")
    slices = [slice(i, i + 50) for i in range(0, 200, 50)]
    for found in (
        scores(metric, x, y, context=context),
        stream("partial_pearson", x, y, slices, context)["score"],
    ):
        assert np.isnan(np.asarray(found)[2]).all()
        np.testing.assert_allclose(np.delete(found, 2, 0), np.delete(expected, 2, 0), atol=1e-5)


def test_partial_pearson_needs_nuisances():
    x, y = related(20)
    with pytest.raises(ValueError, match="partial_pearson expected nuisance rows"):
        pairwise(make_metric("partial_pearson"), x, y)
    with pytest.raises(ValueError, match="at most 8 nuisance rows, got 9"):
        pairwise(
            make_metric("partial_pearson"), x, y, None, Context(nuisance_oq=np.ones((20, 9), np.float32))
        )


PENALTIES = (1e-3, 1e-1, 10.0)


def ridge_problem(o=120, k=6, folds=4, equal=True, seed=0):
    """Neurons that follow the rows, at an offset; one that does not; clips of 5 observations."""
    rng = np.random.default_rng(seed)
    y = rng.standard_normal((o, k)) * 10.0 ** np.arange(k) + 100
    weights = rng.standard_normal((k, 5)) / 10.0 ** np.arange(k)[:, None]
    x = y @ weights + rng.standard_normal((o, 5)) * np.array([0.1, 1, 3, 10, 30]) + 50
    clip = np.arange(o) // 5
    fold = clip % folds if equal else np.minimum(clip // 3, folds - 1)
    return x.astype(np.float32), y.astype(np.float32), fold.astype(np.int32)


def ridge_reference(x, y, fold, penalties):
    """R2 and r of nested scikit-learn regressions on rows of unit variance."""
    y, x = np.asarray(y, np.float64), np.asarray(x, np.float64)
    y = (y - y.mean(0)) / np.where(y.std(0) > 0, y.std(0), 1)
    predicted = np.empty_like(x)
    for f in np.unique(fold):
        train = fold != f
        inner = list(LeaveOneGroupOut().split(y[train], groups=fold[train]))
        for i in range(x.shape[1]):
            # Pooled squared error, by weights in proportion to the sizes of the inner folds.
            errors = [
                sum(
                    np.sum(
                        (
                            Ridge(alpha=p * len(y)).fit(y[train][a], x[train, i][a]).predict(y[train][b])
                            - x[train, i][b]
                        )
                        ** 2
                    )
                    for a, b in inner
                )
                for p in penalties
            ]
            best = Ridge(alpha=penalties[int(np.argmin(errors))] * len(y)).fit(y[train], x[train, i])
            predicted[~train, i] = best.predict(y[~train])
    r = [scipy.stats.pearsonr(a, b)[0] for a, b in zip(x.T, predicted.T, strict=True)]
    return 1 - ((x - predicted) ** 2).sum(0) / ((x - x.mean(0)) ** 2).sum(0), np.array(r)


@pytest.mark.parametrize("equal", [True, False])
def test_ridge_in_unequal_folds_and_streamed(equal):
    x, y, fold = ridge_problem(equal=equal)
    metric = make_metric("ridge", folds=4, penalties=PENALTIES)
    context = Context(folds_o=fold)
    r2, r = ridge_reference(x, y, fold, PENALTIES)
    assert r2.max() > 0.9 and r2.min() < 0.1
    np.testing.assert_allclose(scores(metric, x, y, context=context)[:, 0], r2, atol=2e-5)
    np.testing.assert_allclose(scores(metric, x, y, context=context, name="r")[:, 0], r, atol=2e-5)
    state = metric.accumulator.init(x.shape[1], y.shape[1])
    update = jax.jit(metric.accumulator.update)
    for start in range(0, len(x), 40):
        part = slice(start, start + 40)
        state = update(state, x[part], y[part], np.ones(40, bool), Context(folds_o=fold[part]))
    found = jax.jit(metric.accumulator.finalize)(state)
    np.testing.assert_allclose(found["score"][:, 0], r2, atol=2e-5)
    np.testing.assert_allclose(found["r"][:, 0], r, atol=2e-5)


def test_ridge_equals_ridge_cv_with_group_k_fold():
    x, y, fold = ridge_problem(equal=True, seed=2)
    metric = make_metric("ridge", folds=4, penalties=PENALTIES)
    scaled = (np.float64(y) - y.mean(0, dtype=np.float64)) / y.std(0, dtype=np.float64)
    r2 = []
    for target in np.float64(x).T:
        predicted = np.empty(len(x))
        for train, test in GroupKFold(4).split(scaled, groups=fold):
            inner = list(GroupKFold(3).split(scaled[train], groups=fold[train]))
            alphas = np.asarray(PENALTIES) * len(x)
            fit = RidgeCV(alphas, cv=inner, scoring="neg_mean_squared_error").fit(
                scaled[train], target[train]
            )
            predicted[test] = fit.predict(scaled[test])
        r2.append(1 - np.sum((target - predicted) ** 2) / np.sum((target - target.mean()) ** 2))
    found = scores(metric, x, y, context=Context(clip_ids_o=np.arange(120, dtype=np.int32) // 5))[:, 0]
    np.testing.assert_allclose(found, r2, atol=2e-5)


def test_ridge_with_one_penalty_constant_rows_a_mask_and_stretches_as_folds():
    x, y, _ = ridge_problem(seed=3)
    y = np.column_stack([y, np.full(len(y), 3, np.float32)])
    mask = np.random.default_rng(0).random(len(x)) < 0.9
    inside = np.flatnonzero(mask)
    fold = np.arange(len(inside)) // -(-len(inside) // 5)
    kept = np.float64(y)[inside]
    scaled = (kept - kept.mean(0)) / np.where(kept.std(0) > 0, kept.std(0), 1)
    model = Ridge(alpha=0.1 * len(inside))
    predicted = cross_val_predict(model, scaled, x[inside], groups=fold, cv=LeaveOneGroupOut())
    target = np.float64(x)[inside]
    expected = 1 - ((target - predicted) ** 2).sum(0) / ((target - target.mean(0)) ** 2).sum(0)
    found = scores(make_metric("ridge", penalties=(0.1,)), x, y, mask)[:, 0]
    np.testing.assert_allclose(found, expected, atol=2e-5)


def test_ridge_undefined_and_refused():
    x, y, _ = ridge_problem()
    metric = make_metric("ridge", folds=4, penalties=PENALTIES)
    one_clip = Context(clip_ids_o=np.zeros(len(x), np.int32))
    assert np.isnan(scores(metric, x, y, context=one_clip)).all()
    with pytest.raises(ValueError, match="expected positive penalties"):
        make_metric("ridge", penalties=(0.0, 1.0))
    with pytest.raises(ValueError, match="at least 3 folds"):
        make_metric("ridge", folds=2)
    with pytest.raises(ValueError, match="expected folds or clip ids"):
        metric.accumulator.update(metric.accumulator.init(5, 6), x, y, np.ones(len(x), bool), Context())
