"""Rows of a table of scores as arrays: the strongest, those of the input, those of controls."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from actjax.report.summary import Summary, sets_of
from actjax.scores.schema import codes

if TYPE_CHECKING:
    import pyarrow

# Features that a network of log-mel images is given: its first layer copies them, which is no news. Of the
# cepstrum that is coefficient 0, the sum of all bands.
GIVEN = {"log_mel": None, "mel": None, "mfcc": 0}


class Rows(NamedTuple):
    """Rows of the table that belong to some of its score sets.

    Attributes:
      set, network, layer, neuron, feature, row: codes and numbers; they index the tuples of a Summary.
      strength: |score| of signed metrics, else the score; NaN where undefined.
      at: their places in the table.
    """

    set: np.ndarray
    network: np.ndarray
    layer: np.ndarray
    neuron: np.ndarray
    feature: np.ndarray
    row: np.ndarray
    strength: np.ndarray
    at: np.ndarray

    def where(self, chosen: np.ndarray) -> "Rows":
        """The rows that a mask or places choose."""
        return Rows(*(column[chosen] for column in self))


def rows_of(table: "pyarrow.Table", summary: Summary, chosen: Iterable[int] | None = None) -> Rows:
    """The rows of the chosen score sets, of each view's leading one by default."""
    sets, set_code = sets_of(table)
    at = np.flatnonzero(np.isin(set_code, summary.leading() if chosen is None else list(chosen)))

    def coded(name: str, names: tuple[str, ...]) -> np.ndarray:
        code, known = codes(table, name)
        return np.asarray([names.index(one) if one in names else -1 for one in known])[code[at]]

    score = table["score"].to_numpy()[at]
    signed = np.asarray([summary.signed[s.metric] for s in sets])[set_code[at]]
    strength = np.where(signed, np.abs(score), score).astype(np.float64)
    return Rows(
        set_code[at],
        coded("network", summary.networks),
        coded("layer", summary.layers),
        table["neuron"].to_numpy()[at],
        coded("feature", summary.features),
        table["row"].to_numpy()[at],
        np.where(table["valid"].to_numpy()[at], strength, np.nan),
        at,
    )


def column(table: "pyarrow.Table", name: str, at: np.ndarray) -> np.ndarray:
    """Numbers of a column at some places; NaN where they are null, and for the place -1."""
    values = np.full(len(at), np.nan)
    values[at >= 0] = table[name].take(at[at >= 0]).to_numpy(zero_copy_only=False)
    return values


def text(table: "pyarrow.Table", name: str, at: np.ndarray) -> np.ndarray:
    """Text of a column at some places; empty where it is null, and for the place -1."""
    values = np.full(len(at), "", object)
    values[at >= 0] = ["" if v is None else v for v in table[name].take(at[at >= 0]).to_pylist()]
    return values


def is_given(rows: Rows, summary: Summary) -> np.ndarray:
    """[rows] bool: whether the row is one that the network's input is made of."""
    of_feature = [GIVEN.get(name, -2) for name in summary.features]
    wanted = np.asarray([-1 if row is None else row for row in of_feature])[rows.feature]
    return (wanted == -1) | (wanted == rows.row)


def strongest_by(labels: list[np.ndarray], strength: np.ndarray) -> np.ndarray:
    """The places of the largest strength of each combination of labels; the first of equals, none of NaN."""
    defined = np.flatnonzero(~np.isnan(strength))
    order = defined[np.lexsort((-strength[defined], *(label[defined] for label in labels[::-1])))]
    if not len(order):
        return order
    ordered = np.stack([label[order] for label in labels])
    return order[np.concatenate([[True], (ordered[:, 1:] != ordered[:, :-1]).any(axis=0)])]


def matching(
    candidates: Rows, wanted: Rows, names: tuple[str, ...] = ("set", "feature", "row")
) -> np.ndarray:
    """The places in the table of the strongest of `own` that agrees with each wanted row in these columns.

    -1 where none does.
    """
    if not len(candidates.at):
        return np.full(len(wanted.at), -1)
    both = np.concatenate([np.stack([getattr(r, name) for name in names], 1) for r in (candidates, wanted)])
    # As one number: sorting rows of numbers takes 20 times as long.
    spans = np.ptp(both, axis=0) + 1
    code = np.unique(np.ravel_multi_index((both - both.min(axis=0)).T, spans), return_inverse=True)[1]
    mine, theirs = code[: len(candidates.at)], code[len(candidates.at) :]
    strongest = np.full(code.max() + 1, -1)
    best = strongest_by([mine], candidates.strength)
    strongest[mine[best]] = candidates.at[best]
    return strongest[theirs]
