"""Metrics of thresholded sides against scikit-learn and counts in float64."""

import functools
import math

import jax
import numpy as np
import pytest
from related_sides import related
from sklearn import metrics as sk

from actjax import lookup
from actjax.similarity.families import ranking
from actjax.similarity.host import order
from actjax.similarity.kernel import pairwise
from actjax.types import Context

TABLE = ("iou", "f1", "recall", "precision", "accuracy", "balanced_accuracy", "inverse_balanced_accuracy")
SETS = (*TABLE, "information_quality_ratio")
AREAS = ("auc", "inverse_auc", "auprc", "inverse_auprc")
COUNT = 300
ALL = (*SETS, *AREAS, "mean_activation_difference")


@functools.cache
def load(name, **options):
    return lookup.load("metric", name, **options)


def scores(name, x_on, y_ok, mask_o=None, **options):
    mask_o = np.ones(len(x_on), bool) if mask_o is None else mask_o
    return np.asarray(pairwise(load(name, **options), x_on, y_ok, mask_o)["score"])


def top_set(values, alpha=0.05):
    """The ceil(alpha n) largest and all that tie; those above the smallest value if all tie."""
    cutoff = np.sort(values)[len(values) - math.ceil(round(alpha * len(values), 6))]
    return values >= cutoff if cutoff > values.min() else values > values.min()


def sk_iqr(x, y):
    table = np.histogram2d(x, y, bins=2)[0].ravel() / len(x)
    return sk.mutual_info_score(x, y) / -sum(p * np.log(p) for p in table if p > 0)


def difference(x, y):
    x, on = x.astype(np.float64), top_set(y)
    return x[on].mean() - x[~on].mean()


# Of two sets X (neuron) and Y (concept).
OF_SETS = {
    "iou": sk.jaccard_score,
    "f1": sk.f1_score,
    "recall": lambda x, y: (x & y).sum() / x.sum(),
    "precision": lambda x, y: (x & y).sum() / y.sum(),
    "accuracy": sk.accuracy_score,
    "balanced_accuracy": sk.balanced_accuracy_score,
    "inverse_balanced_accuracy": lambda x, y: sk.balanced_accuracy_score(y, x),
    "information_quality_ratio": sk_iqr,
}
OF_VALUES = {
    "auc": lambda x, y: sk.roc_auc_score(top_set(x), y),
    "inverse_auc": lambda x, y: sk.roc_auc_score(top_set(y), x),
    "auprc": lambda x, y: sk.average_precision_score(top_set(x), y),
    "inverse_auprc": lambda x, y: sk.average_precision_score(top_set(y), x),
    "mean_activation_difference": difference,
} | {name: lambda x, y, of=of: of(top_set(x), top_set(y)) for name, of in OF_SETS.items()}


def reference(name, x_on, y_ok):
    return np.array([[OF_VALUES[name](x, y) for y in y_ok.T] for x in x_on.T])


@pytest.mark.parametrize("name", ALL)
def test_equals_the_reference(name):
    x, y = related(COUNT)
    # One compiled program: shorter inputs, of odd and tiny size, are masks of the same arrays.
    for mask in (
        np.arange(COUNT) < COUNT,
        np.arange(COUNT) >= COUNT - 41,
        np.random.default_rng(2).random(COUNT) < 0.7,
    ):
        spoilt = np.where(mask[:, None], x, 1e6).astype(np.float32)
        found = scores(name, spoilt, y, mask)
        np.testing.assert_allclose(found, reference(name, x[mask], y[mask]), atol=2e-6, rtol=2e-5)


