"""What describes the arrays of a file: the clip ids, and times and frequencies beside each array."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from actjax.external.formats.stored import Stored
from actjax.files import FileError

CLIP_IDS = "clip_ids"
PROPERTIES = ("time0_s", "hop_s", "field_s", "hz", "depth", "window_s", "row_names", "unit")
# A clip id as text, and its place in a table of them, take about so many bytes beside its letters.
ID_BYTES = 200
# Values that float32 rounds by more than this share of how much they vary lose what is compared.
ROUNDED = 1e-4
# A neuron or a row of a feature takes at least so many bytes in a run: its observations, and its rows in
# the table of scores.
SIDE_BYTES = 1024
PROPERTY_BYTES = 2**24


def array_names(arrays: Mapping[str, Stored]) -> list[str]:
    """The arrays that are neither clip ids nor properties of others."""
    return [name for name in arrays if name != CLIP_IDS and not is_property(name, arrays)]


def is_property(name: str, arrays: Mapping[str, Stored]) -> bool:
    """Whether an array describes another: `conv/hz` where there is an array `conv`, and it has one axis.

    Without that array, or with more axes, a name such as `res/unit` or `depth` is that of a layer.
    """
    of, _, last = name.rpartition("/")
    described = last in PROPERTIES and of in arrays and of != CLIP_IDS
    return described and (len(arrays[name].shape) < 2 or arrays[name].size == 1)


def read_clip_ids(
    path: Path, arrays: Mapping[str, Stored], attributes: Mapping[str, Any], bound: int
) -> tuple[str, ...]:
    """The file's clip ids, from its array or attribute `clip_ids`.

    Raises:
      FileError: there are none, they are no strings, one stands twice, or they do not fit into `bound`.
    """
    if CLIP_IDS in arrays:
        stored = arrays[CLIP_IDS]
        if stored.size * (ID_BYTES + stored.dtype.itemsize) > bound:
            raise FileError(path, f"{stored.size} clip ids are above the bound (score.memory_gib)")
        ids = stored.all(bound)
    elif CLIP_IDS in attributes:
        ids = attributes[CLIP_IDS]
        if isinstance(ids, list) and not all(isinstance(one, str) for one in ids):
            ids = np.asarray([0])
        ids = np.asarray(ids)
    else:
        raise FileError(
            path, "has no clip_ids: add an array of str, one clip id for each entry of the first axis"
        )
    if ids.dtype.kind not in "SUTO" or ids.ndim != 1:
        raise FileError(path, f"expected clip_ids [clips] of str, got {ids.dtype} of shape {ids.shape}")
    return checked_ids(path, [_text(path, one) for one in ids.tolist()])


def checked_ids(path: Path, ids: Sequence[str], lines: Sequence[int] | None = None) -> tuple[str, ...]:
    """Clip ids of which none stands twice; `lines` says where each stands in the file."""
    place: dict[str, int] = {}
    repeated: dict[str, int] = {}
    for row, one in enumerate(ids):
        if one in place:
            repeated.setdefault(one, row)
        place.setdefault(one, row)
    if repeated:
        shown = [
            one + (f" (lines {lines[place[one]]} and {lines[row]})" if lines else "")
            for one, row in list(repeated.items())[:3]
        ]
        raise FileError(path, f"{len(repeated)} clip ids stand more than once: {', '.join(shown)}")
    return tuple(ids)


def rows_of(path: Path, clip_ids: Sequence[str], wanted: Sequence[str]) -> np.ndarray:
    """[wanted] where each wanted clip stands in a file; clips that are not wanted are passed over.

    Raises:
      FileError: the file lacks some; one line with counts and the first three.
    """
    place = {clip_id: row for row, clip_id in enumerate(clip_ids)}
    missing = [one for one in wanted if one not in place]
    if missing:
        known = set(wanted)
        strangers = [one for one in clip_ids if one not in known]
        others = f"; {len(strangers)} of its clips are none of the split's: {', '.join(strangers[:3])}"
        raise FileError(
            path,
            f"lacks {len(missing)} of the {len(wanted)} clips of the split: {', '.join(missing[:3])}"
            + (others if strangers else ""),
        )
    return np.asarray([place[one] for one in wanted], np.int64)


def frame_times(path: Path, name: str, properties: Mapping[str, Any]) -> tuple[float, float]:
    """(time0_s, hop_s) of an array that has frames; FileError where one is missing."""
    lacking = [f"{name}/{key}" for key in ("time0_s", "hop_s") if properties[key] is None]
    if lacking:
        raise FileError(
            path, f"lacks {' and '.join(lacking)}: the time of frame 0 and between frames, in seconds"
        )
    return seconds(path, name, "time0_s", properties["time0_s"]), seconds(
        path, name, "hop_s", properties["hop_s"]
    )


def properties_of(
    path: Path, name: str, arrays: Mapping[str, Stored], attributes: Mapping[str, Any], entries: int
) -> dict[str, Any]:
    """{property: value or None} of an array with at most `entries` frequencies or rows.

    A property is an array `<name>/<key>`, an attribute of the array, or one of the file `<name>/<key>`.
    """
    return {key: _property(path, name, key, arrays, attributes, entries) for key in PROPERTIES}


def _property(
    path: Path, name: str, key: str, arrays: Mapping[str, Stored], attributes: Mapping[str, Any], entries: int
) -> Any:
    full = f"{name}/{key}"
    if full in arrays and is_property(full, arrays):
        most = entries if key in ("hz", "row_names") else 1
        if arrays[full].size > most:
            raise FileError(path, f"expected {most} values in {full}, got shape {list(arrays[full].shape)}")
        return arrays[full].all(PROPERTY_BYTES)
    return arrays[name].attributes.get(key, attributes.get(full))


def check_count(path: Path, name: str, what: str, count: int, bound: int) -> None:
    """Refuses more neurons of a layer, or rows of a feature, than a run holds in `bound` bytes."""
    if count * SIDE_BYTES > bound:
        raise FileError(
            path,
            f"{name!r} has {count} {what}, more than {bound / 2**30:.3g} GiB hold: raise score.memory_gib",
        )


def seconds(path: Path, name: str, key: str, value: Any) -> float:
    """A property that is one finite number."""
    number = numbers(path, name, key, value)
    if number.size != 1 or not np.isfinite(number).all() or (key != "time0_s" and number.item() <= 0):
        raise FileError(path, f"expected one number of seconds in {name}/{key}, got {value!r:.60}")
    return float(number.item())


def numbers(path: Path, name: str, key: str, value: Any) -> np.ndarray:
    """A property that is one number or a list of them, as float64."""
    try:
        return np.asarray(value, np.float64)
    except (TypeError, ValueError, OverflowError):
        raise FileError(path, f"expected numbers in {name}/{key}, got {value!r:.60}") from None


def text(path: Path, value: Any) -> str:
    """A property that is one string."""
    array = np.asarray(value)
    return _text(path, array.reshape(-1)[0].item() if array.size == 1 and array.dtype.kind in "SU" else value)


def offsets(
    stored: Stored, columns: Callable[[np.ndarray], np.ndarray], count: int, bound: int
) -> np.ndarray:
    """[count] what is taken off an array's values, see `offset`; the array is read once if it is wide.

    Args:
      stored: the array.
      columns: entries of its first axis -> [values, count].
      count: of its channels or rows.
      bound: bytes of memory for a block of it, in float64.
    """
    if stored.dtype.itemsize < (4 if stored.dtype.kind in "iu" else 8) or stored.dtype.kind == "b":
        return np.zeros(count)
    low, high, first = np.full(count, np.nan), np.full(count, np.nan), np.full(count, np.nan)
    block = max(bound // max(32 * stored.row_bytes // stored.dtype.itemsize, 1), 1)
    for start in range(0, stored.shape[0], block):
        values = columns(stored.read(start, min(start + block, stored.shape[0])).astype(np.float64))
        values = np.where(np.isfinite(values), values, np.nan)
        low = np.fmin(low, np.fmin.reduce(values, axis=0))
        high = np.fmax(high, np.fmax.reduce(values, axis=0))
        first = np.where(np.isnan(first), values[0], first)
    return offset(low, high, np.where(np.isnan(first), low, first))


def offset(low: np.ndarray, high: np.ndarray, first: np.ndarray) -> np.ndarray:
    """What is taken off values in float64 that float32 would round away; zeros where it need not be.

    Args:
      low, high: the smallest and largest of each, NaN where all are undefined.
      first: a value of each.
    """
    largest = np.maximum(np.abs(low), np.abs(high))
    with np.errstate(invalid="ignore", over="ignore"):
        lost = (largest * np.finfo(np.float32).eps / 2 > ROUNDED * (high - low)) & (high > low)
    return np.where(lost, first, 0.0)


def narrowed(path: Path, name: str, values: np.ndarray) -> np.ndarray:
    """Values as float32; FileError where finite ones are beyond its range."""
    with np.errstate(over="ignore"):
        narrow = values.astype(np.float32)
    if values.dtype.kind == "f" and (np.isinf(narrow) & np.isfinite(values)).any():
        raise FileError(path, f"{name!r} holds values beyond the range of float32: write it in another unit")
    return narrow


def _text(path: Path, value: Any) -> str:
    try:
        return value.decode("utf-8") if isinstance(value, bytes) else str(value)
    except UnicodeDecodeError:
        raise FileError(path, f"expected UTF-8, got {value!r:.60}") from None
