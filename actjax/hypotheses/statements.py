"""Reads hypotheses: which unit must follow which feature or label, in which view and with which sign."""

import csv
import io
import subprocess
from pathlib import Path
from typing import NamedTuple

from actjax import files
from actjax.files import FileError

COLUMNS = ("network", "layer", "against", "unit", "view", "feature", "row", "sign", "because")
MOST = 10_000
CHOICES = {"view": ("clip", "frame"), "sign": ("+", "-")}


class Hypothesis(NamedTuple):
    """One statement, a line of the file.

    Attributes:
      network: whose unit, as `hypotheses.network` names it.
      layer: a regular expression that the whole name of its layer matches.
      against: of another group of units, which the layer's must come closer than; "" for one unit alone.
      unit: the name of an output, or a neuron's number; "" where there is `against`.
      view: "clip" or "frame".
      feature: as in the score table.
      row: the name of its row; "" for any.
      sign: "+" or "-".
      because: the reason, in words.
    """

    network: str
    layer: str
    against: str
    unit: str
    view: str
    feature: str
    row: str
    sign: str
    because: str


def read(path: Path) -> list[Hypothesis]:
    """The hypotheses of a .csv with the columns COLUMNS.

    Raises:
      FileNotFoundError: there is no such file.
      FileError: other columns, a line too short, a view or sign that there is not; names the line.
    """
    lines = list(csv.reader(io.StringIO(files.read_text(path))))
    if not lines or tuple(lines[0]) != COLUMNS:
        raise FileError(path, f"expected the columns {','.join(COLUMNS)}")
    if len(lines) > MOST:
        raise FileError(path, f"expected at most {MOST} lines, got {len(lines)}")
    return [_hypothesis(path, number, line) for number, line in enumerate(lines[1:], 2) if line]


def of_network(path: Path, network: str) -> list[Hypothesis]:
    """Those of one network.

    Raises:
      FileError: there are none; what `read` raises.
    """
    every = read(path)
    chosen = [one for one in every if one.network == network]
    if not chosen:
        known = ", ".join(dict.fromkeys(one.network for one in every))
        raise FileError(path, f"has no hypothesis of the network {network!r}; known: {known}")
    return chosen


def commit_of(path: Path) -> str:
    """The commit that last changed the file, and its date; says so where the file is in none as it is."""
    asked = ["git", "-C", str(path.parent), "log", "-1", "--format=%h %cI", "--", path.name]
    try:
        last = subprocess.run(asked, capture_output=True, text=True, timeout=20, check=True).stdout.strip()
        changed = subprocess.run(
            [*asked[:3], "status", "--porcelain", "--", path.name],
            capture_output=True,
            text=True,
            timeout=20,
            check=True,
        ).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return "in no repository"
    return last if last and not changed else "not committed as it is"


def _hypothesis(path: Path, number: int, line: list[str]) -> Hypothesis:
    if len(line) != len(COLUMNS):
        raise FileError(path, f"line {number}: expected {len(COLUMNS)} cells, got {len(line)}")
    one = Hypothesis(*(cell.strip() for cell in line))
    for column, known in CHOICES.items():
        if (cell := getattr(one, column)) not in known:
            raise FileError(path, f"line {number}: {column} knows {', '.join(known)}; got {cell!r:.40}")
    if bool(one.against) == bool(one.unit):
        raise FileError(path, f"line {number}: expected a unit, or another group of units in `against`")
    return one
