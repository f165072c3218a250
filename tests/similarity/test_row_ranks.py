"""Ranks as a GPU looks them up in sorted rows, step by step on a CPU."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats
from jax.experimental import pallas

from actjax import precision
from actjax.kernels import row_ranks
from actjax.similarity.host import ranks
from actjax.similarity.host.select import ordered_bits


@pytest.fixture
def emulated(monkeypatch):
    monkeypatch.setattr(pallas, "pallas_call", functools.partial(pallas.pallas_call, interpret=True))
    monkeypatch.setattr(precision, "_has_matrix_units", lambda device: True)
    monkeypatch.setattr(precision, "_holds", lambda kernel: True)


def rows(o):
    rng = np.random.default_rng(o)
    values = rng.standard_normal((6, o)).astype(np.float32)
    values[1] = np.round(values[1])
    values[2] = np.where(rng.random(o) < 0.5, 0.0, -0.0)
    values[3, ::3] = np.inf
    values[4] = np.maximum(values[4], 0)
    # Heavy tails, and few that tie as two float32 in a few millions do.
    values[5] = rng.standard_cauchy(o).astype(np.float32) * np.exp(9 * values[5])
    values[5, : o // 5] = values[5, o // 5 : 2 * (o // 5)]
    return values


@pytest.mark.parametrize("o", [1, 2, 7, 600])
def test_ranks_are_those_of_scipy(emulated, o):
    values = rows(o)
    ranked = np.asarray(ranks._of_rows(jnp.asarray(values)))
    counts = np.isfinite(values)
    np.testing.assert_array_equal(ranked[counts], 2 * scipy.stats.rankdata(values, axis=1)[counts])


def test_chunks_of_a_row_are_ranked_one_after_the_other(emulated, monkeypatch):
    monkeypatch.setattr(row_ranks, "_CHUNK", 64)
    keys = ordered_bits(jnp.asarray(rows(200)[[0, 4]]))
    twice = jax.jit(row_ranks.twice_ranks)(keys, jnp.sort(keys, 1))
    assert twice.dtype == jnp.uint16
    np.testing.assert_array_equal(twice, 2 * scipy.stats.rankdata(np.asarray(keys), axis=1))


@pytest.mark.parametrize("o", [1, 2, 3, 1_000, 4_096, 20_000, row_ranks.MOST])
def test_a_search_reaches_every_place_and_none_beyond(o):
    halves = row_ranks._halves(o)
    less = np.zeros(o, np.int64)
    for half in halves:
        assert (less + half - 1 < o).all()
        less = np.where(less + half - 1 < np.arange(o), less + half, less)
    np.testing.assert_array_equal(less, np.arange(o))


@pytest.mark.parametrize("o", [1_000, row_ranks.MOST])
def test_the_kernel_is_a_program_for_a_gpu(o):
    keys = jax.ShapeDtypeStruct((4_096, o), jnp.uint32)
    lowered = jax.jit(row_ranks.twice_ranks).trace(keys, keys).lower(lowering_platforms=("cuda",))
    assert "triton" in lowered.as_text()
