"""Checks of the public functions' arguments, on the host, with messages that name axes and lengths."""

from typing import Any

import jax
import numpy as np

_CHUNK = 1 << 24


def matrix(values: Any, name: str, columns: str) -> Any:
    """The array, two-dimensional and real.

    Raises:
      ValueError: another number of axes, an empty axis, or a dtype that is not real.
    """
    array = _real(values, name)
    if array.ndim != 2 or 0 in array.shape:
        raise ValueError(
            f"expected {name} [o, {columns}] with observations first, got shape {tuple(array.shape)}"
            + ("; for one column take values[:, None]" if array.ndim == 1 else "")
        )
    return array


def images(values: Any, name: str, axes: str) -> Any:
    """The array, [b, ...] with four axes and real."""
    array = _real(values, name)
    if array.ndim != 4 or 0 in array.shape:
        raise ValueError(f"expected {name} [b, {axes}], got shape {tuple(array.shape)}")
    return array


def same_length(x: Any, y: Any, mask: Any, clip_ids: Any, nuisance: Any, folds: Any) -> None:
    """Raises ValueError unless all have one entry for each observation."""
    o = x.shape[0]
    if y.shape[0] != o:
        raise ValueError(
            f"expected activations [o, n] and features [o, k] of the same observations, "
            f"got o = {o} and o = {y.shape[0]}"
        )
    for name, values, axes in (
        ("mask", mask, "[o]"),
        ("clip_ids", clip_ids, "[o]"),
        ("folds", folds, "[o]"),
        ("nuisance", nuisance, "[o, q]"),
    ):
        if values is not None:
            shape = np.shape(values)
            if len(shape) != axes.count(",") + 1 or shape[0] != o:
                raise ValueError(f"expected {name} {axes} with o = {o}, got shape {shape}")
    if clip_ids is not None and not np.issubdtype(np.asarray(clip_ids).dtype, np.integer):
        raise ValueError(f"expected clip_ids of integers, got {np.asarray(clip_ids).dtype}")


def mask(values: Any, o: int) -> np.ndarray | None:
    """[o] bool, or None where all count."""
    if values is None:
        return None
    values = np.asarray(values)
    if values.dtype != bool:
        raise ValueError(f"expected mask [o] of booleans with o = {o}, got {values.dtype}")
    return None if values.all() else values


def map_mask(x: Any, y: Any, values: Any) -> np.ndarray:
    """[b, frames] bool for maps x and matrices y of the same clips."""
    if x.shape[0] != y.shape[0]:
        raise ValueError(
            f"expected maps [b, n, f, t] and matrices [b, k, rows, frames] of the same clips, "
            f"got b = {x.shape[0]} and b = {y.shape[0]}"
        )
    shape = (y.shape[0], y.shape[3])
    if values is None:
        return np.ones(shape, bool)
    values = np.asarray(values)
    if values.shape != shape or values.dtype != bool:
        raise ValueError(
            f"expected mask [b, frames] of booleans with shape {shape}, got {values.dtype} {values.shape}"
        )
    return values


def memory_bytes(memory_gib: float) -> int:
    """The bound in bytes; raises ValueError unless it is positive."""
    if not memory_gib > 0:
        raise ValueError(f"expected memory_gib above 0, got {memory_gib}")
    return max(int(memory_gib * 2**30), 1 << 16)


def finite(x: Any, y: Any, mask_o: np.ndarray | None) -> None:
    """Raises ValueError naming the first observation and column that is not finite."""
    for array, name, column in ((x, "activations", "neuron"), (y, "features", "feature row")):
        step = max(1, _CHUNK // array.shape[1])
        for start in range(0, array.shape[0], step):
            bad = ~np.isfinite(_host(array[start : start + step]))
            if mask_o is not None:
                bad &= mask_o[start : start + step, None]
            if bad.any():
                row, index = np.argwhere(bad)[0]
                raise ValueError(
                    f"expected finite {name}, got {_host(array[start + row, index])} at observation "
                    f"{start + row} of {column} {index}; mask it out or repair it"
                )


def finite_images(x: Any, y: Any, mask_bt: np.ndarray) -> None:
    """Raises ValueError naming the first clip and neuron or feature that is not finite."""
    for array, name, column in ((x, "maps", "neuron"), (y, "matrices", "feature")):
        for clip in range(array.shape[0]):
            bad = ~np.isfinite(_host(array[clip]))
            if array.shape[3] == mask_bt.shape[1]:
                bad &= mask_bt[clip][None, None, :]
            if bad.any():
                index = np.argwhere(bad)[0][0]
                raise ValueError(
                    f"expected finite {name}, got a value that is not in clip {clip}, {column} {index}; "
                    "mask its frames out or repair it"
                )


def _real(values: Any, name: str) -> Any:
    array = values if isinstance(values, np.ndarray | jax.Array) else np.asarray(values)
    if not (jax.numpy.issubdtype(array.dtype, np.number) or array.dtype == bool) or np.iscomplexobj(array):
        raise ValueError(f"expected {name} of real numbers, got {array.dtype}")
    return array


def _host(values: Any) -> np.ndarray:
    values = np.asarray(values)
    # NumPy's isfinite does not know the extended floating types (bfloat16 and such).
    known = values.dtype == bool or np.issubdtype(values.dtype, np.number)
    return values if known and values.dtype.kind in "fiub" else values.astype(np.float32)
