"""Counts of sets of bytes, and sorts of packed keys, as a GPU takes them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from actjax import precision
from actjax.similarity.api import make_metric
from actjax.similarity.arithmetic import inner
from actjax.similarity.families import ranking, reorder
from actjax.similarity.kernel import pairwise


@pytest.mark.parametrize("name", ["iou", "mutual_information", "auprc"])
def test_sets_of_bytes_give_the_same_scores(monkeypatch, name):
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((2, 300, 3)).astype(np.float32)
    plain = pairwise(make_metric(name), x, y)["score"]
    monkeypatch.setattr(precision, "_has_matrix_units", lambda device: True)
    monkeypatch.setattr(precision, "_holds", lambda kernel: False)
    assert precision.current_way() == "exact" and inner.indicator_type() == jnp.int8
    np.testing.assert_allclose(pairwise(make_metric(name), x, y)["score"], plain, rtol=1e-6, atol=1e-7)


def test_short_keys_are_sorted_as_one_number():
    rng = np.random.default_rng(0)
    key = rng.integers(0, 40, 200).astype(np.uint16)
    key[150:] = np.iinfo(np.uint16).max
    np.testing.assert_array_equal(jax.jit(reorder._order_of_short)(key), np.argsort(key, kind="stable"))
    np.testing.assert_array_equal(reorder._order(key), np.argsort(key, kind="stable"))


def test_members_are_sorted_where_sets_are_small():
    rng = np.random.default_rng(0)
    reach = rng.integers(1, 120, (3, 320)).astype(np.int32)
    reach[0] = rng.permutation(320) + 1
    member = rng.random((4, 320)) < 0.04
    member[1, 3:] = False
    member[3] = False
    every = jax.vmap(jax.vmap(ranking._by_cumulative_sums, (None, 0)), (0, None))
    expected = every(reach, member)
    np.testing.assert_allclose(jax.jit(ranking._by_members)(reach, member), expected, rtol=1e-6)
    for sets in (member, rng.random((4, 320)) < 0.5):
        neurons = jax.jit(jax.vmap(jax.vmap(ranking._sums_at_once, (None, 0)), (0, None)))(reach, sets)
        np.testing.assert_allclose(neurons, every(reach, sets), rtol=1e-6)
    sets = jax.jit(jax.vmap(jax.vmap(ranking._sums_at_once, (0, None)), (None, 0)))(reach, member)
    np.testing.assert_allclose(sets, expected.T, rtol=1e-6)
