"""Keeps data.json: how many clips each split of the prepared data set holds, and the names of its classes."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from actjax import files

NAME = "data.json"


class DataSummary(NamedTuple):
    """What a prepared data set holds.

    Attributes:
      splits: name -> clips.
      class_names: names of the classes.
    """

    splits: Mapping[str, int]
    class_names: Sequence[str]


def write(workdir: Path, summary: DataSummary) -> Path:
    """Writes the summary."""
    entries = {"splits": dict(summary.splits), "class_names": list(summary.class_names)}
    return files.write_json(workdir / NAME, entries)


def read(workdir: Path) -> DataSummary | None:
    """The summary; None where no data set was prepared for the workdir.

    Raises:
      FileError: a file that is not as `write` makes it.
    """
    path, remedy = workdir / NAME, "run --stage=data again"
    entries = files.read_json(path, remedy=remedy)
    if entries is None:
        return None
    files.fields(path, entries, {"splits": dict, "class_names": list}, remedy=remedy)
    return DataSummary(entries["splits"], entries["class_names"])
