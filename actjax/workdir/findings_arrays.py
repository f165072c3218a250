"""Keeps findings/arrays.npz: the scores of every replicate, from which a table over seeds is made."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from actjax import files
from actjax.npz import read_arrays

# claim -> kind of network -> [1 + r] or [members, 1 + r] scores: the observed one, then its resamples. Under
# "null" stand the trained network's own score and its replicates under the null.
Arrays = Mapping[str, Mapping[str, np.ndarray]]


def path_of(workdir: Path) -> Path:
    """The file."""
    return workdir / "findings" / "arrays.npz"


def write(workdir: Path, arrays: Arrays) -> Path:
    """Keeps the arrays as float32."""
    flat = {
        f"{claim}.{kind}": values.astype(np.float32)
        for claim, by_kind in arrays.items()
        for kind, values in by_kind.items()
    }
    with files.written_whole(path_of(workdir)) as aside, open(aside, "wb") as file:
        np.savez_compressed(file, allow_pickle=False, **flat)
    return path_of(workdir)


def read(workdir: Path) -> dict[str, dict[str, np.ndarray]]:
    """What `write` wrote, as float64.

    Raises:
      FileNotFoundError: there is no file.
      FileError: it is damaged.
    """
    path = path_of(workdir)
    arrays: dict[str, dict[str, np.ndarray]] = {}
    expected = "the arrays of the findings; run --stage=findings there again"
    stored = read_arrays(path, compressed=True, expected=expected)
    with files.reading(path, expected):
        for name, values in stored.items():
            claim, kind = name.split(".")
            arrays.setdefault(claim, {})[kind] = values.astype(np.float64)
    return arrays
