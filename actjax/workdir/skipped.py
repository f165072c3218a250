"""Keeps skipped.json: the recordings that the data set in preparation left out, and why."""

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from actjax import files

NAME = "skipped.json"


class Skipped(NamedTuple):
    """A recording that is not in the data set.

    Attributes:
      clip: its file or id.
      reason: why it was left out.
    """

    clip: str
    reason: str


def write(workdir: Path, skipped: Iterable[Skipped]) -> Path:
    """Writes the list; an empty one says that nothing was left out."""
    return files.write_json(workdir / NAME, [row._asdict() for row in skipped])


def read(workdir: Path) -> list[Skipped] | None:
    """The list; None where the data stage left none here.

    Raises:
      FileError: a file that is not as `write` makes it.
    """
    path = workdir / NAME
    rows = files.read_json(path, kind=list)
    if rows is None:
        return None
    with files.reading(path, "a list of clips and reasons"):
        return [Skipped(str(row["clip"]), str(row["reason"])) for row in rows]
