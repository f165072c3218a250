"""Keeps sweep_scores.parquet: scores of a sweep's networks with p-values corrected over all of them."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from actjax import files

if TYPE_CHECKING:
    import pyarrow

_REMEDY = "run --stage=sweep again"
NAME = "sweep_scores.parquet"
# Whose network a test is of, and of which pair.
LABELS = ("variant", "network", "layer", "feature", "row_name", "view", "metric")
# Trials of one group, by its number, are corrected together.
WHOLE = ("group", "neuron", "row")
# p-values of the pair by itself, by max-T over its own network alone, and both corrections over the group.
NUMBERS = ("score", "p_value", "p_maxt", "group_p_maxt", "group_q_value")


def path_of(workdir: Path) -> Path:
    """The file."""
    return workdir / NAME


def write(workdir: Path, columns: Mapping[str, Any]) -> Path:
    """Writes the columns LABELS, WHOLE and NUMBERS, of one length."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.table([pa.array(columns[field.name]).cast(field.type) for field in _schema()], _schema())
    with files.written_whole(path_of(workdir)) as aside, open(aside, "wb") as file:
        pq.write_table(table, file, compression="zstd", write_page_checksum=True)
    return path_of(workdir)


def read(workdir: Path) -> "pyarrow.Table | None":
    """The table that `write` wrote; None where there is none.

    Raises:
      FileError: it is damaged.
    """
    import pyarrow.parquet as pq

    path = path_of(workdir)
    if not path.exists():
        return None
    files.regular_file(path)
    with files.reading(path, "the scores of a sweep's networks", _REMEDY), open(path, "rb") as file:
        table = pq.read_table(file, page_checksum_verification=True)
        if not table.schema.equals(_schema()):
            raise ValueError("its columns are others")
        return table


def _schema() -> "pyarrow.Schema":
    import pyarrow as pa

    types = dict.fromkeys(LABELS, pa.string()) | dict.fromkeys(WHOLE, pa.int32())
    return pa.schema(list((types | dict.fromkeys(NUMBERS, pa.float32())).items()))
