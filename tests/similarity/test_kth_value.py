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


@pytest.mark.parametrize("o", [300, 260, 17, 1])
def test_rows_of_any_length_lie_in_one_block_or_two(emulated, rows, o):
    places = np.arange(5) * o // 5
    found = jax.jit(kth_value.kth_values)(rows[:, :o], jnp.asarray(places))
    np.testing.assert_array_equal(found, np.sort(rows[:, :o], 1)[np.arange(5), places])
    sizes = kth_value._sizes(o)
    assert o <= sum(sizes) < 2 * o + 2 and sizes == {300: (256, 64), 260: (256, 4), 17: (32,), 1: (2,)}[o]


@pytest.mark.parametrize("some", [False, True])
def test_the_largest_values_are_marked_as_the_plain_way_has_them(emulated, rows, some):
    """Ties, a column of two values, a rectified one, a constant; what does not count may be anything."""
    rows = np.where(np.isinf(rows), 1, rows)
    rows = np.concatenate([rows, np.maximum(rows[:1] - 2, 0), np.full((1, 300), 3, np.float32)])
    mask = np.random.default_rng(1).random(300) < (0.8 if some else 2)
    rows = np.where(mask, rows, np.nan).astype(np.float32)
    plainly = jax.vmap(order._top_as_bytes, (0, None, None))(rows, mask, 20)
    for way in (order._top_of_item, jax.jit(order._top_of_item)):
        found = jax.vmap(way, (0, None, None))(jnp.asarray(rows), jnp.asarray(mask), jnp.int32(20))
        for values, expected in zip(found, plainly, strict=True):
            np.testing.assert_array_equal(values, expected)
    clips = jax.vmap(jax.vmap(order._top_of_item, (0, None, None)), (0, 0, None))
    np.testing.assert_array_equal(clips(rows[None], mask[None], 20)[0][0], plainly[0])


def test_marks_beyond_the_places_of_32_bits_are_made_without_the_kernel(emulated, monkeypatch):
    """A GPU of 141 GB takes as many in one tile of 100,000 neurons with 50,000 observations; shapes alone."""
    marked, sizes = kth_value.marked, []

    def noted(values: jax.Array, *more: jax.Array) -> kth_value.Marked:
        sizes.append(values.size)
        return marked(values, *more)

    monkeypatch.setattr(kth_value, "marked", noted)
    mask, k = jax.ShapeDtypeStruct((1 << 15,), jnp.bool_), jax.ShapeDtypeStruct((), jnp.int32)
    for n in (1 << 16, (1 << 16) + 1):
        rows = jax.ShapeDtypeStruct((n, 1 << 15), jnp.float32)
        marks, counts = jax.eval_shape(jax.vmap(order._top_of_item, (0, None, None)), rows, mask, k)
        assert (marks.shape, marks.dtype, counts.shape) == (rows.shape, jnp.int8, (n,))
    assert sizes == [1 << 31]


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
