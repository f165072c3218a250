"""One row for every neuron: what it follows beyond the controls, what chance gives, what training gained."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from actjax.report.score_rows import (
    Rows,
    column,
    is_given,
    matching,
    rows_of,
    strongest_by,
    text,
)
from actjax.report.summary import INPUT, UNTRAINED, Summary
from actjax.report.verdicts import LEVEL
from actjax.statistics.bootstrap import t_quantile

if TYPE_CHECKING:
    import pyarrow

# The null's central 95 %, in standard deviations.
BAND = 1.96
# A neuron stands with its scores in the frame and the clip view, which have nulls; in the map view without.
TESTED = ("frame", "clip")


class Best(NamedTuple):
    """Of every neuron of the main network one score; NaN and "" where it has none.

    All arrays are [n], by layer and number; a gain is a strength (|score| of signed metrics) less that of the
    strongest control for the same feature row.

    Attributes:
      layer: index into `Summary.layers`.
      neuron: its number in the layer.
      set: index into `Summary.sets`.
      feature, row_name, unit: what it follows beyond the controls; unit is the feature's.
      row: the feature's row, -1 for the whole feature.
      score: of neuron and row.
      null_low, null_mean, null_high: where the score lies without a relation; the central 95 %.
      p_maxt: the share of replicates whose largest score of the layer reaches this one.
      twin: the score of the same neuron before training.
      untrained, input: the strongest scores of these networks for this row.
      gain, gain_low, gain_high: the gain and its 95 % interval over recordings, this one neuron's.
      announced: whether the gain exceeds what choosing among all scores can do, at p_maxt below 0.05.
      strongest_feature, strongest_row: names of what it follows most, whatever the controls do.
      strongest_score: the score of that.
    """

    layer: np.ndarray
    neuron: np.ndarray
    set: np.ndarray
    feature: np.ndarray
    row_name: np.ndarray
    unit: np.ndarray
    row: np.ndarray
    score: np.ndarray
    null_low: np.ndarray
    null_mean: np.ndarray
    null_high: np.ndarray
    p_maxt: np.ndarray
    twin: np.ndarray
    untrained: np.ndarray
    input: np.ndarray
    gain: np.ndarray
    gain_low: np.ndarray
    gain_high: np.ndarray
    announced: np.ndarray
    strongest_feature: np.ndarray
    strongest_row: np.ndarray
    strongest_score: np.ndarray

    def of_layers(self, summary: Summary, names: Sequence[str]) -> "Best":
        """The neurons of some layers."""
        chosen = np.isin(self.layer, [i for i, name in enumerate(summary.layers) if name in names])
        return Best(*(values[chosen] for values in self))

    def of_neuron(self, i: int) -> dict[str, Any]:
        """One neuron's entries by name."""
        return {name: values[i] for name, values in self._asdict().items()}

    def by_gain(self) -> np.ndarray:
        """Orders a table: the largest gain first, then the strongest score; neurons without any last."""
        gain = np.where(np.isnan(self.gain), -np.inf, self.gain)
        strength = np.where(np.isnan(self.score), -np.inf, np.abs(self.score))
        return np.lexsort((self.neuron, self.layer, -strength, -gain))


def best_of_neurons(table: "pyarrow.Table", summary: Summary) -> Best:
    """Finds on which feature row each neuron exceeds the controls most, and which it follows most.

    Rows that the input is made of are left out unless nothing else was scored. Where there is a null, a row
    counts only at a max-T p below 0.05; a neuron without such a row, or without controls, stands with the row
    that it follows most.
    """
    rows = rows_of(table, summary)
    main = rows.where(rows.network == summary.networks.index(summary.main))
    neurons = np.unique(np.stack([main.layer, main.neuron], 1), axis=0)
    candidates = _candidates(main, summary)
    gain = candidates.strength - control_strength(rows, candidates, summary)
    by_chance = column(table, "p_maxt", candidates.at) >= LEVEL
    labels = [candidates.layer, candidates.neuron]
    strongest, pick = np.full(len(neurons), -1), np.full(len(neurons), -1)
    place = {pair: i for i, pair in enumerate(map(tuple, neurons.tolist()))}
    for into, strength in ((strongest, candidates.strength), (pick, np.where(by_chance, np.nan, gain))):
        for i in strongest_by(labels, strength):
            into[place[int(labels[0][i]), int(labels[1][i])]] = i
    pick = np.where(pick < 0, strongest, pick)
    return described(table, summary, rows, candidates, neurons, pick, strongest)


