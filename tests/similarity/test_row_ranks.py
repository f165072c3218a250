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
    values = rng.standard_normal((4, o)).astype(np.float32)
    values[1] = np.round(values[1])
    values[2] = np.where(rng.random(o) < 0.5, 0.0, -0.0)
    values[3, ::3] = np.inf
    return values


@pytest.mark.parametrize("o", [7, 600])
def test_ranks_are_those_of_scipy(emulated, o):
    values = rows(o)
    found = np.asarray(ranks._of_rows(jnp.asarray(values)))
    counts = np.isfinite(values)
    np.testing.assert_array_equal(found[counts], 2 * scipy.stats.rankdata(values, axis=1)[counts])


def test_few_that_tie_are_counted_at_once(emulated):
    """As two float32 in a few millions do; only longer runs ask for the rank of each place."""
    values = np.random.default_rng(0).permutation(np.arange(300, dtype=np.float32))[None]
    for tied, runs in ((1, False), (2, False), (3, False), (4, True)):
        values[0, :tied] = 7.5
        keys = ordered_bits(jnp.asarray(values))
        found = jax.jit(row_ranks.look_up)(keys, jnp.sort(keys, 1))
        assert bool(found.runs) == runs and found.more_no[0, 0] == tied - 1
        np.testing.assert_array_equal(found.less_no[0], (values[0][None] < values[0][:, None]).sum(1))
        if not runs:
            twice = 2 * found.less_no + found.more_no + 2
            np.testing.assert_array_equal(twice, 2 * scipy.stats.rankdata(values, axis=1))


@pytest.mark.parametrize("o", [1_000, row_ranks.MOST])
def test_the_kernel_is_a_program_for_a_gpu(o):
    keys = jax.ShapeDtypeStruct((4_096, o), jnp.uint32)
    lowered = jax.jit(row_ranks.look_up).trace(keys, keys).lower(lowering_platforms=("cuda",))
    assert "triton" in lowered.as_text()
