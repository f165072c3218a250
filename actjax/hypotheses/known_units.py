"""Which metric puts the row that a unit is known to follow first: real networks, beside planted neurons."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from actjax import lookup
from actjax.hypotheses import judged
from actjax.hypotheses.statements import Hypothesis

if TYPE_CHECKING:
    import pyarrow


class Standing(NamedTuple):
    """How a metric does on named units.

    Attributes:
      metric: its name.
      units: hypotheses that it has a score for.
      first: the share of them whose expected row has the largest strength of all rows.
      reciprocal: the mean of 1 / rank.
      median: of the ranks.
      rows: the largest number of rows that were ranked.
    """

    metric: str
    units: int
    first: float
    reciprocal: float
    median: float
    rows: int


def standings(
    table: "pyarrow.Table", hypotheses: Sequence[Hypothesis], outputs: Sequence[str]
) -> list[Standing]:
    """Ranks the expected row of each single unit under every metric that scores rows, best first.

    Strength is the distance from the metric's value of no similarity; equal strengths share the middle rank.
    Of a feature whose row is left open it is that of its strongest row.

    Args:
      table: from `load_scores`.
      hypotheses: of one network.
      outputs: names of its outputs.
    """
    single = [one for one in hypotheses if not one.against]
    standing = []
    for metric in judged.metrics_of(table):
        nothing = lookup.load("metric", metric).range[2]
        ranks, rows = [], 0
        for view in {one.view for one in single}:
            scores = judged.scores_of(table, "trained", metric, view)
            for one in (one for one in single if one.view == view):
                rank, count = _rank(one, outputs, scores, nothing)
                rows = max(rows, count)
                ranks += [rank] if rank else []
        if ranks:
            each = np.asarray(ranks)
            standing.append(
                Standing(metric, len(each), float((each == 1).mean()), float((1 / each).mean()),
                         float(np.median(each)), rows)
            )  # fmt: skip
    return sorted(standing, key=lambda one: -one.reciprocal)


def text_of(standing: Sequence[Standing]) -> str:
    """A line a metric."""
    lines = ["known units: metric, units, expected row first, mean 1 / rank, median rank, rows"]
    for one in standing:
        lines.append(
            f"  {one.metric:28s}{one.units:5d}{one.first:8.2f}{one.reciprocal:8.2f}{one.median:8.1f}"
            f"{one.rows:6d}"
        )
    return "\n".join(lines)


def _rank(
    one: Hypothesis, outputs: Sequence[str], scores: judged.Scores, nothing: float
) -> tuple[float, int]:
    """(rank of the expected row, rows ranked); rank 0 where it has no score."""
    mine = judged.of_unit(scores, one.layer, judged.unit_of(one, outputs))
    mine = mine[np.isfinite(scores.score[mine])]
    expected = mine[scores.features[mine] == one.feature]
    expected = expected[scores.row_names[expected] == one.row] if one.row else expected
    if not len(expected):
        return 0.0, len(mine)
    strength = np.abs(scores.score[mine] - nothing)
    of_expected = np.abs(scores.score[expected] - nothing).max()
    return 1 + float((strength > of_expected).sum()) + max(
        float((strength == of_expected).sum()) - 1, 0.0
    ) / 2, len(mine)
