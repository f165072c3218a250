"""Keeps sweep.tsv: one line for each variant of a sweep, with how its training went."""

import csv
from collections.abc import Mapping
from pathlib import Path

from actjax import files
from actjax.workdir.train_record import TrainRecord

NAME = "sweep.tsv"
COLUMNS = ("test_accuracy", "best_step", "seconds")


def text_of(records: Mapping[str, TrainRecord | None]) -> str:
    """The table: variants and COLUMNS, tab by tab; empty where a variant has no such number."""
    lines = ["\t".join(("variant", *COLUMNS))]
    for variant, record in records.items():
        values = (getattr(record, column, None) for column in COLUMNS)
        lines.append("\t".join((variant, *("" if value is None else f"{value:.4g}" for value in values))))
    return "\n".join(lines)


def write(workdir: Path, records: Mapping[str, TrainRecord | None]) -> Path:
    """Writes the table of the variants' records; None of one that trained no network."""
    return files.write_text(workdir / NAME, text_of(records) + "\n")


def read(workdir: Path) -> list[dict[str, str]]:
    """The lines as dicts of text; none where there is no sweep."""
    path = workdir / NAME
    if not path.exists():
        return []
    return list(csv.DictReader(files.read_text(path).splitlines(), delimiter="\t"))
