"""Clip ids and folds under any names, as whole numbers from 0."""

from typing import Any

import jax
import numpy as np


def codes(values: Any, name: str, o: int) -> tuple[np.ndarray, int]:
    """([o] int32 in 0 .. count - 1, count): equal labels have equal codes, in the labels' own order.

    Args:
      values: [o] labels: an array of numbers, strings or dates, or any sequence of hashable objects.
      name: for messages.
      o: how many are expected.

    Raises:
      ValueError: another shape, a missing label (None, NaN, masked), or one that cannot be hashed.
    """
    if np.ma.is_masked(values):
        raise ValueError(f"expected a {name[:-1]} for every observation, got masked entries in {name}")
    if isinstance(values, np.ndarray | jax.Array) or hasattr(values, "__array__"):
        array = np.asarray(values)
        if array.shape != (o,):
            raise ValueError(f"expected {name} [o] with o = {o}, got shape {array.shape}")
        if array.dtype != object:
            return _of_array(array, name)
        values = array.tolist()
    return _of_objects(values, name, o)


def _of_array(array: np.ndarray, name: str) -> tuple[np.ndarray, int]:
    if array.dtype.kind in "fcmM" and (array != array).any():
        row = int(np.argmax(array != array))
        raise _missing(name, array[row], row)
    found, code = np.unique(array, return_inverse=True)
    return code.astype(np.int32), len(found)


def _of_objects(values: Any, name: str, o: int) -> tuple[np.ndarray, int]:
    if isinstance(values, str | bytes) or not hasattr(values, "__len__") or not hasattr(values, "__iter__"):
        raise ValueError(f"expected {name} [o] with o = {o}, got {type(values).__name__}")
    values = list(values)
    if len(values) != o:
        raise ValueError(f"expected {name} [o] with o = {o}, got shape ({len(values)},)")
    for row, value in enumerate(values):
        if not _is_hashable(value):
            raise ValueError(
                f"expected {name} that can be hashed (strings, numbers, tuples), "
                f"got {type(value).__name__} at observation {row}"
            )
        if _is_missing(value):
            raise _missing(name, value, row)
    distinct = set(values)
    try:
        ordered = sorted(distinct)
    except TypeError:
        ordered = sorted(distinct, key=lambda value: (type(value).__name__, repr(value)))
    place = {value: code for code, value in enumerate(ordered)}
    return np.fromiter((place[value] for value in values), np.int32, o), len(ordered)


def _is_hashable(value: Any) -> bool:
    try:
        hash(value)
    except TypeError:
        return False
    return True


def _missing(name: str, value: Any, row: int) -> ValueError:
    return ValueError(f"expected a {name[:-1]} for every observation, got {value} at observation {row}")


def _is_missing(value: Any) -> bool:
    if value is None:
        return True
    try:
        return bool(value != value)
    except (TypeError, ValueError):
        # pandas' NA has no truth.
        return True
