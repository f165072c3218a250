"""Order statistics and sets of active observations as a GPU finds them, step by step on a CPU."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.experimental import pallas

from actjax import precision
from actjax.kernels import kth_value
from actjax.similarity.host import order


@pytest.fixture
def emulated(monkeypatch):
    monkeypatch.setattr(pallas, "pallas_call", functools.partial(pallas.pallas_call, interpret=True))
    monkeypatch.setattr(precision, "_has_matrix_units", lambda device: True)
    monkeypatch.setattr(precision, "_holds", lambda kernel: True)


@pytest.fixture
def rows():
    values = np.random.default_rng(0).standard_normal((5, 300)).astype(np.float32)
    values[1] = np.round(values[1])
    values[2] *= np.float32(1e-30)
    values[3, ::2] = np.inf
    values[4, :100] = np.repeat([0.0, -0.0], 50)
    return values


def test_values_at_places_are_those_of_a_sort(emulated, rows):
    for places in ([0, 299, 150, 10, 290], [299, 0, 149, 160, 100]):
        found = jax.jit(kth_value.kth_values)(rows, jnp.asarray(places))
        np.testing.assert_array_equal(found, np.sort(rows, 1)[np.arange(5), places])


@pytest.mark.parametrize("places", [[120], [3, 200], [0, 20, 50, 120, 299]])
def test_order_statistics_of_rows_and_of_clips(emulated, rows, places):
    expected = np.sort(rows, 1)[:, places]
    found = order._of_item
    places = jnp.asarray(places)
    np.testing.assert_array_equal(found(jnp.asarray(rows[0]), places), expected[0])
    np.testing.assert_array_equal(jax.vmap(found, (0, None))(rows, places), expected)
    clips = jax.vmap(jax.vmap(found, (0, None)), (0, 0))(rows[None], places[None])
    np.testing.assert_array_equal(clips, expected[None])
    shared = jax.vmap(found, (None, 0))(jnp.asarray(rows[0]), places[:, None])
    np.testing.assert_array_equal(shared[:, 0], expected[0])
