"""Wide numbers brought into float32: float64, longdouble, and integers that float32 does not hold.

A cast alone loses the digits of a small spread on a large offset (seconds since 1970), overflows beyond
3.4e38, and makes equal what differs in the eighth digit. What is done about it depends on what a metric does
not see: an offset that it does not see is taken off before the cast, a scale is replaced by another, and
where only the order counts values become places. All of it happens on the host in the numbers' own type.
float32 and whatever it holds exactly pass as they are.
"""

from collections.abc import Set

import numpy as np

# Columns at a time: so many elements bound what is held in the wide type.
_CHUNK = 1 << 22
# Sizes beyond 2^100 and below 2^-100 are brought near 1; float32 ends at 2^128 and 2^-126.
_FAR = 100
# Places are stored as the floats from 1 upward, of which there are 2^30 before infinity.
_ONE = np.uint32(0x3F800000)
FLOAT32 = np.finfo(np.float32)
# The axes of one item.
Axis = int | tuple[int, ...]


def is_wide(dtype: np.typing.DTypeLike) -> bool:
    """True for a NumPy type with values that float32 does not hold."""
    dtype = np.dtype(dtype)
    return dtype.kind in "iuf" and dtype.itemsize > (4 if dtype.kind == "f" else 2)


def narrow(
    values: np.ndarray,
    mask: np.ndarray | None,
    invariant_to: Set[str],
    axis: Axis = 0,
    exponent: np.ndarray | None = None,
) -> np.ndarray:
    """The values in float32, for a metric that does not see what `invariant_to` names.

    Args:
      values: real numbers, finite where the mask is True.
      mask: bool of the same rank, broadcastable; None where all count. What does not count may change.
      invariant_to: of "scale", "shift" and "order" (increasing maps of a side, which are more than both).
      axis: the axes of one item, along which offset, scale and order are found.
      exponent: of the scale, from `exponents`, where items share one; else each item has its own.

    Returns:
      [same shape] float32.
    """
    if not is_wide(values.dtype):
        return np.asarray(values, np.float32)
    if values.ndim == 2 and axis == 0:
        return _by_columns(values, mask, invariant_to, exponent)
    return _narrow(values, mask, invariant_to, axis, exponent)


