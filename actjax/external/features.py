"""Features from elsewhere: arrays and tables of numbers by clip id."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from actjax.external import properties as described
from actjax.external import tables
from actjax.external.formats.arrays import BOUND, open_arrays
from actjax.external.formats.stored import Stored
from actjax.extraction import tabulated
from actjax.files import FileError, printable


def open_features(
    paths: Sequence[str | Path],
    clip_ids: Sequence[str],
    *,
    bound: int = BOUND,
    at_once: int = 32,
    say: Callable[[str], None] = print,
) -> list[tabulated.GivenFeature]:
    """The features in files: every array of one, or the columns of a table as the rows of one feature.

    A .csv, .tsv or .parquet table has a column `clip_id` and numbers; empty cells are undefined. Arrays are
    [clips], [clips, rows] or [clips, rows, frames] with `<name>/hop_s` and `<name>/time0_s`, and
    optionally `window_s` (hop_s where absent), `hz` [rows], `row_names`, `unit`.

    Args:
      paths: files.
      clip_ids: of the split; each file holds them all, in any order and among others.
      bound: bytes of memory that a file may ask for.
      at_once: how many clips are read at a time.
      say: takes one line about a column that is no feature, and about rows that lose an offset.

    Raises:
      FileNotFoundError, ValueError: one line that says what a file lacks, or why it is refused.
    """
    features = []
    for path in (Path(p).expanduser() for p in paths):
        if path.suffix.lower() in tables.SUFFIXES:
            features.append(_of_table(path, clip_ids, bound, say))
        else:
            features += _of_arrays(path, clip_ids, bound, at_once, say)
    return features


def _of_table(
    path: Path, clip_ids: Sequence[str], bound: int, say: Callable[[str], None]
) -> tabulated.GivenFeature:
    columns = tables.read(path, bound, say)
    ids = described.checked_ids(path, columns.clip_ids, columns.lines)
    described.check_count(path, path.stem, "columns", len(columns.names), bound)
    values = columns.values[described.rows_of(path, ids, clip_ids)]
    low, high = np.fmin.reduce(values, axis=0), np.fmax.reduce(values, axis=0)
    offset = described.offset(low, high, np.where(np.isnan(values[0]), low, values[0]))
    _say_offset(path, columns.names, offset, say)
    table = described.narrowed(path, path.stem, values - offset)
    return tabulated.make(
        path.stem, lambda index: table[index][:, :, None], columns.names, reference=path.name
    )


def _say_offset(path: Path, names: Sequence[str], offset: np.ndarray, say: Callable[[str], None]) -> None:
    """One line about all rows of a feature whose differences float32 would round away."""
    shifted = np.flatnonzero(offset)
    if len(shifted):
        shown = ", ".join(f"{names[i]:.60} less {offset[i]:.12g}" for i in shifted[:3])
        more = " ..." if len(shifted) > 3 else ""
        say(printable(f"{path.name}: {shown}{more}, as float32 would round away how they differ"))


def _of_arrays(
    path: Path, clip_ids: Sequence[str], bound: int, at_once: int, say: Callable[[str], None]
) -> list[tabulated.GivenFeature]:
    arrays, attributes = open_arrays(path, bound)
    ids = described.read_clip_ids(path, arrays, attributes, bound)
    rows = described.rows_of(path, ids, clip_ids)
    names = described.array_names(arrays)
    if not names:
        raise FileError(path, "holds no feature: expected arrays [clips, rows] or [clips, rows, frames]")
    for name in names:
        arrays[name].check_size(min(at_once, len(clip_ids)), bound)
        count = arrays[name].shape[1] if len(arrays[name].shape) > 1 else 1
        described.check_count(path, name, "rows", count, bound)
    return [_of_array(path, name, arrays, attributes, rows, len(ids), bound, say) for name in names]


def _of_array(
    path: Path,
    name: str,
    arrays: Mapping[str, Stored],
    attributes: Mapping[str, Any],
    rows: np.ndarray,
    clips: int,
    bound: int,
    say: Callable[[str], None],
) -> tabulated.GivenFeature:
    stored = arrays[name]
    fitting = len(stored.shape) in (1, 2, 3) and 0 not in stored.shape and stored.shape[0] == clips
    if not fitting or stored.dtype.kind not in "fiub":
        raise FileError(
            path,
            f"expected {name!r} as numbers [{clips} clips, rows] or [{clips} clips, rows, frames], got "
            f"{stored.dtype} of shape {list(stored.shape)}",
        )
    count = stored.shape[1] if len(stored.shape) > 1 else 1
    properties = described.properties_of(path, name, arrays, attributes, count)
    properties["hz"] = (
        None if properties["hz"] is None else described.numbers(path, name, "hz", properties["hz"])
    )
    names = (
        [f"{name} {i}" for i in range(count)] if properties["row_names"] is None else properties["row_names"]
    )
    named = np.shape(names) == (count,) and (properties["hz"] is None or properties["hz"].shape == (count,))
    if not named:
        raise FileError(path, f"expected {count} entries in {name}/row_names and {name}/hz")
    names = [described.text(path, one) for one in names]
    stored.verify()

    def by_row(values: np.ndarray) -> np.ndarray:
        return values.reshape(len(values), count, -1).transpose(0, 2, 1).reshape(-1, count)

    offset = described.offsets(stored, by_row, count, bound)
    _say_offset(path, names, offset, say)

    def of_clips(index: np.ndarray) -> np.ndarray:
        values = stored.rows(rows[index]).reshape(len(index), count, -1)
        values = values.astype(np.float64) - offset[:, None] if offset.any() else values
        return described.narrowed(path, name, values)

    options: dict[str, Any] = {"centres_hz": properties["hz"], "reference": path.name}
    options["unit"] = "" if properties["unit"] is None else described.text(path, properties["unit"])
    if len(stored.shape) == 3:
        options["time0_s"], options["hop_s"] = described.frame_times(path, name, properties)
        options["frames"] = stored.shape[2]
        if properties["window_s"] is not None:
            options["window_s"] = described.seconds(path, name, "window_s", properties["window_s"])
    return tabulated.make(name, of_clips, names, **options)
