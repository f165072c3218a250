"""The strongest inputs of neurons, gathered as a GPU does it, on a CPU: with ties of every kind."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from actjax import lookup
from actjax.benchmark.accelerator import references
from actjax.metrics import soft_wpmi
from actjax.similarity.families import soft_membership
from actjax.similarity.families.soft_membership import Membership, sums_at_once
from actjax.similarity.families.strongest_inputs import places, strongest_inputs
from actjax.similarity.kernel import pairwise

USUAL = Membership(references.SOFT_TOP, 0.998, 0.97)
NEURONS, ROWS = 6, 4


def neurons(kind, o):
    """[n, o] float32: without ties, with some, silent on most inputs, of few values."""
    rng = np.random.default_rng(o)
    x = rng.permuted(np.tile(np.linspace(-4, 4, o, dtype=np.float32), (NEURONS, 1)), axis=1)
    if kind == "some tie":
        # Two among the strongest, three, and what reaches the last place.
        order = np.argsort(-x, 1)
        for neuron, tied in ((0, [4, 5]), (1, [0, 1, 2]), (2, [98, 99, 100, 101]), (3, [99, 100])):
            x[neuron, order[neuron, tied]] = x[neuron, order[neuron, tied[0]]]
    if kind == "silent":
        x = np.maximum(x, np.float32([3.99, 3.99, 3.97, 3, 4, -5])[:, None])
    if kind == "few values":
        x = np.round(x, 1)
    return x


def doubly_mapped(values_no, p_ko):
    of_pair = sums_at_once(USUAL)
    return jax.vmap(jax.vmap(of_pair, (None, 0)), (0, None))(values_no, p_ko)


@pytest.mark.parametrize("kind", ["none", "some tie", "silent", "few values"])
def test_sums_over_20_000_observations_have_the_digits_of_float32(kind, monkeypatch):
    o = 20_000
    x, p = neurons(kind, o), np.random.default_rng(1).random((ROWS, o), np.float32) ** 3
    # Several blocks, the last of which is not full.
    monkeypatch.setattr(soft_membership, "_BLOCK_BYTES", 4 * 8 * ROWS * 108)
    sums_at_once.cache_clear()
    found = np.asarray(jax.jit(doubly_mapped)(x, p), np.float64) - np.log(p.mean(1, dtype=np.float64))
    constant = x.max(1) == x.min(1)
    assert constant.sum() == (kind == "silent")
    expected = references.soft_wpmi(x[~constant].astype(np.float64), p.astype(np.float64))
    # Nothing is interpolated where inputs are listed; memberships of many that tie are, to 1e-6.
    bound = 1e-6 if kind in ("none", "some tie") else 5e-6
    assert np.abs(found[~constant] - expected).max() < bound


def test_what_ties_is_listed_or_counted():
    """Up to eight inputs more than count are listed; more that tie at the last place are counted."""
    listed = jax.jit(lambda x: strongest_inputs(x, 100))
    inputs = listed(neurons("some tie", 2_000))
    assert inputs.listed_n.tolist() == [100, 100, 102, 101, 100, 100] and not inputs.tied_n.any()
    assert inputs.run_nt[2, 96:104].tolist()[2:6] == [4, 4, 4, 4] and inputs.first_nt[2, 101] == 98
    inputs = listed(neurons("silent", 2_000))
    assert inputs.listed_n.tolist() == [3, 3, 8, 100, 0, 100]
    assert inputs.tied_n.tolist() == [1997, 1997, 1992, 0, 0, 0]
    assert inputs.lowest_n.tolist() == [True, True, True, False, True, False]
    inputs = listed(neurons("few values", 2_000))
    assert (inputs.tied_n > 0).any() and not inputs.lowest_n.any()


def test_gathered_scores_are_those_of_the_inner_product(monkeypatch):
    """Under a mask, with a constant neuron and one that is silent on most."""
    rng = np.random.default_rng(2)
    x, y = rng.standard_normal((5, 2_000), np.float32), rng.standard_normal((3, 2_000), np.float32)
    x[3], x[4] = 1, np.maximum(x[4], 2.3)
    mask = rng.random(2_000) < 0.9
    x[:, ~mask] = np.nan

    def scores():
        metric = lookup.load("metric", "soft_wpmi", k=60)
        return np.asarray(pairwise(metric, x, y, jnp.asarray(mask), neurons_first=True)["score"])

    plain = scores()
    monkeypatch.setattr(soft_wpmi, "_gathers", lambda: True)
    found = scores()
    np.testing.assert_allclose(found, plain, rtol=0, atol=3e-6)
    assert np.isnan(found[3]).all() and np.isnan(found).sum() == 3


def test_places_beyond_sixteen_bits():
    chosen = np.zeros((2, 70_000), bool)
    chosen[0, [3, 69_999]], chosen[1, [66_000, 68_000]] = True, True
    assert places(chosen, 2).tolist() == [[3, 69_999], [66_000, 68_000]]
