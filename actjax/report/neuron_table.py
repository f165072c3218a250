"""The table of all neurons, and how many of them do anything."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from actjax.pages.markup import Markup, tag
from actjax.pages.numbers import interval, p_value, share, signed
from actjax.pages.table import Table
from actjax.report.neurons import Best
from actjax.report.summary import INPUT, UNTRAINED, Summary

# More rows than this are for the atlas and the table of scores.
MOST_ROWS = 1000
COLUMNS = (
    ("neuron", "<"),
    ("beyond the controls it follows", "<"),
    ("view", "<"),
    ("score", ">"),
    ("null (95 %)", ">"),
    ("max-T p", ">"),
    (UNTRAINED, ">"),
    (INPUT, ">"),
    ("gain", ">"),
    ("95 %", ">"),
    ("most of all it follows", "<"),
    ("class", ">"),
)
NOTE = """
Each neuron with the feature row on which it exceeds the controls most, among those where its score is above
chance; the largest gain first. View: frame by frame inside the clips, or between clips. Null: mean and 95 %
of the score when recordings are permuted. Untrained, input: the strongest unit of each for the same row.
Gain: the score's size less that of the stronger of the two, and the interval of this one difference over
recordings; * where it also exceeds what choosing among all scores can do. Class: the share of the neuron's
variance between clips that lies between classes. Rows that the network is given (log_mel, the cepstrum's
coefficient 0) are left out: a first layer copies them.
"""


class Counts(NamedTuple):
    """How many neurons do what.

    Attributes:
      neurons: all of them.
      dead: that are constant on all clips, so that no score of theirs is defined.
      one_clip: that leave their usual value on one clip alone; None where nobody looked.
    """

    neurons: int
    dead: int
    one_clip: int | None

    def words(self) -> str:
        """For a card: '223 live, 41 dead, 0 active in one clip alone'."""
        text = f"{self.neurons - self.dead:,} live, {self.dead:,} dead"
        return text if self.one_clip is None else f"{text}, {self.one_clip:,} active in one clip alone"


def count(best: Best, changing: Mapping[str, np.ndarray] | None, summary: Summary) -> Counts:
    """Counts neurons by what they do.

    Args:
      best: of all neurons.
      changing: layer -> [n] on how many clips each neuron leaves its usual value; None where unknown.
      summary: names the layers.
    """
    dead = np.isnan(best.score)
    if changing is None:
        return Counts(len(dead), int(dead.sum()), None)
    clips = of_neurons(best, changing, summary)
    return Counts(len(dead), int((dead | (clips == 0)).sum()), int((clips == 1).sum()))


def of_neurons(best: Best, by_layer: Mapping[str, np.ndarray], summary: Summary) -> np.ndarray:
    """[n] a number of each neuron, NaN for layers that have none."""
    values = np.full(len(best.neuron), np.nan)
    for code in np.unique(best.layer):
        of_layer = by_layer.get(summary.layers[code])
        mine = best.layer == code
        if of_layer is not None and best.neuron[mine].max() < len(of_layer):
            values[mine] = np.asarray(of_layer)[best.neuron[mine]]
    return values


def neuron_table(
    best: Best, summary: Summary, selectivity: Mapping[str, np.ndarray] | None, most: int = MOST_ROWS
) -> Table:
    """The table, by gain; neurons without a score stand last."""
    shares = of_neurons(best, selectivity or {}, summary)
    rows = []
    for i in best.by_gain()[:most].tolist():
        one = best.of_neuron(i)
        feature, mark = one["feature"], " *" if one["announced"] else ""
        strongest = _named(one["strongest_feature"], one["strongest_row"])
        row = (
            f"{summary.layers[one['layer']]} / {one['neuron']}",
            _named(feature, one["row_name"] or _numbered(one["row"])) if feature else "nothing: constant",
            summary.sets[one["set"]].view if feature else "",
            signed(one["score"]),
            _null(one),
            p_value(one["p_maxt"]),
            signed(one["untrained"]),
            signed(one["input"]),
            signed(one["gain"]) + mark,
            interval(one["gain_low"], one["gain_high"]),
            f"{strongest} {signed(one['strongest_score'])}" if feature else "",
            share(float(shares[i])),
        )
        rows.append(row)
    return Table("All neurons", COLUMNS, rows, " ".join(NOTE.split()))


def linked(table: Table, page: str) -> Markup:
    """The table with a link from each neuron to its place in the atlas, where `page` is the atlas."""
    rows: list[tuple[str, ...]] = []
    for name, *cells in table.rows:
        layer, _, neuron = name.rpartition(" / ")
        rows.append((tag("a", name, href=f"{page}#{anchor(layer, int(neuron))}") if page else name, *cells))
    return Table(table.title, table.columns, rows).html()


def anchor(layer: str, neuron: int) -> str:
    """The deep link of a neuron: conv3-8."""
    from urllib.parse import quote

    return f"{quote(layer, safe='')}-{neuron}"


def _named(feature: str, row: str) -> str:
    """A feature and its row; the feature alone where it has one row of its own name."""
    return feature if row in ("", feature) else f"{feature} {row.removeprefix(feature).strip('_ ')}"


def _null(one: Mapping[str, Any]) -> str:
    ends = interval(one["null_low"], one["null_high"])
    return f"{signed(one['null_mean'])} ({ends})" if ends else "-"


def _numbered(row: int) -> str:
    return "all" if row < 0 else f"row {row}"
