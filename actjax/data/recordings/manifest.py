"""Reads manifests of audio_folder, CSV or JSONL: one checked row for each recording or stretch of one.

A manifest may come from anywhere: its paths stay within a folder that the user named, its splits are names
of splits, and every refusal is one line that names the file and the line.
"""

import collections
import csv
import dataclasses
import io
import json
import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from actjax.data.recordings.files import SPLITS
from actjax.files import FileError, printable, read_text, reading, regular_file

COLUMNS = ("path", "label", "labels", "recording_id", "clip_id", "split", "start", "end")
MOST_BYTES = 2**30


@dataclasses.dataclass(frozen=True)
class Row:
    """A recording or a stretch of one, by the names of its labels.

    Attributes:
      path: of the file.
      place: the path below the folder, made safe to print.
      recording_id, clip_id: made safe to print; clip_id "" until it is made of the place.
      labels: none, one or several.
      split: "" where the manifest does not say.
      start, end: in seconds; end None is the file's end.
    """

    path: str
    place: str
    recording_id: str
    clip_id: str
    labels: tuple[str, ...]
    split: str = ""
    start: float = 0.0
    end: float | None = None


def read_manifest(manifest: Path, root: Path | None) -> list[Row]:
    """The rows of a manifest, in order.

    Args:
      manifest: a .csv or .jsonl file.
      root: the folder that its paths are relative to and lie within; its own when None.

    Raises:
      FileNotFoundError: there is none.
      FileError: one line that names the file and the line at fault.
    """
    if manifest.suffix.lower() not in (".csv", ".jsonl"):
        raise ValueError(f"audio_folder: the manifest must end in .csv or .jsonl, got {manifest.name}")
    folder = (manifest.parent if root is None else root).resolve()
    rows, lines = [], []
    for line, entry in _entries(manifest):
        try:
            rows.append(_row(folder, entry))
        except _BadEntry as error:
            raise FileError(manifest, f"line {line}: {error}") from error
        lines.append(line)
    if not rows:
        raise FileError(manifest, f"has no rows; expected some of the columns {', '.join(COLUMNS)}")
    return _with_ids(manifest, rows, lines)


class _BadEntry(ValueError):
    """What is wrong with an entry."""


def _bad(expected: str, came: Any) -> NoReturn:
    raise _BadEntry(f"expected {expected}, got {printable(repr(came))[:80]}")


def _row(folder: Path, entry: dict[str, Any]) -> Row:
    unknown = [name for name in entry if name not in COLUMNS]
    if unknown or "path" not in entry:
        came = ", ".join(printable(str(name)) for name in entry)
        raise _BadEntry(f"expected the columns {', '.join(COLUMNS)} and a path; got {came[:200]}")
    relative = entry["path"]
    if not isinstance(relative, str) or not relative or "\0" in relative:
        _bad("a path", relative)
    try:
        path = (folder / relative).resolve()
    except (OSError, RuntimeError) as error:  # links in a circle, a name too long
        raise _BadEntry(f"the path {printable(relative)[:80]} cannot be followed: {error}") from error
    if not path.is_relative_to(folder):
        raise _BadEntry(
            f"the path {printable(relative)[:80]} leaves the folder {printable(str(folder))}; "
            "name the folder that holds the audio by path="
        )
    place = printable(path.relative_to(folder).as_posix())
    labels = entry["labels"] if _is_filled(entry.get("labels")) else entry.get("label")
    if isinstance(labels, str):
        labels = [label.strip() for label in labels.split(";")]
    listed = labels if isinstance(labels, list) else [labels]
    split = entry.get("split")
    if _is_filled(split) and not (isinstance(split, str) and split in SPLITS):
        _bad(f"a split of {', '.join(SPLITS)}", split)
    start, end = _seconds(entry, "start"), _seconds(entry, "end")
    if end is not None and not (start or 0.0) < end:
        raise _BadEntry(f"expected 0 <= start < end; got start {start or 0:g}, end {end:g}")
    recording_id, clip_id = entry.get("recording_id"), entry.get("clip_id")
    return Row(
        path=os.fspath(path),
        place=place,
        recording_id=_name(recording_id, "a recording_id") if _is_filled(recording_id) else place,
        clip_id=_name(clip_id, "a clip_id") if _is_filled(clip_id) else "",
        labels=tuple(dict.fromkeys(_name(label, "a label") for label in listed if _is_filled(label))),
        split=split if isinstance(split, str) else "",
        start=start or 0.0,
        end=end,
    )


