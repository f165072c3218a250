"""Rows as Markdown and CSV."""

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any


def markdown(rows: Sequence[Mapping[str, Any]], columns: Mapping[str, str] | None = None) -> str:
    """A Markdown table of the rows; `columns` maps the keys that are shown to their headings."""
    columns = {name: name for name in _names(rows)} if columns is None else columns
    return grid(columns.values(), ([_cell(row.get(name)) for name in columns] for row in rows))


def grid(
    headings: Iterable[str], rows: Iterable[Iterable[str]], alignment: Iterable[str] | None = None
) -> str:
    """A Markdown table of cells that are text already; `alignment` is "<" or ">" for each column."""
    headings = list(headings)
    rule = ["---"] * len(headings) if alignment is None else [{"<": ":--", ">": "--:"}[a] for a in alignment]
    escaped = ([cell.replace("|", "\\|") for cell in row] for row in rows)
    return "\n".join("| " + " | ".join(row) + " |" for row in [headings, rule, *escaped])


def csv_text(rows: Sequence[Mapping[str, Any]]) -> str:
    """The rows as comma-separated values with a heading; what is missing or undefined is empty."""
    out = io.StringIO()
    writer = csv.DictWriter(out, _names(rows), lineterminator="\n", restval="")
    writer.writeheader()
    writer.writerows({name: "" if _missing(v) else v for name, v in row.items()} for row in rows)
    return out.getvalue()


def _names(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    return list(dict.fromkeys(name for row in rows for name in row))


def _missing(value: object) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


def _cell(value: object) -> str:
    if _missing(value):
        return ""
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return f"{value:,}" if isinstance(value, int) else str(value)
