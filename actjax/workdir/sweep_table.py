"""Keeps sweep.parquet and sweep.tsv: one row for each trial of a sweep, with the options that it was of."""

import csv
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from actjax import files
from actjax.workdir.train_record import TrainRecord

NAME, PARQUET = "sweep.tsv", "sweep.parquet"
_REMEDY = "run --stage=sweep again"
COLUMNS = ("test_accuracy", "best_step", "steps", "stopped_early", "seconds")


class Row(NamedTuple):
    """One trial.

    Attributes:
      variant: its name, which is its folder's.
      status: "done", "stopped" (early, by the search), "failed" or "left" (to be run).
      options: the swept ones.
      record: of its training; None where it trained no network.
      values: metric -> what it came to; None where it is not known.
    """

    variant: str
    status: str
    options: Mapping[str, Any]
    record: TrainRecord | None
    values: Mapping[str, float | None]

    def entries(self) -> dict[str, Any]:
        """Every column, in order."""
        trained = {column: getattr(self.record, column, None) for column in COLUMNS}
        return {"variant": self.variant, "status": self.status, **self.options, **trained, **self.values}


def text_of(rows: Sequence[Row]) -> str:
    """The table, tab by tab; empty where a trial has no such number."""
    columns = list(dict.fromkeys(column for row in rows for column in row.entries()))
    lines = ["\t".join(columns)]
    for row in rows:
        entries = row.entries()
        lines.append("\t".join(_cell(entries.get(column)) for column in columns))
    return "\n".join(lines)


def write(workdir: Path, rows: Sequence[Row]) -> list[Path]:
    """Writes both files; a swept option is a column of numbers where all its values are, else of text."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    entries = [row.entries() for row in rows]
    columns = list(dict.fromkeys(column for one in entries for column in one))
    table = pa.table({column: _column([one.get(column) for one in entries]) for column in columns})
    with files.written_whole(workdir / PARQUET) as aside, open(aside, "wb") as file:
        pq.write_table(table, file, write_page_checksum=True)
    return [workdir / PARQUET, files.write_text(workdir / NAME, text_of(rows) + "\n")]


def read(workdir: Path) -> list[dict[str, Any]]:
    """The rows of sweep.parquet as dicts; none where there is no sweep.

    Raises:
      FileError: it is damaged.
    """
    import pyarrow.parquet as pq

    path = workdir / PARQUET
    if not path.exists():
        return []
    files.regular_file(path)
    with files.reading(path, "the table of a sweep", _REMEDY), open(path, "rb") as file:
        return pq.read_table(file, page_checksum_verification=True).to_pylist()


def read_text(workdir: Path) -> list[dict[str, str]]:
    """The rows of sweep.tsv as dicts of text; none where there is no sweep.

    Raises:
      FileError: it is damaged.
    """
    path = workdir / NAME
    if not path.exists():
        return []
    with files.reading(path, "the table of a sweep", _REMEDY):
        return list(csv.DictReader(files.read_text(path).splitlines(), delimiter="\t"))


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _column(values: Sequence[Any]) -> Any:
    """An Arrow array of one type."""
    import pyarrow as pa

    known = [value for value in values if value is not None]
    if known and all(isinstance(value, bool) for value in known):
        return pa.array(values, pa.bool_())
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in known):
        whole = known and all(isinstance(value, int) for value in known)
        if whole:
            return pa.array(values, pa.int64())
        return pa.array([None if v is None or math.isnan(v) else float(v) for v in values], pa.float64())
    return pa.array([None if value is None else str(value) for value in values], pa.string())
