"""Features from elsewhere: arrays and tables of numbers by clip id."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from actjax.activations import _external_described as described
from actjax.activations import given as given_lib
from actjax.activations._external_files import Stored, open_arrays

TABLES = (".csv", ".parquet")


def open_features(paths: Sequence[str], clip_ids: Sequence[str]) -> list[given_lib.GivenFeature]:
    """The features in files: every array of one, or the columns of a table as the rows of one feature.

    A .csv or .parquet table has a column `clip_id` and numbers; empty cells are undefined. Arrays are
    [clips], [clips, rows] or [clips, rows, frames] with `<name>/hop_s` and `<name>/time0_s`, and
    optionally `window_s` (hop_s where absent), `hz` [rows], `row_names`, `unit`.

    Args:
      paths: files.
      clip_ids: of the split; each file holds them all, in any order and among others.

    Raises:
      FileNotFoundError, ValueError: one line that says what a file lacks, or why it is refused.
    """
    made = []
    for path in (Path(p).expanduser() for p in paths):
        made += _of_table(path, clip_ids) if path.suffix.lower() in TABLES else _of_arrays(path, clip_ids)
    return made


def _of_table(path: Path, clip_ids: Sequence[str]) -> list[given_lib.GivenFeature]:
    if not path.exists():
        raise FileNotFoundError(f"{path} does not exist: expected a table with a column clip_id and numbers")
    columns = _read_csv(path) if path.suffix.lower() == ".csv" else _read_parquet(path)
    if "clip_id" not in columns or len(columns) < 2:
        raise ValueError(f"{path}: expected columns clip_id and numbers, got {', '.join(columns) or 'none'}")
    ids = Stored(
        (len(columns["clip_id"]),), np.dtype("U"), lambda *_: np.asarray(columns.pop("clip_id"), str)
    )
    rows = described.rows_of(path, described.read_clip_ids(path, {described.CLIP_IDS: ids}, {}), clip_ids)
    table = np.stack([_numbers(path, name, column) for name, column in columns.items()], axis=1)[rows]
    return [
        given_lib.make(path.stem, lambda index: table[index][:, :, None], tuple(columns), reference=path.name)
    ]


def _read_csv(path: Path) -> dict[str, list[Any]]:
    with open(path, newline="", encoding="utf-8-sig") as file:
        header, *lines = [line for line in csv.reader(file) if line] or [[]]
    for number, line in enumerate(lines, start=2):
        if len(line) != len(header):
            raise ValueError(f"{path}: expected {len(header)} columns in row {number}, got {len(line)}")
    return {name: [line[i] for line in lines] for i, name in enumerate(header)}


def _read_parquet(path: Path) -> dict[str, list[Any]]:
    import pyarrow.parquet as pq

    try:
        return pq.read_table(path).to_pydict()
    except (ValueError, OSError) as error:
        raise ValueError(f"{path} is no Parquet table ({error})") from None


def _numbers(path: Path, name: str, column: Sequence[Any]) -> np.ndarray:
    try:
        return np.asarray([np.nan if value in (None, "") else float(value) for value in column], np.float32)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path}: expected numbers in column {name!r}: {error}") from None


def _of_arrays(path: Path, clip_ids: Sequence[str]) -> list[given_lib.GivenFeature]:
    arrays, about = open_arrays(path)
    rows = described.rows_of(path, described.read_clip_ids(path, arrays, about), clip_ids)
    names = described.array_names(arrays)
    if not names:
        raise ValueError(f"{path} holds no feature: expected arrays [clips, rows] or [clips, rows, frames]")
    return [_of_array(path, name, arrays, about, rows) for name in names]


def _of_array(path: Path, name: str, arrays, about, rows: np.ndarray) -> given_lib.GivenFeature:
    stored = arrays[name]
    if len(stored.shape) not in (1, 2, 3) or 0 in stored.shape or stored.dtype.kind not in "fiub":
        raise ValueError(
            f"{path}: expected {name!r} as numbers [clips, rows] or [clips, rows, frames], got "
            f"{stored.dtype} of shape {list(stored.shape)}"
        )
    given = {key: described.property_of(name, key, arrays, about) for key in described.PROPERTIES}
    count = stored.shape[1] if len(stored.shape) > 1 else 1
    names = [f"{name} {i}" for i in range(count)] if given["row_names"] is None else given["row_names"]
    if len(names) != count or (given["hz"] is not None and np.shape(given["hz"]) != (count,)):
        raise ValueError(f"{path}: expected {count} entries in {name}/row_names and {name}/hz")

    def of_clips(index: np.ndarray) -> np.ndarray:
        values = np.asarray(stored.rows(rows[index]), np.float32)
        return values.reshape(len(index), count, -1)

    options: dict[str, Any] = {"centres_hz": given["hz"], "reference": path.name}
    options["unit"] = "" if given["unit"] is None else str(np.asarray(given["unit"]))
    if len(stored.shape) == 3:
        options["time0_s"], options["hop_s"] = described.frame_times(path, name, given)
        options["frames"] = stored.shape[2]
        if given["window_s"] is not None:
            options["window_s"] = described.seconds(path, name, "window_s", given["window_s"])
    return given_lib.make(name, of_clips, [str(one) for one in names], **options)
