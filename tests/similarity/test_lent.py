"""NumPy's arrays lent to programs on the CPU: no copy where memory allows, and the same scores everywhere."""

import numpy as np
import pytest

from actjax.similarity import api
from actjax.similarity.blocks import BLOCK
from actjax.similarity.host import lent


def at_offset(values, floats):
    """The same values `floats` places behind a multiple of 64 bytes."""
    room = np.empty(values.size + 32, np.float32)
    start = -room.ctypes.data % 64 // 4 + floats
    placed = room[start : start + values.size].reshape(values.shape)
    placed[:] = values
    return placed


@pytest.mark.parametrize("floats", [0, 1, 4, 15])
@pytest.mark.parametrize("columns", [1, 7, 16])
def test_all_but_the_head_is_numpys_own_memory(floats, columns):
    values = at_offset(np.arange(50 * columns, dtype=np.float32).reshape(50, columns), floats)
    side = lent.on_device(values, 20)
    memory = range(values.ctypes.data, values.ctypes.data + values.nbytes)
    assert side.shape == values.shape
    if floats == 0:
        assert side.unsafe_buffer_pointer() == values.ctypes.data
        return
    assert side.tail.unsafe_buffer_pointer() in memory and side.head.shape == (20, columns)
    np.testing.assert_array_equal(lent.whole(side), values)
    np.testing.assert_array_equal(lent.observations(side, 23, 9, 0), values[23:32])
    np.testing.assert_array_equal(lent.first(side, 20, 0), values[:20])


@pytest.mark.parametrize("change", [lambda v: v[:, ::2], np.asfortranarray, lambda v: v.astype(np.int16)])
def test_other_layouts_and_types_are_copied(change):
    values = change(np.arange(200, dtype=np.float32).reshape(50, 4))
    side = lent.on_device(values, 20)
    assert side.unsafe_buffer_pointer() not in range(values.ctypes.data, values.ctypes.data + values.nbytes)
    np.testing.assert_array_equal(side, values)


@pytest.mark.parametrize("o", [BLOCK + 1, 2 * BLOCK, 2 * BLOCK + 5])
@pytest.mark.parametrize("size", [1.0, 1e25])
def test_where_an_array_lies_changes_no_score(o, size):
    rng = np.random.default_rng(0)
    x, y = (size * rng.normal(3, 1, (o, columns)).astype(np.float32) for columns in (5, 3))
    expected = np.corrcoef(x.T.astype(np.float64), y.T.astype(np.float64))[:5, 5:]
    for floats in (0, 3):
        placed = at_offset(x, floats)
        placed.flags.writeable = False
        np.testing.assert_allclose(api.score(placed, y), expected, atol=2e-6)


def test_arrays_may_change_once_the_score_is_there():
    x = np.random.default_rng(0).normal(size=(3000, 20)).astype(np.float32)
    found = api.score(x, x[:, :2])
    before = found.copy()
    x[:] = 0
    np.testing.assert_array_equal(found, before)
