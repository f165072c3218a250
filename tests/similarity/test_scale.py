"""Scales are powers of two that bring the largest value near 1, over all of float32's range."""

import numpy as np
import pytest

from actjax.similarity.arithmetic.scale import unit_scale


@pytest.mark.parametrize("size", [3e-38, 1e-30, 1e-5, 0.7, 1.0, 3.0, 1e9, 1e30, 3.3e38])
def test_the_largest_value_comes_near_one(size):
    values = np.float32(size) * np.asarray([[0.1, -1.0, 0.3], [0.1, 0.5, -0.01]], np.float32)
    scale = np.asarray(unit_scale(values, axis=1))
    assert scale.shape == (2, 1)
    assert np.all(np.frexp(scale)[0] == 0.5)
    largest = np.abs(values * scale).max(axis=1)
    assert np.all((largest >= 1) & (largest < 4))


def test_masked_and_zero_items():
    values = np.asarray([[1e30, 1.0], [0.0, 0.0]], np.float32)
    mask = np.asarray([False, True])
    np.testing.assert_array_equal(unit_scale(values, mask, axis=1)[:, 0], [1.0, 1.0])
    assert float(unit_scale(values * 0)[0, 0]) == 1.0