@pytest.mark.parametrize("name", ALL)
def test_binary_columns_are_taken_as_they_are(name):
    rng = np.random.default_rng(1)
    x = (rng.random((COUNT, 5)) < [0.3, 0.01, 0.6, 0.05, 0.99]).astype(np.float32)
    y = (rng.random((COUNT, 3)) < [0.02, 0.5, 0.2]).astype(np.float32)
    x[:2], y[:2] = [[0], [1]], [[0], [1]]
    of = {
        **OF_SETS,
        "auc": sk.roc_auc_score,
        "inverse_auc": lambda a, b: sk.roc_auc_score(b, a),
        "auprc": sk.average_precision_score,
        "inverse_auprc": lambda a, b: sk.average_precision_score(b, a),
        "mean_activation_difference": lambda a, b: a[b].mean() - a[~b].mean(),
    }[name]
    expected = [[of(a, b) for b in y.T > 0] for a in x.T > 0]
    np.testing.assert_allclose(scores(name, x, y), expected, atol=2e-6)


@pytest.mark.parametrize("name", ALL)
def test_constant_and_tiny_sides_are_nan(name):
    x, y = related(COUNT)
    x[:, 1], y[:, 2] = 7.0, 1.0
    found = scores(name, x, y, np.ones(COUNT, bool))
    assert np.isnan(found[1]).all() and np.isnan(found[:, 2]).all()
    assert np.isfinite(found[[0, 2, 3, 4], :2]).all()
    assert np.isnan(scores(name, x, y, np.arange(COUNT) < 1)).all()
    assert np.isnan(scores(name, x, y, np.zeros(COUNT, bool))).all()
    low, high, _ = load(name).range
    assert (found[np.isfinite(found)] >= low).all() and (found[np.isfinite(found)] <= high).all()


STREAM_MASK = np.arange(COUNT) % 7 > 0


@functools.cache
def streamed_states(name, sides):
    """The state of batches in turn, and of two merged out of order."""
    x, y = related(COUNT)
    accumulator = load(name, **dict(sides)).accumulator
    update = jax.jit(accumulator.update)

    def stream(parts):
        state = accumulator.init(5, 3)
        for part in parts:
            state = update(state, x[part], y[part], STREAM_MASK[part], Context())
        return state

    parts = [slice(i, i + 60) for i in range(0, COUNT, 60)]
    return stream(parts), jax.jit(accumulator.merge)(stream(parts[3:]), stream(parts[:3]))


@pytest.mark.parametrize("name", [*SETS, "mean_activation_difference"])
def test_streaming_equals_batch(name):
    x, y = (side[STREAM_MASK] for side in related(COUNT))
    sets = name in SETS
    sides = {"threshold_x": 0.5, "threshold_y": 0.75} if sets else {"threshold_y": 0.75}
    accumulator = load(name, **sides).accumulator
    assert load(name).accumulator is None
    # What counts the same is shared by name, here as in a run.
    one = "iou" if sets else name
    assert accumulator.name == load(one, **sides).accumulator.name
    of = OF_SETS.get(name, lambda a, b: a[b].astype(np.float64).mean() - a[~b].astype(np.float64).mean())
    defined = slice(0, 4 if sets else 5)
    expected = [[of(a >= 0.5 if sets else a, b >= 0.75) for b in y.T] for a in x.T[defined]]
    for state in streamed_states(one, tuple(sides.items())):
        found = np.asarray(accumulator.finalize(state)["score"])
        if sets:
            # Every value of column 4 lies above the threshold.
            assert np.isnan(found[4]).all()
        np.testing.assert_allclose(found[defined], expected, atol=2e-6, rtol=2e-5)


