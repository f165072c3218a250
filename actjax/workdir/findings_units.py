"""Keeps findings/units.parquet: the score of every unit of the trained network, and its null."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from actjax import files


def path_of(workdir: Path) -> Path:
    """The file."""
    return workdir / "findings" / "units.parquet"


def write(workdir: Path, columns: Mapping[str, np.ndarray]) -> Path:
    """Writes columns of equal length: part (the claim), layer, neuron, row, score, null_mean and others."""
    import pyarrow
    from pyarrow import parquet

    with files.written_whole(path_of(workdir)) as aside:
        parquet.write_table(pyarrow.table(dict(columns)), aside)
    return path_of(workdir)


def read(workdir: Path) -> dict[str, np.ndarray]:
    """The columns.

    Raises:
      FileNotFoundError: there is no file.
      FileError: it is damaged.
    """
    from pyarrow import parquet

    path = path_of(workdir)
    files.regular_file(path)
    with files.reading(path, "the units of the findings", "run --stage=findings there again"):
        table = parquet.read_table(path)
        return {name: table[name].to_numpy() for name in table.column_names}