def _is_filled(value: Any) -> bool:
    """False for a cell that is empty or absent; 0 is a value."""
    return value is not None and value != "" and value != []


def _name(value: Any, what: str) -> str:
    """Text as it is; a whole number by its digits, so that 0, 0.0 and "0" are one name."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        _bad(f"{what} as text or a whole number", value)
    return printable(str(value).strip())


def _seconds(entry: dict[str, Any], name: str) -> float | None:
    value = entry.get(name)
    if not _is_filled(value):
        return None
    try:
        seconds = float(value) if isinstance(value, (str, int, float)) else math.nan
    except (ValueError, OverflowError):
        seconds = math.nan
    if isinstance(value, bool) or not 0 <= seconds < math.inf:
        _bad(f"{name} in seconds, at least 0", value)
    return seconds


def _with_ids(manifest: Path, rows: list[Row], lines: list[int]) -> list[Row]:
    """The rows with clip ids: what a row says, or its path, with the stretch where it is not the whole file.

    Times keep all their digits. The end is named only where it tells two stretches apart.
    """
    seen: dict[tuple[str, float, float | None], int] = {}
    for row, line in zip(rows, lines, strict=True):
        first = seen.setdefault((row.place, row.start, row.end), line)
        if first != line:
            raise FileError(manifest, f"line {line} repeats line {first}: the same stretch of {row.place}")
    begins = collections.Counter((row.place, row.start) for row in rows)
    return [dataclasses.replace(row, clip_id=row.clip_id or _clip_id(row, begins)) for row in rows]


def _clip_id(row: Row, begins: collections.Counter) -> str:
    start = np.format_float_positional(row.start, trim="-")
    if begins[row.place, row.start] > 1:
        end = "" if row.end is None else np.format_float_positional(row.end, trim="-")
        return f"{row.place}@{start}-{end}"
    return f"{row.place}@{start}" if row.start else row.place


def _entries(manifest: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    text = _text(manifest)
    return (
        _csv_entries(manifest, text) if manifest.suffix.lower() == ".csv" else _jsonl_entries(manifest, text)
    )


def _text(manifest: Path) -> str:
    if not manifest.exists():
        raise FileNotFoundError(
            f"audio_folder: there is no manifest {manifest}; expected a .csv or .jsonl file"
        )
    if (size := regular_file(manifest)) > MOST_BYTES:
        raise FileError(manifest, f"is {size / 2**30:.1f} GiB large, expected at most {MOST_BYTES / 2**30:g}")
    return read_text(manifest)


def _csv_entries(manifest: Path, text: str) -> Iterator[tuple[int, dict[str, Any]]]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    header: list[str] = []
    while True:
        try:
            cells = next(reader, None)
        except csv.Error as error:
            raise FileError(manifest, f"line {reader.line_num}: cannot be read as CSV: {error}") from error
        if cells is None:
            return
        if not any(cell.strip() for cell in cells):
            continue
        if not header:
            header = [cell.strip() for cell in cells]
            twice = [name for name, count in collections.Counter(header).items() if count > 1]
            if twice:
                raise FileError(manifest, f"line {reader.line_num}: two columns are named {twice[0]!r}")
            continue
        if len(cells) > len(header):
            raise FileError(
                manifest,
                f"line {reader.line_num}: {len(cells)} cells, where the first line has {len(header)}",
            )
        yield reader.line_num, dict(zip(header, cells, strict=False))


def _jsonl_entries(manifest: Path, text: str) -> Iterator[tuple[int, dict[str, Any]]]:
    for line, content in enumerate(text.split("\n"), 1):
        if not content.strip():
            continue
        with reading(manifest, f"JSON in line {line}"):
            entry = json.loads(content)
        if not isinstance(entry, dict):
            raise FileError(manifest, f"line {line}: expected an object, got {content.strip()[:40]}")
        yield line, entry
