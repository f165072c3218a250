"""Checks of the public functions' arguments, on the host, with messages that name axes and lengths."""

import functools
import operator
from typing import NamedTuple

import jax
import numpy as np
from numpy.typing import ArrayLike

from actjax.similarity.labels import Coded, Labels, codes
from actjax.similarity.narrow import FLOAT32, is_wide

_CHUNK = 1 << 24
Array = np.ndarray | jax.Array


class Side(NamedTuple):
    """One side's values, real numbers as they came, and [same shape] bool of what counts; None for all."""

    values: np.ndarray | jax.Array
    present: np.ndarray | None


def matrix(values: ArrayLike, name: str, columns: str) -> Side:
    """The array, two-dimensional and real.

    Raises:
      ValueError: another number of axes, an empty axis, or a dtype that is not real.
    """
    side = _real(values, name)
    shape = tuple(side.values.shape)
    if len(shape) != 2 or 0 in shape:
        raise ValueError(
            f"expected {name} [o, {columns}] with observations first, got shape {shape}"
            + ("; for one column take values[:, None]" if len(shape) == 1 else "")
        )
    return side


def images(values: ArrayLike, name: str, axes: str) -> Side:
    """The array, [b, ...] with four axes and real."""
    side = _real(values, name)
    if side.values.ndim != 4 or 0 in side.values.shape:
        raise ValueError(f"expected {name} [b, {axes}], got shape {tuple(side.values.shape)}")
    return side


def same_observations(x: Array, y: Array) -> None:
    """Raises ValueError unless both sides have as many observations."""
    if y.shape[0] != x.shape[0]:
        raise ValueError(
            f"expected activations [o, n] and features [o, k] of the same observations, "
            f"got o = {x.shape[0]} and o = {y.shape[0]}"
        )


def mask(values: ArrayLike | None, o: int) -> np.ndarray | None:
    """[o] bool, or None where all count."""
    if values is None:
        return None
    counts = _booleans(values, f"mask [o] of booleans with o = {o}")
    if counts.shape != (o,):
        raise ValueError(f"expected mask [o] with o = {o}, got shape {counts.shape}")
    return None if counts.all() else counts


def labels(values: Labels | None, name: str, o: int) -> Coded:
    """Clip ids or folds under any labels as whole numbers; code_o None where there are none."""
    return Coded(None, 0) if values is None else codes(values, name, o)


def nuisance(values: ArrayLike, o: int) -> Side:
    """[o, q] of real numbers."""
    side = _real(values, "nuisance")
    shape = tuple(side.values.shape)
    if len(shape) != 2 or shape[0] != o or 0 in shape:
        raise ValueError(f"expected nuisance [o, q] with o = {o}, got shape {shape}")
    return Side(np.asarray(side.values), side.present)


def map_mask(x: Array, y: Array, values: ArrayLike | None) -> np.ndarray:
    """[b, frames] bool for maps x and matrices y of the same clips."""
    if x.shape[0] != y.shape[0]:
        raise ValueError(
            f"expected maps [b, n, f, t] and matrices [b, k, rows, frames] of the same clips, "
            f"got b = {x.shape[0]} and b = {y.shape[0]}"
        )
    shape = (y.shape[0], y.shape[3])
    if values is None:
        return np.ones(shape, bool)
    counts = _booleans(values, f"mask [b, frames] of booleans with shape {shape}")
    if counts.shape != shape:
        raise ValueError(f"expected mask [b, frames] with shape {shape}, got shape {counts.shape}")
    return counts


def memory_bytes(memory_gib: float) -> int:
    """The bound in bytes; raises ValueError unless it is a positive, finite number."""
    try:
        usable = 0 < memory_gib < np.inf and not isinstance(memory_gib, bool)
    except (TypeError, ValueError):
        usable = False
    if not usable:
        raise ValueError(f"expected memory_gib above 0 and finite, got {memory_gib!r}")
    return max(int(memory_gib * 2**30), 1 << 16)


def key(seed: int) -> jax.Array:
    """The random key of a seed; raises ValueError unless it is a whole number from 0 to 2^32 - 1."""
    try:
        number = operator.index(seed)
    except TypeError:
        number = -1
    if isinstance(seed, bool) or not 0 <= number < 2**32:
        raise ValueError(f"expected seed to be a whole number from 0 to 2^32 - 1, got {seed!r}")
    return _key(number)


@functools.lru_cache(maxsize=64)
def _key(number: int) -> jax.Array:
    """The key of a seed: making one takes an accelerator as long as scores of a small problem."""
    return jax.random.key(number)


