"""Rows of a benchmark as Markdown and CSV."""

import csv
import io
import math
from collections.abc import Mapping, Sequence
from typing import Any


def markdown(rows: Sequence[Mapping[str, Any]], columns: Mapping[str, str] | None = None) -> str:
    """A Markdown table of the rows; `columns` maps the keys that are shown to their headings."""
    columns = {name: name for name in _names(rows)} if columns is None else columns
    lines = ["| " + " | ".join(columns.values()) + " |", "|" + "---|" * len(columns)]
    lines += ["| " + " | ".join(_cell(row.get(name)) for name in columns) + " |" for row in rows]
    return "\n".join(lines)


def csv_text(rows: Sequence[Mapping[str, Any]]) -> str:
    """The rows as comma-separated values with a heading; what is missing or undefined is empty."""
    out = io.StringIO()
    writer = csv.DictWriter(out, _names(rows), lineterminator="\n", restval="")
    writer.writeheader()
    writer.writerows({name: "" if _missing(v) else v for name, v in row.items()} for row in rows)
    return out.getvalue()


def _names(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    return list(dict.fromkeys(name for row in rows for name in row))


def _missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


def _cell(value: Any) -> str:
    if _missing(value):
        return ""
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return f"{value:,}" if isinstance(value, int) else str(value)
