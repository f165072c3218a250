"""Metrics of information, and of a neuron's strongest inputs, against scikit-learn, scipy and float64."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats
from related_sides import related
from sklearn import metrics as sk

from actjax import lookup
from actjax.similarity.families import reorder, sampled
from actjax.similarity.families.concept import interpolation
from actjax.similarity.kernel import pairwise
from actjax.types import Context

COUNT = 300


@functools.cache
def load(name, **options):
    return lookup.load("metric", name, **options)


def scores(name, x_on, y_ok, mask_o=None, context=Context(), **options):  # noqa: B008
    mask_o = np.ones(len(x_on), bool) if mask_o is None else mask_o
    return np.asarray(pairwise(load(name, **options), x_on, y_ok, mask_o, context)["score"])


MASKS = (
    np.arange(COUNT) < COUNT,
    np.arange(COUNT) >= COUNT - 61,
    np.random.default_rng(2).random(COUNT) < 0.7,
)


def compare(name, reference, context=Context(), atol=5e-6, **options):  # noqa: B008
    """One compiled program: shorter inputs, of odd and small size, are masks of the same arrays."""
    x, y = related(COUNT)
    for mask in MASKS:
        spoilt = np.where(mask[:, None], x, 1e6).astype(np.float32)
        found = scores(name, spoilt, y, mask, context, **options)
        expected = [[reference(a, b, mask) for b in y.T] for a in x.T]
        np.testing.assert_allclose(found, expected, atol=atol, rtol=1e-5)
    return found


def in_bins(values, bins=8):
    """Bin numbers: edges at places floor(i n / bins), one at the smallest value moved above it."""
    ordered = np.sort(values)
    edges = ordered[[i * len(values) // bins for i in range(1, bins)]]
    above = np.where(edges > ordered[0], values[:, None] >= edges, values[:, None] > ordered[0])
    return above.sum(1)


def streamed(accumulator, x, y, mask):
    """The score of two halves, each added to a state of its own."""

    @jax.jit
    def score(x, y, mask):
        empty = accumulator.init(x.shape[1], y.shape[1])
        halves = [accumulator.update(empty, x[p], y[p], mask[p]) for p in (np.s_[:100], np.s_[100:])]
        return accumulator.finalize(accumulator.merge(*halves))["score"]

    return np.asarray(score(x, y, mask))


def entropy(labels, miller_madow):
    counts = np.unique(labels, return_counts=True)[1]
    share = counts / counts.sum()
    return -(share * np.log(share)).sum() + miller_madow * (len(counts) - 1) / (2 * len(labels))


@pytest.mark.parametrize("normalized", [None, "arithmetic", "min", "geometric", "max"])
def test_mutual_information_equals_scikit_learn(normalized):
    def reference(x, y, mask):
        a, b = in_bins(x[mask]), in_bins(y[mask])
        if normalized is None:
            return sk.mutual_info_score(a, b)
        return sk.normalized_mutual_info_score(a, b, average_method=normalized)

    compare("mutual_information", reference, normalized=normalized)


def test_miller_madow_corrects_the_three_entropies():
    def reference(x, y, mask):
        a, b = in_bins(x[mask], 5), in_bins(y[mask], 5)
        return entropy(a, 1) + entropy(b, 1) - entropy(a * 8 + b, 1)

    compare("mutual_information", reference, miller_madow=True, bins=5)
    rng = np.random.default_rng(4)
    x, y = (rng.standard_normal((COUNT, k)).astype(np.float32) for k in (40, 30))
    plain, corrected = (scores("mutual_information", x, y, miller_madow=on).mean() for on in (False, True))
    assert plain > 0.07 and abs(corrected) < 0.01


def test_mutual_information_of_binary_columns_and_constants():
    rng = np.random.default_rng(1)
    x = (rng.random((COUNT, 3)) < [0.02, 0.5, 0.97]).astype(np.float32)
    y = np.concatenate([x[:, :2], np.full((COUNT, 1), 3.0, np.float32)], 1)
    found = scores("mutual_information", x, y)
    expected = [[sk.mutual_info_score(a, b) for b in y.T[:2]] for a in x.T]
    np.testing.assert_allclose(found[:, :2], expected, atol=1e-6)
    assert np.isnan(found[:, 2]).all()
    assert np.isnan(scores("mutual_information", x, y, np.arange(COUNT) < 7)).all()


def test_mutual_information_streams_given_edges():
    x, y = related(COUNT)
    x[:, 4] -= 1e4
    edges = {"edges_x": (-1.0, 0.0, 0.5, 1.5), "edges_y": (-0.5, 0.5)}
    metric, mask = load("mutual_information", **edges), np.arange(COUNT) % 5 > 0
    accumulator = metric.accumulator
    found = streamed(accumulator, x, y, mask)
    np.testing.assert_allclose(found, scores("mutual_information", x, y, mask, **edges), atol=1e-6)
    bins = [np.digitize(side[mask], edges[option]) for side, option in ((x, "edges_x"), (y, "edges_y"))]
    expected = [[sk.mutual_info_score(a, b) for b in bins[1].T] for a in bins[0].T]
    np.testing.assert_allclose(found, expected, atol=1e-6)


def quantile(y):
    return (scipy.stats.rankdata(y) - 0.5) / len(y)


def top_order(x, count):
    return np.argsort(-x, kind="stable")[:count]


def mean_over_tied_orders(x, terms_io):
    """sum_i terms[i, input at place i], averaged over all orders of falling x."""
    places = len(x) - scipy.stats.rankdata(x, "max").astype(int)
    total = 0.0
    for first in np.unique(places[places < len(terms_io)]):
        tied = np.flatnonzero(places == first)
        total += terms_io[first : first + len(tied), tied].sum() / len(tied)
    return total / len(terms_io)


def test_wpmi_equals_its_formula():
    def reference(x, y, mask):
        p = quantile(y[mask])
        return mean_over_tied_orders(x[mask], np.tile(np.log(p), (28, 1))) - 0.6 * np.log(p.mean())

    compare("wpmi", reference)


def test_soft_wpmi_equals_its_formula():
    def reference(x, y, mask):
        p = quantile(y[mask])
        k = min(100, len(p) // 2)
        member = 0.998 - np.arange(k) / k * (0.998 - 0.97)
        terms = np.log(1 + member[:, None] * (p - 1))
        return mean_over_tied_orders(x[mask], terms) - np.log(p.mean())

    compare("soft_wpmi", reference)


def test_wpmi_of_a_share_and_of_given_probabilities():
    x, y = related(COUNT)
    given = scipy.special.expit(y).astype(np.float32)
    options = {"probability": "given", "lam": 1.0}
    found = scores("wpmi", x, given, alpha=0.1, **options)
    active = [
        side >= np.sort(side)[-30] if np.sort(side)[-30] > side.min() else side > side.min() for side in x.T
    ]
    p = given.astype(np.float64)
    expected = [[np.log(b[a]).mean() - np.log(b.mean()) for b in p.T] for a in active]
    np.testing.assert_allclose(found, expected, atol=2e-6)
    assert np.isnan(scores("wpmi", x, y, alpha=0.1, **options)).all()

    accumulator = load("wpmi", threshold_x=1.0, **options).accumulator
    mask = np.arange(COUNT) < 280
    found = streamed(accumulator, x, given, mask)
    np.testing.assert_allclose(found, scores("wpmi", x, given, mask, threshold_x=1.0, **options), atol=2e-6)
    assert np.isnan(found[4]).all() and np.isfinite(found[:4]).all()


@pytest.mark.parametrize("start, end", [(0.998, 0.97), (0.9, 0.9), (0.9999, 0.5)])
def test_memberships_are_interpolated_to_six_digits(start, end):
    nodes, lagrange = interpolation(start, end)
    member = np.linspace(end, start, 17)
    p = np.concatenate([[1e-9], np.linspace(0.001, 1, 50)])[:, None]
    basis = np.asarray(lagrange(np.log(member / (1 - member)).astype(np.float32)))
    found = np.log(1 + (p - 1) / (1 + np.exp(-nodes))) @ basis
    np.testing.assert_allclose(found, np.log(1 + member * (p - 1)), atol=1e-5)


def reorder_reference(x, y, mask, share=0.05, power=3, scale_power=0.5):
    x, y = x[mask].astype(np.float64), y[mask].astype(np.float64)
    top = top_order(x, max(2, int(share * len(x))))
    a, p = x[top], quantile(y)[top]
    if p.max() == p.min() or a.max() == a.min():
        return np.nan
    given = np.sort(a)[np.argsort(np.argsort(scipy.stats.rankdata(y, "ordinal")[top]))]
    chance = (np.abs(a[:, None] - a) ** power).mean()
    return -(np.abs(a - given) ** power).mean() / (chance * p.mean() ** scale_power)


@pytest.mark.parametrize("options", [{}, {"share": 0.5, "power": 1.5, "scale_power": 0.0}])
def test_rank_reorder_equals_its_formula(options):
    names = {"share": "top_share"}
    given = {names.get(name, name): value for name, value in options.items()}
    x, y = related(COUNT)
    found = []
    for mask in MASKS:
        spoilt = np.where(mask[:, None], x, 1e6).astype(np.float32)
        found.append(scores("rank_reorder", spoilt, y, mask, **given))
        expected = [[reorder_reference(a, b, mask, **options) for b in y.T] for a in x.T]
        np.testing.assert_allclose(found[-1], expected, atol=1e-5, rtol=1e-4)
    assert np.isfinite(found[0]).sum() >= 12
    ordered = scores("rank_reorder", x, x[:, [0, 1, 4]], **given)
    np.testing.assert_array_equal(np.diagonal(ordered)[:2], 0)


@pytest.mark.parametrize("k", [1, 40, 600])
def test_largest_values_by_both_ways(k):
    values = np.round(3 * np.random.default_rng(k).standard_normal((3, 600))).astype(np.float32)
    values[0, ::2], values[1, 5:300] = -0.0, -np.inf
    expected = jax.jit(sampled.top_k, static_argnums=1)(jnp.asarray(values), k)
    for found, wanted in zip(sampled.host_top_k(values, k), expected, strict=True):
        np.testing.assert_array_equal(found, wanted)


def test_rank_reorder_by_both_ways():
    x, y = related(COUNT)
    mask = MASKS[2]
    px = jax.jit(jax.vmap(lambda v: reorder.strongest(v, mask, share=0.2, power=2.0)))(x.T)
    place = (2 * scipy.stats.rankdata(np.round(y, 1), axis=0)).T.astype(np.uint16)
    assert len(set(place[0])) < len(y)
    by_sort = functools.partial(reorder._by_sort, power=2.0)
    # Two levels, one of them rare: some neurons' strongest inputs meet one level alone.
    p = np.where(place > 2 * len(y) - 8, 0.9, 0.2).astype(np.float32)
    device = jax.jit(jax.vmap(jax.vmap(by_sort, (None, 0)), (0, None)))(px, reorder.Order(place, p))
    arrays = [np.asarray(part)[:, None] for part in px]
    host = reorder.host_reordered(*arrays, place[None], p[None], power=2.0)
    assert 0 < np.isnan(host[1]).sum() < host[1].size
    np.testing.assert_allclose(device, host, rtol=1e-5)
    # Sides of unequal leading axes, as vmap leaves what it does not batch: one neuron, counts of its own.
    one = [array[:1] for array in arrays[:2]]
    counts = np.stack([arrays[2][:1], np.full((1, 1), 7, np.int32)])
    both = np.stack(reorder.host_reordered(*one, counts, place, p, power=2.0), axis=1)
    for taken, found in zip(counts, both, strict=True):
        same = reorder.host_reordered(*one, taken, place[None], p[None], power=2.0)
        np.testing.assert_array_equal(found, np.stack(same))


@pytest.mark.parametrize("name", ["pearson_top_and_random", "spearman_top_and_random"])
def test_sampled_correlations_equal_scipy_on_the_same_inputs(name):
    of = {"p": scipy.stats.pearsonr, "s": scipy.stats.spearmanr}[name[0]]
    context = Context(key=jax.random.key(11))

    def reference(x, y, mask):
        drawn = np.asarray(sampled.random_order(mask, context.key)[0])[:25]
        order = np.asarray(sampled.random_order(mask, context.key)[0])[: mask.sum()]
        top = order[np.argsort(-x[order], kind="stable")[:25]]
        assert mask[drawn].all() and len(set(drawn)) == 25
        sample = np.concatenate([top, drawn])
        return of(x[sample].astype(np.float64), y[sample].astype(np.float64))[0]

    first = compare(name, reference, context)
    x, y = related(COUNT)
    assert np.abs(first - scores(name, x, y, MASKS[2], Context(key=jax.random.key(12)))).max() > 0.01


def test_random_inputs_do_not_depend_on_padding():
    mask = np.arange(COUNT) % 3 > 0
    order = np.asarray(sampled.random_order(mask, None)[0])[: mask.sum()]
    packed = np.asarray(sampled.random_order(np.ones(mask.sum(), bool), None)[0])
    np.testing.assert_array_equal(order, np.flatnonzero(mask)[packed])


@pytest.mark.parametrize(
    "name", ["wpmi", "soft_wpmi", "rank_reorder", "pearson_top_and_random", "spearman_top_and_random"]
)
def test_constant_and_tiny_sides_are_nan(name):
    x, y = related(COUNT)
    x[:, 1], y[:, 1] = 7.0, 0.1
    found = scores(name, x, y)
    assert np.isnan(found[1]).all() and np.isnan(found[:, 1]).all()
    assert np.isfinite(found[[0, 2, 4]][:, [0, 2]]).all()
    assert np.isnan(scores(name, x, y, np.arange(COUNT) < load(name).min_observations - 1)).all()


@pytest.mark.parametrize(
    "name, options, message",
    [
        ("mutual_information", {"bins": 1}, "at least 2 bins, got 1"),
        ("mutual_information", {"edges_x": (1.0, 1.0)}, "edges_x to be ascending numbers"),
        ("mutual_information", {"normalized": "sum"}, "normalized in"),
        ("wpmi", {"k": 0}, "k >= 1"),
        ("soft_wpmi", {"start": 1.0}, "start < 1"),
        ("rank_reorder", {"power": 0}, "power.*above 0"),
        ("pearson_top_and_random", {"k": 1}, "k of at least 2, got 1"),
    ],
)
def test_options_outside_of_their_domain_are_refused(name, options, message):
    with pytest.raises(ValueError, match=message):
        load(name, **options)
