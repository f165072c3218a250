"""Ranks as a GPU finds them, by short steps of the values, step by step on a CPU."""

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


@pytest.fixture
def emulated(monkeypatch):
    monkeypatch.setattr(pallas, "pallas_call", functools.partial(pallas.pallas_call, interpret=True))
    monkeypatch.setattr(precision, "_has_matrix_units", lambda device: True)
    monkeypatch.setattr(precision, "_holds", lambda kernel: True)


def rows(o):
    """Normal values, with tails, around another centre, tiny, and few that tie; with zeros; with gaps."""
    rng = np.random.default_rng(o)
    values = rng.standard_normal((7, o)).astype(np.float32)
    values[1] = np.maximum(values[1], 0)
    values[2] = np.where(rng.random(o) < 0.5, 0.0, -0.0)
    values[3, ::3] = np.inf
    values[4] = 1e30 * rng.standard_cauchy(o)
    values[5] = 1e3 + 1e-1 * np.exp(values[5])
    values[6] *= 1e-6
    values[6, : o // 5] = values[6, o // 5 : 2 * (o // 5)]
    return values


def discrete(o):
    return np.round(np.random.default_rng(o).standard_normal((3, o)).astype(np.float32))


def check(ranked, values):
    counts = np.isfinite(values)
    np.testing.assert_array_equal(
        np.asarray(ranked)[counts], 2 * scipy.stats.rankdata(values, axis=1)[counts]
    )


@pytest.mark.parametrize("o", [1, 7, 600])
def test_ranks_are_those_of_scipy(emulated, o):
    values = rows(o)
    twice, unsettled = jax.jit(row_ranks.twice_ranks)(values)
    assert not unsettled
    check(twice, values)


def test_where_many_share_a_step_whole_values_are_sorted(emulated):
    values = discrete(150)
    assert jax.jit(row_ranks.twice_ranks)(values)[1]
    check(jax.jit(ranks._of_rows)(values), values)


def test_chunks_of_a_row_are_ranked_one_after_the_other(emulated, monkeypatch):
    monkeypatch.setattr(row_ranks, "_CHUNK", 32)
    values = rows(200)[[0, 1]]
    # Of five that tie the last is the first of a chunk.
    values[0] = np.arange(200)
    values[0, 28:33] = 28
    check(jax.jit(row_ranks.twice_ranks)(values)[0], values)


def test_the_kernel_is_tried_before_it_is_used(emulated, monkeypatch):
    assert row_ranks.holds.__wrapped__()
    right = row_ranks.twice_ranks
    monkeypatch.setattr(row_ranks, "twice_ranks", lambda values: (right(values)[0] + 1, right(values)[1]))
    assert not row_ranks.holds.__wrapped__()


def test_steps_are_in_the_order_of_the_values():
    rng = np.random.default_rng(3)
    values = np.concatenate([rows(5_000), rng.lognormal(0, 15, (2, 5_000)).astype(np.float32)])
    values[0, :4] = 3e38, -3e38, 1e-37, -1e-37
    steps = np.asarray(jax.jit(row_ranks._steps)(values)).astype(int)
    for row, of_row in zip(values, steps, strict=True):
        order = np.argsort(row)
        assert (np.diff(of_row[order]) >= 0).all()
        # Zeros share a step with nothing else, infinity one with infinity.
        assert len(set(of_row[row == 0]) & set(of_row[row != 0])) == 0
        assert (of_row == row_ranks._LAST).sum() == np.isinf(row).sum()
    assert np.bincount(steps[0]).max() <= 6


@pytest.mark.parametrize("o", [1_000, row_ranks.MOST])
def test_the_kernel_is_a_program_for_a_gpu(o):
    values = jax.ShapeDtypeStruct((4_096, o), jnp.float32)
    lowered = jax.jit(row_ranks.twice_ranks).trace(values).lower(lowering_platforms=("cuda",))
    assert "triton" in lowered.as_text()
