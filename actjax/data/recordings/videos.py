"""What the two data sets of web videos share: a CSV of ids and class indices, and audio the user has."""

import csv
import io
import pathlib
import re
from collections.abc import Callable, Sequence
from typing import Any

from actjax.data.recordings import files
from actjax.data.recordings.decode import Recording
from actjax.data.recordings.files import FileBuilder, Listing
from actjax.files import read_text, reading


def make(
    name: str,
    class_names: Sequence[str],
    locate: Callable[[pathlib.Path, str, int], tuple[pathlib.Path, str] | None],
    *,
    path: str | None,
    csv_name: str | None,
    row: str,
    layout: str,
    citation: str,
    seed: int,
    **options: Any,
) -> FileBuilder:
    """The builder of a CSV of videos, split 70 / 15 / 15 by video.

    A video in the CSV whose file is not there, or cannot be used, is counted and left out.

    Args:
      name: of the data set.
      class_names: in the order of the class indices.
      locate: (folder, first column, class index) -> (path without suffix, video id), None for a row
        that does not fit.
      path: the folder with the CSV and the audio.
      csv_name: the CSV's name; the folder's only one when None.
      row, layout: what a row and the folder look like, for messages.
      citation: of the data set.
      seed: of the split.
      **options: those of `_files.make_builder`.

    Raises:
      FileNotFoundError: the folder or the CSV is missing.
      FileError: the CSV is damaged, or not in UTF-8.
      ValueError: rows that do not fit.
    """
    folder = files.need_folder(name, path, layout)
    table = _find_table(name, folder, csv_name, layout)
    recordings, unfit, known = [], [], {}
    for cells in filter(None, _rows(table)):
        place = _parse(folder, cells, len(class_names), locate)
        if place is None:
            unfit.append(",".join(cells))
            continue
        stem, video, label = place
        if stem.parent not in known:
            known[stem.parent] = files.find_audio(stem.parent) if stem.parent.is_dir() else {}
        audio = known[stem.parent].get(stem.name, stem.with_name(stem.name + ".wav"))
        recordings.append(Recording(str(audio), recording_id=video, clip_id=video, labels=(label,)))
    if unfit:
        raise files.misfits(name, f"rows {row} in {table.name}", unfit)
    splits = files.split_recordings(recordings, seed) if recordings else {}
    return files.make_builder(name, Listing(splits, tuple(class_names), citation=citation), **options)


def _find_table(name: str, folder: pathlib.Path, csv_name: str | None, layout: str) -> pathlib.Path:
    tables = sorted(folder.glob("*.csv")) if csv_name is None else [folder / csv_name]
    if len(tables) > 1:
        raise ValueError(f"{name}: {folder} holds {len(tables)} CSV files; say which by csv_name=")
    if not tables or not tables[0].is_file():
        raise FileNotFoundError(f"{name}: there is no CSV {csv_name or ''} in {folder}; put there {layout}")
    return tables[0]


def _rows(table: pathlib.Path) -> list[list[str]]:
    text = read_text(table)
    with reading(table, "CSV"):
        return list(csv.reader(io.StringIO(text, newline=""), strict=True))


def _parse(folder: pathlib.Path, cells: list[str], classes: int, locate: Callable[..., Any]):
    """(path without suffix, video id, label) of a row, or None where it does not fit."""
    if len(cells) != 2 or not re.fullmatch(r"\s*[0-9]{1,9}\s*", cells[1]) or not int(cells[1]) < classes:
        return None
    place = locate(folder, cells[0].strip(), int(cells[1]))
    return None if place is None else (*place, int(cells[1]))
