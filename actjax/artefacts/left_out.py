"""What a score run could not compare, scores/<score set>.left_out.json: beside the scores it belongs to."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from actjax import files

FIELDS = ("layer", "view", "feature", "reason")


def path_of(scores: Path) -> Path:
    """The file beside a score set's .parquet."""
    return scores.with_suffix(".left_out.json")


def write(path: Path, rows: Iterable[Any]) -> Path:
    """Keeps comparisons with the attributes FIELDS; an empty list says that nothing was left out."""
    return files.write_json(path, [{name: getattr(row, name) for name in FIELDS} for row in rows])


def read(folder: Path) -> list[tuple[str, str, str, str]]:
    """FIELDS of what all score sets of a folder left out, each once, sorted.

    Raises:
      FileError: a file that is not as `write` makes it.
    """
    found = set()
    for path in sorted(folder.glob("*.left_out.json")):
        for row in files.read_json(path, kind=list):
            with files.reading(path, "a list of comparisons left out"):
                values = tuple(row[name] for name in FIELDS)
                if not all(isinstance(value, str) for value in values):
                    raise ValueError(f"expected text for {', '.join(FIELDS)}")
                found.add(values)
    return sorted(found)
