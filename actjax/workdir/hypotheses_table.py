"""Keeps hypotheses.csv: what named units promised, what their scores say, and the verdict on each."""

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from actjax import files

NAME = "hypotheses.csv"
TEXTS = (
    "network",
    "layer",
    "against",
    "unit",
    "view",
    "feature",
    "row",
    "sign",
    "because",
    "best",
    "verdict",
)
NUMBERS = ("score", "null_std", "p", "rank", "rows", "auc", "twin")
COLUMNS = (*TEXTS[:9], *NUMBERS, *TEXTS[9:], "commit")
_REMEDY = "run --stage=hypotheses again"


def path_of(workdir: Path) -> Path:
    """The file."""
    return workdir / NAME


def write(workdir: Path, lines: Iterable[Mapping[str, object]]) -> Path:
    """Writes a line a hypothesis: COLUMNS; numbers that are not defined are empty."""
    out = io.StringIO()
    table = csv.DictWriter(out, COLUMNS, lineterminator="\n")
    table.writeheader()
    for line in lines:
        table.writerow({name: _cell(line[name]) for name in COLUMNS})
    return files.write_text(path_of(workdir), out.getvalue())


def read(workdir: Path) -> list[dict[str, str]]:
    """The lines as text; none where there is no such table.

    Raises:
      FileError: it is damaged.
    """
    path = path_of(workdir)
    if not path.exists():
        return []
    with files.reading(path, "the table of the hypotheses", _REMEDY):
        lines = list(csv.DictReader(io.StringIO(files.read_text(path))))
        for line in lines:
            if set(line) != set(COLUMNS) or None in line.values():
                raise ValueError("expected the columns that the stage writes")
            for name in NUMBERS:
                float(line[name] or "nan")
    return lines


def join(workdir: Path, folders: Sequence[Path]) -> Path | None:
    """Writes the lines of all folders as one table; None where none of them has any."""
    lines = [line for folder in folders for line in read(folder)]
    return write(workdir, lines) if lines else None


def _cell(value: object) -> object:
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{value:.4g}"
    return value