@pytest.mark.parametrize("o", [1, 2, 9, 600])
def test_order_statistics_by_both_ways(o):
    rng = np.random.default_rng(o)
    values = np.round(rng.standard_normal((4, o)) * 3).astype(np.float32)
    mask = rng.random((4, o)) < 0.8
    places = np.array([0, o // 3, o - 1], np.int32)
    found = jax.jit(jax.vmap(order.order_statistics, (0, 0, None)))(values, mask, places)
    inside = np.where(mask, values, np.inf)
    device = jax.jit(jax.vmap(order._by_bisection, (0, None)))(inside, places)
    for row in range(4):
        valid = np.sort(values[row][mask[row]])
        expected = [valid[p] if p < len(valid) else np.nan for p in places]
        np.testing.assert_array_equal(found[row], expected)
        np.testing.assert_array_equal(
            device[row][: (places < len(valid)).sum()], valid[places[places < len(valid)]]
        )


def test_average_precision_by_both_ways():
    x, y = related(COUNT)
    values, ones = np.concatenate([x, y], 1).T, np.ones(COUNT, bool)
    reach = jax.jit(jax.vmap(lambda v: ranking.reached(v, ones, None).reach_o))(values)
    chosen = np.stack([top_set(side) for side in y.T])
    every = jax.jit(jax.vmap(jax.vmap(ranking._by_cumulative_sums, (None, 0)), (0, None)))
    host = ranking.host_precision_sums(np.asarray(reach)[:, None], chosen[None])
    expected = [[sk.average_precision_score(c, v) * c.sum() for c in chosen] for v in values]
    np.testing.assert_allclose(every(reach, chosen), expected, rtol=1e-5)
    np.testing.assert_allclose(host, expected, rtol=1e-5)


@pytest.mark.parametrize("alpha, n, expected", [(0.05, 60, 3), (0.1, 30, 3), (0.05, 61, 4), (0.001, 5, 1)])
def test_top_count_is_the_ceiling_in_decimals(alpha, n, expected):
    assert int(order.top_count(np.arange(100) < n, alpha)) == expected


@pytest.mark.parametrize(
    "name, option", [("iou", "alpha_x"), ("auc", "alpha_x"), ("inverse_auprc", "alpha_y")]
)
def test_a_share_outside_of_0_to_1_is_refused(name, option):
    with pytest.raises(ValueError, match=f"{name} expected {option} between 0 and 1, got 5"):
        load(name, **{option: 5})


# Mean change of the score over seeds when labels go missing or are added, at these frequencies, from
# the authors' published notebook (T. Oikarinen, G. Yan, T.-W. Weng, 2025).
FREQUENCIES = (0.499, 0.1, 0.01, 0.001, 0.0001)
PUBLISHED = {
    ("recall", "missing"): (-0.5, -0.5, -0.5, -0.4992, -0.5024),
    ("recall", "extra"): (0, 0, 0, 0, 0),
    ("precision", "missing"): (0, 0, 0, 0, 0),
    ("precision", "extra"): (-0.5, -0.5, -0.4999, -0.5001, -0.4974),
    ("f1", "missing"): (-0.3333, -0.3333, -0.3332, -0.3337, -0.3373),
    ("f1", "extra"): (-0.3333, -0.3333, -0.3334, -0.3331, -0.3295),
    ("accuracy", "missing"): (-0.2495, -0.05, -0.005, -0.0005, 0),
    ("accuracy", "extra"): (-0.499, -0.1, -0.01, -0.001, -0.0001),
}


@pytest.mark.parametrize("change", ["missing", "extra"])
def test_missing_and_extra_labels_move_scores_as_published(change):
    n, seeds, rng = 500_000, 3, np.random.default_rng(5)
    for column, frequency in enumerate(FREQUENCIES):
        neuron = np.zeros(n, bool)
        neuron[: round(n * frequency)] = True
        rate = neuron.sum() / (n - neuron.sum())
        draws = rng.random((n, seeds), np.float32)
        kept = neuron[:, None] & (draws < 0.5) if change == "missing" else neuron[:, None] | (draws < rate)
        y = kept.astype(np.float32)
        x = neuron[:, None].astype(np.float32)
        for name in ("recall", "precision", "f1", "accuracy"):
            # Four deviations of a mean over the seeds, and the published figures' last digit.
            slack = 4 * 0.5 / math.sqrt(seeds * neuron.sum()) + 1e-4
            moved = scores(name, x, y, threshold_x=0.5, threshold_y=0.5).mean() - 1
            assert abs(moved - PUBLISHED[name, change][column]) < slack, (name, frequency)
