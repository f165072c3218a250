"""Declares what a claim of a finding is, and how one kind of comparison is made: tuples of functions."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from actjax.findings.claims.setting import Setting
from actjax.findings.claims.sides import Side
from actjax.findings.cross_fitting.clip_sums import Table
from actjax.findings.cross_fitting.effects import Candidates

# What the claims of a comparison share, by layer or by (layer, what it is).
Shared = dict[Any, Any]


class Comparison(NamedTuple):
    """How the neurons of a layer meet one kind of feature rows; the claims on them share what it makes.

    `Ready` is what `prepare` returns, `vectors.Rows` or `frames.Images`; nobody else looks into it.

    Attributes:
      role: whose sides it takes, a key of `Sides.networks`.
      prepare: (side, setting) -> Ready, the features' side made ready once for all networks; or a line
        that says why these sides cannot be compared so.
      table: (Ready, x [b, o, n]) -> the sums in each clip of a network's neurons with all rows.
      rotated: (Ready, turns [q, n, n]) -> the same of the trained network's rotated channels.
    """

    role: str
    prepare: Callable[[Side, Setting], Any]
    table: Callable[[Any, np.ndarray], Table]
    rotated: Callable[[Any, np.ndarray], Iterator[Table]]


class Claim(NamedTuple):
    """One claim of a finding.

    Attributes:
      finding: 1 to 4.
      name: the key of its results.
      title: what is compared, in few words, for people.
      score: what the score is called, for people.
      columns: what the candidates' columns are.
      comparison: how the sides meet.
      rows: which of the comparison's rows the claim is about.
      candidates: how the rows' scores become what the best is chosen from.
      tested: the same for the null and the p-values.
      select: (Ready, Table of all rows, Claim) -> the claim's own table.
      null: (Ready, Claim, Setting, Shared) -> [1 + r, halves and all, n, k] scores of the trained network
        under every rearrangement.
      all_units: (all layers' Ready, Claim, Setting, Shared) -> the score of ridge regression from all units.
      predicted: (Ready, Claim, x, Setting) -> the table [b, 1, k] of each row's prediction from all
        units, where the candidates are shares of it; else None.
      fixed: the row that is held fixed, or None.
      of_input: whether the input has this score too.
      class_rows: the side's rows whose share of variance between classes is told.
      stability: whether it is told how often both halves agree on a unit's best row.
    """

    finding: int
    name: str
    title: str
    score: str
    columns: tuple[str, ...]
    comparison: Comparison
    rows: tuple[int, ...]
    candidates: Candidates
    tested: Candidates
    select: Callable[[Any, Table, "Claim"], Table]
    null: Callable[[Any, "Claim", Setting, Shared], np.ndarray]
    all_units: Callable[[list[Any], "Claim", Setting, Shared], float]
    predicted: Callable[[Any, "Claim", np.ndarray, Setting], Table] | None = None
    fixed: int | None = None
    of_input: bool = True
    class_rows: slice = slice(None)
    stability: bool = False
