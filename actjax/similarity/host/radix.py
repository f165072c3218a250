"""Sorting on the host without comparisons."""

import math
import sys

import numpy as np


def stable_order(keys: np.ndarray) -> np.ndarray:
    """The order that sorts the last axis of uint16 or uint32 keys, the earlier first where they tie.

    NumPy's stable sort of 16-bit integers is a radix sort: 7 ns an element and half, where sorting 32-bit
    keys by comparison takes 17 ns and sorting 64-bit keys, which would carry their places along, 30 ns.
    """
    if keys.dtype == np.uint16:
        return np.argsort(keys, axis=-1, kind="stable")
    halves = np.ascontiguousarray(keys, np.uint32).view(np.uint16).reshape(*keys.shape, 2)
    low, high = (halves[..., i] for i in ((0, 1) if sys.byteorder == "little" else (1, 0)))
    order = np.argsort(low, axis=-1, kind="stable")
    # Of the whole array, which is twice as fast as one row after the other.
    row = keys.shape[-1] * np.arange(math.prod(keys.shape[:-1])).reshape(*keys.shape[:-1], 1)
    then = np.argsort(np.take(high, order + row), axis=-1, kind="stable")
    then += row
    return np.take(order, then)


def ordered_bits(values: np.ndarray) -> np.ndarray:
    """uint32 that sort as the float32 do; -0 and 0 alike."""
    bits = (values + np.float32(0)).view(np.int32)
    flip = bits >> 31
    flip |= np.int32(-(2**31))
    bits ^= flip
    return bits.view(np.uint32)
