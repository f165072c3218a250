"""Keeps scores/<score set>.left_out.json: what a score run could not compare."""

from collections.abc import Iterable
from pathlib import Path

from actjax import files
from actjax.types import LeftOut

SUFFIX = ".left_out.json"


def path_of(scores: Path) -> Path:
    """The file beside a score set's .parquet."""
    return scores.with_suffix(SUFFIX)


def write(path: Path, comparisons: Iterable[LeftOut]) -> Path:
    """Keeps comparisons; an empty list says that nothing was left out."""
    rows = [one._asdict() for one in comparisons]
    return files.write_json(path, rows)


def read(folder: Path) -> list[LeftOut]:
    """What all score sets of a folder left out, each comparison once, sorted.

    Raises:
      FileError: a file that is not as `write` makes it.
    """
    comparisons = set()
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        for row in files.read_json(path, kind=list):
            with files.reading(path, "a list of comparisons left out"):
                comparison = LeftOut(*(row[name] for name in LeftOut._fields))
                if not all(isinstance(value, str) for value in comparison):
                    raise ValueError(f"expected text for {', '.join(LeftOut._fields)}")
                comparisons.add(comparison)
    return sorted(comparisons)