def exponents(values: np.ndarray, mask: np.ndarray | None, axis: Axis) -> np.ndarray:
    """int, with `axis` kept as 1: the power of two to divide by; 0 for items that float32 holds well.

    `axis` holds axis 0, which is read in blocks; values and mask as in `narrow`.
    """
    step = max(1, _CHUNK * len(values) // values.size)
    lows, highs = [], []
    for start in range(0, len(values), step):
        rows = slice(start, start + step)
        low, high = _extremes(_filled(values[rows], None if mask is None else mask[rows], axis), axis)
        lows.append(low)
        highs.append(high)
    return _exponent(np.minimum.reduce(lows), np.maximum.reduce(highs))


def _by_columns(
    values: np.ndarray, mask: np.ndarray | None, invariant_to: Set[str], exponent: np.ndarray | None
) -> np.ndarray:
    out = np.empty_like(values, np.float32, subok=False)
    step = max(1, _CHUNK // values.shape[0])
    for start in range(0, values.shape[1], step):
        columns = (slice(None), slice(start, start + step))
        of_columns = mask if mask is None or mask.shape[1] == 1 else mask[columns]
        out[columns] = _narrow(
            values[columns], of_columns, invariant_to, 0, None if exponent is None else exponent[columns]
        )
    return out


def _narrow(
    values: np.ndarray,
    mask: np.ndarray | None,
    invariant_to: Set[str],
    axis: Axis,
    exponent: np.ndarray | None,
) -> np.ndarray:
    values = _filled(values, mask, axis)
    if "order" in invariant_to:
        return _places(values, axis)
    low, high = _extremes(values, axis)
    if "scale" in invariant_to and exponent is None:
        exponent = _exponent(low, high)
    if "shift" in invariant_to:
        values = _less(values, low, high)
    if exponent is not None and exponent.any():
        values = np.ldexp(values if values.dtype.kind == "f" else values.astype(np.float64), -exponent)
    return _cast(values)


def _filled(values: np.ndarray, mask: np.ndarray | None, axis: Axis) -> np.ndarray:
    """What does not count replaced by a value of the same item that does, if there is one."""
    if mask is None or mask.all():
        return values
    axes = (axis,) if isinstance(axis, int) else axis
    mask = np.broadcast_to(mask, values.shape)
    last = tuple(range(-len(axes), 0))
    flat, flat_mask = (np.moveaxis(side, axes, last) for side in (values, mask))
    shape = flat.shape[: flat.ndim - len(axes)]
    first = np.argmax(flat_mask.reshape(*shape, -1), -1)[..., None]
    fill = np.take_along_axis(flat.reshape(*shape, -1), first, -1)
    some = np.take_along_axis(flat_mask.reshape(*shape, -1), first, -1)
    fill = np.where(some, fill, np.zeros_like(fill)).reshape(*shape, *(1 for _ in axes))
    return np.where(mask, values, np.moveaxis(fill, last, axes))


def _extremes(values: np.ndarray, axis: Axis) -> tuple[np.ndarray, np.ndarray]:
    return values.min(axis, keepdims=True), values.max(axis, keepdims=True)


def _exponent(low: np.ndarray, high: np.ndarray) -> np.ndarray:
    wide = np.longdouble if low.dtype.kind == "f" else np.float64
    size = np.maximum(np.abs(low.astype(wide)), np.abs(high.astype(wide)))
    with np.errstate(invalid="ignore"):
        exponent = np.frexp(size)[1]
    far = np.isfinite(size) & (size > 0) & (np.abs(exponent) > _FAR)
    return np.where(far, exponent, 0)


def _less(values: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """The values less their offset, where it is larger than their spread: then the difference is exact.

    Elsewhere the spread is at least half of the largest value, of which float32 keeps 24 bits.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        bottom, top = (np.asarray(v, np.float64) if v.dtype.kind in "iu" else v for v in (low, high))
        offset = ((bottom > 0) & (top <= 2 * bottom)) | ((top < 0) & (bottom >= 2 * top))
    if not offset.any():
        return values
    low = np.where(offset, low, np.zeros_like(low))
    if values.dtype.kind == "f":
        return values - low
    return _whole_differences(values, low, offset)


def _whole_differences(values: np.ndarray, low: np.ndarray, offset: np.ndarray) -> np.ndarray:
    """Differences of integers, exact modulo 2^bits; [..] float64 where others keep their own sign."""
    unsigned = np.dtype(f"u{values.dtype.itemsize}")
    less = values.astype(unsigned) - low.astype(unsigned)
    return less if offset.all() else np.where(offset, less.astype(np.float64), values.astype(np.float64))


def _places(values: np.ndarray, axis: Axis) -> np.ndarray:
    """Floats in the order of the values, equal where they are equal and nowhere else."""
    cast = _cast(values)
    held = np.all(cast == values, axis, keepdims=True)
    if held.all():
        return cast
    rows = np.ascontiguousarray(np.moveaxis(values, axis, -1))
    order = np.argsort(rows, -1)
    ascending = np.take_along_axis(rows, order, -1)
    places = np.zeros(rows.shape, np.uint32)
    np.cumsum(ascending[..., 1:] != ascending[..., :-1], -1, dtype=np.uint32, out=places[..., 1:])
    out = np.empty_like(places)
    np.put_along_axis(out, order, places + _ONE, -1)
    # What float32 holds stays as it is: 0 and 1 may mean absence and presence.
    return np.where(held, cast, np.moveaxis(out.view(np.float32), -1, axis))


def _cast(values: np.ndarray) -> np.ndarray:
    # What float32 cannot hold was refused before, or stands where nothing counts.
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        return values.astype(np.float32)
