"""Tables of numbers by clip id: .csv, .tsv and .parquet files."""

import array
import csv
import io
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from actjax.files import FileError, printable, read_text, reading, regular_file

SUFFIXES = (".csv", ".tsv", ".parquet")
CLIP_ID = "clip_id"
DELIMITERS = (",", ";", "\t")
UNDEFINED = ("", "NA", "NaN", "nan")
# What pandas calls an index that it writes without a name.
INDEX = re.compile(r"|Unnamed: \d+|__index_level_\d+__")
# A clip id and its entry in a table of them take about so many bytes beside its letters.
ID_BYTES = 200


class Table(NamedTuple):
    """A table.

    Attributes:
      clip_ids: one a row.
      names: of the columns of numbers.
      values: [rows, columns] float64, NaN where undefined.
      lines: [rows] of the file, None where it has no lines.
    """

    clip_ids: list[str]
    names: tuple[str, ...]
    values: np.ndarray
    lines: list[int] | None


def read(path: Path, bound: int, say: Callable[[str], None] = print) -> Table:
    """A table with a column `clip_id` and columns of numbers; empty cells are undefined.

    Args:
      path: .csv (between commas, semicolons or tabs), .tsv or .parquet.
      bound: bytes of memory that it may take.
      say: takes one line about an index column, which is no feature.

    Raises:
      FileNotFoundError: there is no such file.
      FileError: columns without a name or of one name, rows of another length, what is no number, other
        encodings than UTF-8 and UTF-16, or too many values; with the line where there is one.
    """
    size = regular_file(path)
    if size > bound:
        raise FileError(path, f"{size} bytes are above the bound of {bound} (score.memory_gib)")
    return (_read_parquet if path.suffix.lower() == ".parquet" else _read_csv)(path, bound, say)


def _read_csv(path: Path, bound: int, say: Callable[[str], None]) -> Table:
    rows = _rows(path)
    _, header = next(rows, (1, []))
    places = _columns(path, [name.strip() for name in header], say)
    if CLIP_ID not in places:
        raise FileError(path, _expected(header))
    at, names = places.pop(CLIP_ID), tuple(places)
    columns = list(places.items())
    ids: list[str] = []
    lines: list[int] = []
    values = array.array("d")
    for line, row in rows:
        if len(row) != len(header):
            raise FileError(path, f"line {line}: expected {len(header)} columns, got {len(row)}")
        if not row[at]:
            raise FileError(path, f"line {line}: expected a clip id, got an empty cell")
        ids.append(row[at])
        lines.append(line)
        values.extend(_number(path, line, name, row[i]) for name, i in columns)
        if len(ids) * ID_BYTES + len(values) * 16 > bound:
            raise FileError(path, f"line {line}: more values than fit below the bound (score.memory_gib)")
    table = np.frombuffer(values, np.float64) if values else np.zeros(0)
    return Table(ids, names, table.reshape(len(ids), len(names)), lines)


def _rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """(line, cells) of every row that is not empty."""
    with open(path, "rb") as file:
        mark = file.read(2)
    # Spreadsheets' "Unicode text" is UTF-16 with a mark in front.
    text = read_text(path, "utf-16" if mark in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
    first = text[: text.find("\n") if "\n" in text else len(text)]
    delimiter = "\t" if path.suffix.lower() == ".tsv" else max(DELIMITERS, key=first.count)
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    while True:
        try:
            row = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            raise FileError(path, f"line {rows.line_num}: {error}: a quote that is not closed?") from None
        if row and any(row):
            yield rows.line_num, row


def _columns(path: Path, header: Sequence[str], say: Callable[[str], None]) -> dict[str, int]:
    """{name: place} of the columns; the index that pandas writes in front is none."""
    places: dict[str, int] = {}
    for place, name in enumerate(header):
        if INDEX.fullmatch(name):
            if place not in (0, len(header) - 1) or (place and name == ""):
                raise FileError(path, f"column {place + 1} has no name: name it, or take it out")
            say(printable(f"{path.name}: column {place + 1}, an index without a name, is not scored"))
        elif name in places:
            raise FileError(
                path, f"columns {places[name] + 1} and {place + 1} are both named {name!r}: rename one"
            )
        else:
            places[name] = place
    if CLIP_ID not in places or len(places) < 2:
        raise FileError(path, _expected(header))
    return places


def _expected(names: Sequence[str]) -> str:
    shown = ", ".join(names[:6]) + (", ..." if len(names) > 6 else "")
    return f"expected columns clip_id and numbers, got {shown or 'none'}"


def _number(path: Path, line: int, name: str, cell: str) -> float:
    """A cell as a number; NaN where it is empty."""
    text = cell.strip()
    if text in UNDEFINED:
        return np.nan
    try:
        number = float(text)
    except ValueError:
        number = np.inf
    if not np.isfinite(number) or "_" in text:
        hint = ": write a decimal point" if re.fullmatch(r"[+-]?\d+,\d+", text) else ""
        raise FileError(path, f"line {line}: expected numbers in column {name!r}, got {text[:30]!r}{hint}")
    return number


def _read_parquet(path: Path, bound: int, say: Callable[[str], None]) -> Table:
    import pyarrow as pa
    import pyarrow.parquet as pq

    with reading(path, "a Parquet table"), pq.ParquetFile(path, read_dictionary=[CLIP_ID]) as file:
        header = file.metadata
        groups = [header.row_group(i) for i in range(header.num_row_groups)]
        unpacked = sum(group.total_byte_size for group in groups)
        cells = header.num_rows * (ID_BYTES + 16 * max(len(file.schema_arrow.names) - 1, 0))
        if max(unpacked, cells) > bound:
            raise FileError(path, f"{header.num_rows} rows are above the bound (score.memory_gib)")
        places = _columns(path, file.schema_arrow.names, say)
        ids = _texts(path, file.read(columns=[CLIP_ID]).column(0), bound, pa)
        del places[CLIP_ID]
        values = np.empty((len(ids), len(places)), np.float64)
        for i, name in enumerate(places):
            kind = file.schema_arrow.field(name).type
            numbers = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)
            if not numbers and not pa.types.is_decimal(kind) and not pa.types.is_null(kind):
                raise FileError(path, f"expected numbers in column {name!r}, got {kind}")
            column = file.read(columns=[name]).column(0).cast(pa.float64(), safe=False)
            values[:, i] = column.to_numpy(zero_copy_only=False)
        if np.isinf(values).any():
            name = list(places)[np.isinf(values).any(axis=0).argmax()]
            raise FileError(path, f"expected numbers in column {name!r}, got infinity")
    return Table(ids, tuple(places), values, None)


def _texts(path: Path, column: Any, bound: int, pa: Any) -> list[str]:
    """Clip ids, which one long string repeated could blow up."""
    texts: list[str] = []
    for chunk in column.chunks:
        if pa.types.is_dictionary(chunk.type):
            longest = max((len(str(one)) for one in chunk.dictionary.to_pylist()), default=0)
            if longest * len(chunk) > bound:
                raise FileError(path, f"clip ids of up to {longest} letters are above the bound")
        for one in chunk.to_pylist():
            if one is None or one == "":
                raise FileError(path, f"row {len(texts) + 1}: expected a clip id, got an empty cell")
            texts.append(one.decode() if isinstance(one, bytes) else str(one))
    return texts
