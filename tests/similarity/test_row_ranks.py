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


@pytest.mark.parametrize("o", [2, 7, 8, 513, 5_000])
def test_ranks_are_those_of_scipy(emulated, o):
    values = rows(o)
    keys = ordered_bits(jnp.asarray(values))
    found = np.asarray(jax.jit(row_ranks.twice_ranks)(keys, jnp.sort(keys, 1)))
    counts = np.isfinite(values)
    np.testing.assert_array_equal(found[counts], 2 * scipy.stats.rankdata(values, axis=1)[counts])
    assert found.dtype == np.uint16


def test_places_of_a_sort_and_look_ups_agree(emulated, monkeypatch):
    values = jnp.asarray(rows(600))
    looked_up = ranks._of_rows(values)
    monkeypatch.setattr(row_ranks, "MOST", 599)
    counts = np.isfinite(values)
    np.testing.assert_array_equal(looked_up[counts], ranks._of_rows(values)[counts])
    assert row_ranks.holds()


@pytest.mark.parametrize("o", [1_000, row_ranks.MOST])
def test_the_kernel_is_a_program_for_a_gpu(o):
    keys = jax.ShapeDtypeStruct((4_096, o), jnp.uint32)
    lowered = jax.jit(row_ranks.twice_ranks).trace(keys, keys).lower(lowering_platforms=("cuda",))
    assert "triton" in lowered.as_text()