def control_strength(rows: Rows, wanted: Rows, summary: Summary) -> np.ndarray:
    """The largest strength of a control for the same feature row; NaN where there is none."""
    names = [n for n in (UNTRAINED, INPUT) if n != summary.main and summary.network(n) is not None]
    controls = rows.where(np.isin(rows.network, [summary.networks.index(name) for name in names]))
    at = matching(controls, wanted)
    strength = np.full(len(at), np.nan)
    place = dict(zip(controls.at.tolist(), controls.strength.tolist(), strict=True)) if names else {}
    strength[at >= 0] = [place[one] for one in at[at >= 0].tolist()]
    return strength


def _candidates(main: Rows, summary: Summary) -> Rows:
    """The main network's rows that a neuron may stand with; those of the input where there are no others."""
    inputs_rows = is_given(main, summary)
    defined = main.where((~inputs_rows | inputs_rows.all()) & ~np.isnan(main.strength))
    tested = np.isin(defined.set, [s for s in summary.leading() if summary.sets[s].view in TESTED])
    layers = np.unique(defined.layer[tested])
    return defined.where(tested | ~np.isin(defined.layer, layers))


def described(
    table: "pyarrow.Table",
    summary: Summary,
    rows: Rows,
    candidates: Rows,
    neurons: np.ndarray,
    pick: np.ndarray,
    strongest: np.ndarray,
) -> Best:
    """What stands in the table about each neuron's picked row, and the controls' rows for it.

    Args:
      table, summary, rows: the scores.
      candidates: rows of the main network.
      neurons: [n, 2] layer's code and number.
      pick, strongest: [n] places among the candidates, -1 for none.
    """
    there = pick >= 0
    picked = candidates.where(pick[there])
    at, most = (
        np.where(p >= 0, candidates.at[p], -1) if len(candidates.at) else p for p in (pick, strongest)
    )

    def control(name: str, also: tuple[str, ...] = ()) -> np.ndarray:
        network = summary.network(name) if name != summary.main else None
        places = np.full(len(pick), -1)
        if network is not None:
            places[there] = matching(
                rows.where(rows.network == network), picked, ("set", "feature", "row", *also)
            )
        return places

    untrained, of_input = control(UNTRAINED), control(INPUT)
    sets = np.full(len(pick), -1)
    sets[there] = picked.set
    mean, std = (column(table, name, at) for name in ("null_mean", "null_std"))
    gain, low, high, announced = _gains(table, summary, sets, at, (untrained, of_input))
    return Best(
        layer=neurons[:, 0],
        neuron=neurons[:, 1],
        set=sets,
        feature=text(table, "feature", at),
        row_name=text(table, "row_name", at),
        unit=text(table, "unit", at),
        row=np.where(there, column(table, "row", at), -1).astype(int),
        score=column(table, "score", at),
        null_low=mean - BAND * std,
        null_mean=mean,
        null_high=mean + BAND * std,
        p_maxt=column(table, "p_maxt", at),
        twin=column(table, "score", control(UNTRAINED, ("layer", "neuron"))),
        untrained=column(table, "score", untrained),
        input=column(table, "score", of_input),
        gain=gain,
        gain_low=low,
        gain_high=high,
        announced=announced,
        strongest_feature=text(table, "feature", most),
        strongest_row=text(table, "row_name", most),
        strongest_score=column(table, "score", most),
    )


def _gains(
    table: "pyarrow.Table",
    summary: Summary,
    sets: np.ndarray,
    at: np.ndarray,
    controls: tuple[np.ndarray, np.ndarray],
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """(gain, low, high, announced) of rows of the table over the strongest of their controls' rows."""
    signed = np.asarray([summary.signed[s.metric] for s in summary.sets])[sets]

    def strength(places: np.ndarray) -> np.ndarray:
        score = column(table, "score", places)
        return np.where(signed, np.abs(score), score)

    by_control = np.stack([strength(places) for places in controls])
    filled = np.where(np.isnan(by_control), -np.inf, by_control)
    strongest = np.where(filled[0] >= filled[1], *controls)
    gain = strength(at) - strength(strongest)
    error = np.hypot(column(table, "std_error", at), column(table, "std_error", strongest))
    one, every = _standard_errors(summary)
    announced = (gain > every * error) & ~(column(table, "p_maxt", at) >= LEVEL)
    return gain, gain - one * error, gain + one * error, announced


def _standard_errors(summary: Summary) -> tuple[float, float]:
    """How many standard errors one gain's 95 % interval takes, and all gains' together (Bonferroni)."""
    if summary.recordings is None or summary.recordings < 2:
        return float("nan"), float("nan")
    scores = max(int(sum(summary.scores[s] for s in summary.leading())), 1)
    degrees = summary.recordings - 1
    return t_quantile(1 - LEVEL / 2, degrees), t_quantile(1 - LEVEL / (2 * scores), degrees)
