"""Clip ids and folds under any names, as whole numbers from 0."""

from collections.abc import Hashable, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

# An array of numbers, strings or dates, or any sequence of hashable objects.
Labels = np.ndarray | jax.Array | Sequence[Hashable]


class Coded(NamedTuple):
    """Labels as whole numbers: [o] int32 in 0 .. count - 1, or None where there are none, and count."""

    code_o: np.ndarray | None
    count: int


def codes(values: Labels, name: str, o: int) -> Coded:
    """Numbers labels: equal ones have equal codes, in the labels' order.

    Args:
      values: [o] labels.
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


def _of_array(array: np.ndarray, name: str) -> Coded:
    if array.dtype.kind in "fcmM" and (array != array).any():
        row = int(np.argmax(array != array))
        raise _missing(name, array[row], row)
    distinct, code = np.unique(array, return_inverse=True)
    return Coded(code.astype(np.int32), len(distinct))


def _of_objects(labels: Labels, name: str, o: int) -> Coded:
    if isinstance(labels, str | bytes) or not hasattr(labels, "__len__") or not hasattr(labels, "__iter__"):
        raise ValueError(f"expected {name} [o] with o = {o}, got {type(labels).__name__}")
    values: list[Any] = list(labels)
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
    return Coded(np.fromiter((place[value] for value in values), np.int32, o), len(ordered))


def _is_hashable(value: object) -> bool:
    try:
        hash(value)
    except TypeError:
        return False
    return True


def _missing(name: str, value: object, row: int) -> ValueError:
    return ValueError(f"expected a {name[:-1]} for every observation, got {value} at observation {row}")


def _is_missing(value: object) -> bool:
    if value is None:
        return True
    try:
        return bool(value != value)
    except (TypeError, ValueError):
        # pandas' NA has no truth.
        return True
