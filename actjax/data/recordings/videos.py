"""Declares data sets of web videos: a CSV of ids and class indices, and audio that the user has."""

import csv
import io
import pathlib
import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from actjax.data.recordings import declared, files
from actjax.data.recordings.decode import Recording
from actjax.data.recordings.files import FileBuilder, Listing
from actjax.files import read_text, reading


class VideoSet(NamedTuple):
    """A data set of web videos.

    Attributes:
      name: of the data set.
      class_names: in the order of the class indices.
      locate: (folder, first column, class index) -> (path without suffix, video id), None for a row
        that does not fit.
      row, layout: what a row and the folder look like, for messages.
      citation: of the data set.
    """

    name: str
    class_names: tuple[str, ...]
    locate: Callable[[pathlib.Path, str, int], tuple[pathlib.Path, str] | None]
    row: str
    layout: str
    citation: str


def declare(spec: VideoSet, doc: str) -> Callable[..., FileBuilder]:
    """The function `dataset` of a set of videos, split 70 / 15 / 15 by video as in ICMR 2017.

    A video in the CSV whose file is not there, or cannot be used, is counted and left out.

    Args:
      spec: the data set.
      doc: the function's docstring, without what all these functions share.
    """

    def listing(*, path: str | None = None, csv_name: str | None = None, seed: int = 0) -> Listing:
        recordings = _list(spec, path, csv_name)
        splits = files.split_recordings(recordings, seed) if recordings else {}
        return Listing(splits, spec.class_names, citation=spec.citation)

    return declared.declare(
        spec.name, listing, doc.rstrip() + _OPTIONS, clip_seconds=29.12, cut="ten_tenths", min_seconds=1.0
    )


_OPTIONS = """
      csv_name: the CSV's name; the folder's only one when None.
      data_dir, clip_seconds, sample_rate_hz, cut, min_seconds, seed, workers: as in audio_folder;
        the defaults are those of ICMR 2017.

    Raises:
      FileNotFoundError: the folder or the CSV is missing.
      FileError: the CSV is damaged, or not in UTF-8.
      ValueError: rows that do not fit.
    """


def _list(spec: VideoSet, path: str | None, csv_name: str | None) -> list[Recording]:
    """A recording for each row of the CSV."""
    folder = files.need_folder(spec.name, path, spec.layout)
    table = _find_table(spec.name, folder, csv_name, spec.layout)
    recordings, unfit = [], []
    audio_in: dict[pathlib.Path, Mapping[str, pathlib.Path]] = {}
    for cells in filter(None, _rows(table)):
        place = _parse(folder, cells, len(spec.class_names), spec.locate)
        if place is None:
            unfit.append(",".join(cells))
            continue
        stem, video, label = place
        if stem.parent not in audio_in:
            audio_in[stem.parent] = files.find_audio(stem.parent) if stem.parent.is_dir() else {}
        audio = audio_in[stem.parent].get(stem.name, stem.with_name(stem.name + ".wav"))
        recordings.append(Recording(str(audio), recording_id=video, clip_id=video, labels=(label,)))
    if unfit:
        raise files.misfits(spec.name, f"rows {spec.row} in {table.name}", unfit)
    return recordings


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


def _parse(
    folder: pathlib.Path, cells: list[str], classes: int, locate: Callable[..., Any]
) -> tuple[pathlib.Path, str, int] | None:
    """(path without suffix, video id, label) of a row, or None where it does not fit."""
    if len(cells) != 2 or not re.fullmatch(r"\s*[0-9]{1,9}\s*", cells[1]) or not int(cells[1]) < classes:
        return None
    place = locate(folder, cells[0].strip(), int(cells[1]))
    return None if place is None else (*place, int(cells[1]))