def finite(
    side: Side, name: str, column: str, mask_o: np.ndarray | None, *, held_by_float32: bool = False
) -> None:
    """Raises ValueError naming the first observation and column that is not finite.

    With `held_by_float32` also those beyond its range: a column that overflows, or all of which vanishes.
    """
    array, present = side
    held_by_float32 = held_by_float32 and is_wide(array.dtype)
    largest = np.zeros(array.shape[1])
    step = max(1, _CHUNK // array.shape[1])
    for start in range(0, array.shape[0], step):
        rows = slice(start, start + step)
        values = _host(array[rows])
        mask = None if mask_o is None else mask_o[rows, None]
        counts = _counted(mask, None if present is None else present[rows])
        bad = _not_finite(values) & (True if counts is None else counts)
        if bad.any():
            row, index = np.argwhere(bad)[0]
            raise ValueError(
                f"expected finite {name}, got {values[row, index]} at observation "
                f"{start + row} of {column} {index}; mask it out or repair it"
            )
        if held_by_float32:
            largest = np.maximum(largest, _sizes(values, counts, 0))
    if held_by_float32:
        _held(largest, name, column)


def _counted(mask: np.ndarray | None, present: np.ndarray | None) -> np.ndarray | None:
    """Where values count: inside the mask and present; None stands for everywhere."""
    if mask is None or present is None:
        return present if mask is None else mask
    return mask & present


def finite_images(
    side: Side, name: str, column: str, mask_bt: np.ndarray, *, held_by_float32: bool = False
) -> None:
    """Raises ValueError naming the first clip and neuron or feature that is not finite; see `finite`."""
    array, present = side
    held_by_float32 = held_by_float32 and is_wide(array.dtype)
    for clip in range(array.shape[0]):
        values = _host(array[clip])
        mask = mask_bt[clip][None, None, :] if array.shape[3] == mask_bt.shape[1] else None
        counts = _counted(mask, None if present is None else present[clip])
        bad = _not_finite(values) & (True if counts is None else counts)
        if bad.any():
            index = np.argwhere(bad)[0][0]
            raise ValueError(
                f"expected finite {name}, got a value that is not in clip {clip}, {column} {index}; "
                "mask its frames out or repair it"
            )
        if held_by_float32:
            _held(_sizes(values, counts, (1, 2)), name, f"clip {clip}, {column}")


def _not_finite(values: np.ndarray) -> np.ndarray:
    """bool of the values' shape, or one False where all are finite."""
    # A finite sum has finite terms alone, and is there in one pass that writes nothing.
    with np.errstate(over="ignore", invalid="ignore"):
        if np.isfinite(np.add.reduce(values, axis=None)):
            return np.zeros((), bool)
    return ~np.isfinite(values)


def _sizes(values: np.ndarray, counts: np.ndarray | None, axis: int | tuple[int, ...]) -> np.ndarray:
    wide = np.longdouble if values.dtype == np.longdouble else np.float64
    sizes = np.abs(values.astype(wide))
    return (sizes if counts is None else np.where(counts, sizes, 0)).max(axis)


def _held(largest: np.ndarray, name: str, column: str) -> None:
    bad = (largest > FLOAT32.max) | ((largest > 0) & (largest < FLOAT32.tiny))
    if bad.any():
        index = int(np.argmax(bad))
        raise ValueError(
            f"expected {name} that float32 can hold (1.2e-38 to 3.4e38), got {largest[index]:.3g} "
            f"in {column} {index}, and this metric depends on scale; multiply the values by a constant"
        )


def _booleans(values: ArrayLike, expected: str) -> np.ndarray:
    if np.ma.is_masked(values):
        raise ValueError(f"expected {expected}, got one with masked entries; take mask.filled(False)")
    try:
        array = np.asarray(values)
    except ValueError:
        raise ValueError(f"expected {expected}, got lists of different lengths") from None
    if array.dtype != bool:
        raise ValueError(f"expected {expected}, got {array.dtype}")
    return array


def _real(values: ArrayLike, name: str) -> Side:
    present = None
    if isinstance(values, np.ma.MaskedArray):
        present = ~np.ma.getmaskarray(values) if np.ma.is_masked(values) else None
        values = values.data
    if isinstance(values, jax.Array):
        array = np.asarray(values) if _is_number(values.dtype) and is_wide(values.dtype) else values
    else:
        array = _plain(values, name)
    if not _is_number(array.dtype):
        raise ValueError(f"expected {name} of real numbers, got {array.dtype}")
    return Side(array, present)


def _plain(values: ArrayLike, name: str) -> np.ndarray:
    try:
        array = np.asarray(values)
        if array.dtype == object:
            # NumPy finds the type that numbers kept as objects have in common.
            array = np.asarray(array.tolist())
    except ValueError:
        raise ValueError(f"expected {name} of real numbers, got lists of different lengths") from None
    if array.dtype == object:
        try:
            # NumPy would take None for NaN.
            array = np.asarray([float(value) for value in array.ravel()]).reshape(array.shape)
        except (TypeError, ValueError, OverflowError):
            raise ValueError(f"expected {name} of real numbers, got objects that are none") from None
    return array


def _is_number(dtype: np.dtype) -> bool:
    """True for real numbers, the extended floating types (bfloat16 and such) included."""
    extended = dtype.kind == "V" and jax.numpy.issubdtype(dtype, jax.numpy.number)
    return dtype.kind in "fiub" or (extended and not jax.numpy.issubdtype(dtype, jax.numpy.complexfloating))


def _host(values: Array) -> np.ndarray:
    values = np.asarray(values)
    # NumPy's isfinite does not know the extended floating types (bfloat16 and such).
    return values if values.dtype.kind in "fiub" else values.astype(np.float32)
