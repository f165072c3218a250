"""What describes the arrays of a file: the clip ids, and times and frequencies beside each array."""

import collections
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from actjax.activations._external_files import Stored

CLIP_IDS = "clip_ids"
PROPERTIES = ("time0_s", "hop_s", "field_s", "hz", "depth", "window_s", "row_names", "unit")


def array_names(arrays: Mapping[str, Stored]) -> list[str]:
    """The arrays that are neither clip ids nor properties of others."""
    return [name for name in arrays if name != CLIP_IDS and name.rsplit("/", 1)[-1] not in PROPERTIES]


def read_clip_ids(path: Path, arrays: Mapping[str, Stored], about: Mapping[str, Any]) -> tuple[str, ...]:
    """The file's clip ids, from its array or attribute `clip_ids`.

    Raises:
      ValueError: there are none, they are no strings, or one stands twice.
    """
    if CLIP_IDS in arrays:
        ids = arrays[CLIP_IDS].all()
    elif CLIP_IDS in about:
        ids = np.asarray(about[CLIP_IDS])
    else:
        raise ValueError(
            f"{path} has no clip_ids: add an array of str, one clip id for each entry of the first axis"
        )
    if ids.dtype.kind == "S":
        ids = np.char.decode(ids, "utf-8")
    elif ids.dtype.kind not in "UTO" or ids.ndim != 1:
        raise ValueError(f"{path}: expected clip_ids [clips] of str, got {ids.dtype} of shape {ids.shape}")
    found = tuple(str(one) for one in ids)
    repeated = [one for one, count in collections.Counter(found).items() if count > 1]
    if repeated:
        raise ValueError(f"{path}: {len(repeated)} clip ids stand more than once: {', '.join(repeated[:3])}")
    return found


def rows_of(path: Path, clip_ids: Sequence[str], wanted: Sequence[str]) -> np.ndarray:
    """[wanted] where each wanted clip stands in a file; clips that are not wanted are passed over.

    Raises:
      ValueError: the file lacks some; one line with counts and the first three.
    """
    place = {clip_id: row for row, clip_id in enumerate(clip_ids)}
    missing = [one for one in wanted if one not in place]
    if missing:
        known = set(wanted)
        strangers = [one for one in clip_ids if one not in known]
        others = f"; {len(strangers)} of its clips are none of the split's: {', '.join(strangers[:3])}"
        raise ValueError(
            f"{path} lacks {len(missing)} of the {len(wanted)} clips of the split: {', '.join(missing[:3])}"
            + (others if strangers else "")
        )
    return np.asarray([place[one] for one in wanted], np.int64)


def frame_times(path: Path, name: str, given: Mapping[str, Any]) -> tuple[float, float]:
    """(time0_s, hop_s) of an array that has frames; ValueError where one is missing."""
    lacking = [f"{name}/{key}" for key in ("time0_s", "hop_s") if given[key] is None]
    if lacking:
        raise ValueError(
            f"{path} lacks {' and '.join(lacking)}: the time of frame 0 and between frames, in seconds"
        )
    return seconds(path, name, "time0_s", given["time0_s"]), seconds(path, name, "hop_s", given["hop_s"])


def property_of(name: str, key: str, arrays: Mapping[str, Stored], about: Mapping[str, Any]) -> Any:
    """A property of an array: an array `<name>/<key>`, an attribute of it or of the file, or None."""
    if f"{name}/{key}" in arrays:
        return arrays[f"{name}/{key}"].all()
    return arrays[name].attributes.get(key, about.get(f"{name}/{key}"))


def seconds(path: Path, name: str, key: str, value: Any) -> float:
    """A property that is one finite number."""
    try:
        [number] = np.asarray(value, np.float64).reshape(-1)
    except (TypeError, ValueError):
        number = np.nan
    if not np.isfinite(number) or (key != "time0_s" and number <= 0):
        raise ValueError(f"{path}: expected one number of seconds in {name}/{key}, got {value!r}")
    return float(number)
