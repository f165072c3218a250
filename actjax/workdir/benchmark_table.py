"""Keeps benchmark/<kind>.csv and .md: the rows of a benchmark of actjax itself."""

import csv
import io
from pathlib import Path

from actjax import files


def path_of(workdir: Path, kind: str, suffix: str = ".csv") -> Path:
    """A file of the benchmark of that kind: .csv, .md or .png."""
    return workdir / "benchmark" / f"{kind}{suffix}"


def write(workdir: Path, kind: str, *, csv_text: str, markdown: str) -> list[Path]:
    """Writes the rows as comma-separated values, and as the table that people read."""
    return [
        files.write_text(path_of(workdir, kind), csv_text),
        files.write_text(path_of(workdir, kind, ".md"), markdown + "\n"),
    ]


def read(workdir: Path, kind: str) -> list[dict[str, str]] | None:
    """The rows as text by column; None where there is no such benchmark.

    Raises:
      FileError: the file is damaged.
    """
    path = path_of(workdir, kind)
    if not path.is_file():
        return None
    with files.reading(path, f"the table of --stage=benchmark's {kind}"):
        return list(csv.DictReader(io.StringIO(files.read_text(path))))
