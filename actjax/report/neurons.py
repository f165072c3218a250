"""One row for every neuron: what it follows most, what chance and the controls give, what training gained."""

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from actjax.report.summary import INPUT, UNTRAINED, Summary, sets_of
from actjax.report.verdicts import LEVEL, standard_errors_needed
from actjax.scores.schema import codes
from actjax.statistics.bootstrap import t_quantile

if TYPE_CHECKING:
    import pyarrow

# Features that a network of log-mel images is given: its first layer copies them, which is no news. Of the
# cepstrum that is coefficient 0, the sum of all bands.
GIVEN = {"log_mel": None, "mel": None, "mfcc": 0}
# The null's central 95 %, in standard deviations.
BAND = 1.96
# Where a layer has several views, its neurons stand with their scores in the first of these.
PREFERRED = ("frame", "clip", "map")


class Best(NamedTuple):
    """Of every neuron of the main network its strongest score; NaN and "" where it has none.

    All arrays are [n], by layer and number; a gain is a strength (|score| of signed metrics) less that of the
    strongest control for the same feature row.

    Attributes:
      layer: index into `Summary.layers`.
      neuron: its number in the layer.
      set: index into `Summary.sets`.
      feature, row_name, unit: what it follows; unit is the feature's.
      row: the feature's row, -1 for the whole feature.
      score: of neuron and row.
      null_low, null_mean, null_high: where the score lies without a relation; the central 95 %.
      p_maxt: the share of replicates whose largest score of the layer reaches this one.
      twin: the score of the same neuron before training.
      untrained, input: the strongest scores of these networks for this row.
      gain, gain_low, gain_high: the gain and its 95 % interval over recordings, this one neuron's.
      announced: whether the gain exceeds what choosing among all scores can do, at p_maxt below 0.05.
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

    def by_gain(self) -> np.ndarray:
        """Orders a table: the largest gain first, then the strongest score; neurons without any last."""
        gain = np.where(np.isnan(self.gain), -np.inf, self.gain)
        strength = np.where(np.isnan(self.score), -np.inf, np.abs(self.score))
        return np.lexsort((self.neuron, self.layer, -strength, -gain))


class Rows(NamedTuple):
    """The scores of the sets that neurons stand with, as arrays over the rows of the table.

    Attributes:
      set, network, layer, neuron, feature, row: codes and numbers; `feature` indexes Summary.features.
      strength: |score| of signed metrics, else the score; NaN where undefined.
      at: [rows] their places in the table.
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
        """The rows for which `chosen` is true."""
        return Rows(*(column[chosen] for column in self))


def best_of_neurons(table: "pyarrow.Table", summary: Summary) -> Best:
    """Finds each neuron's strongest score that the input does not give by construction, and its controls.

    A neuron of a layer of maps stands with its score inside the clips (frame view), a unit of an embedding
    with that between clips: one view a neuron, so that none is chosen by its score.
    """
    rows = rows_of(table, summary)
    main = rows.where(rows.network == summary.networks.index(summary.main))
    place = _set_of_layer(main, summary)
    main = main.where(main.set == place[main.layer])
    candidates = main.where(~is_given(main, summary) & ~np.isnan(main.strength))
    neurons = np.unique(np.stack([main.layer, main.neuron], 1), axis=0)
    strongest = strongest_by([candidates.layer, candidates.neuron], candidates)
    number = {tuple(pair): i for i, pair in enumerate(neurons.tolist())}
    pick = np.full(len(neurons), -1)
    for i in strongest:
        pick[number[int(candidates.layer[i]), int(candidates.neuron[i])]] = candidates.at[i]
    return _described(table, summary, rows, neurons, place[neurons[:, 0]], pick)


def rows_of(table: "pyarrow.Table", summary: Summary) -> Rows:
    """The rows of each view's leading score set."""
    sets, set_code = sets_of(table)
    at = np.flatnonzero(np.isin(set_code, summary.leading()))

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


def is_given(rows: Rows, summary: Summary) -> np.ndarray:
    """[rows] bool: whether the row is one that the network's input is made of."""
    of_feature = [GIVEN.get(name, -2) for name in summary.features]
    wanted = np.asarray([-1 if row is None else row for row in of_feature])[rows.feature]
    return (wanted == -1) | (wanted == rows.row)


def strongest_by(labels: list[np.ndarray], rows: Rows) -> np.ndarray:
    """The places in `rows` of the strongest row of each combination of labels; the first of equals."""
    defined = np.flatnonzero(~np.isnan(rows.strength))
    keys = [label[defined] for label in labels]
    order = defined[np.lexsort((defined, -rows.strength[defined], *keys[::-1]))]
    if not len(order):
        return order
    ordered = np.stack([label[order] for label in labels])
    first = np.concatenate([[True], (ordered[:, 1:] != ordered[:, :-1]).any(axis=0)])
    return order[first]


def _set_of_layer(main: Rows, summary: Summary) -> np.ndarray:
    """[layers] the score set that a layer's neurons stand with."""
    place = np.full(len(summary.layers), -1)
    by_view = {summary.sets[s].view: s for s in summary.leading()}
    for view in reversed(PREFERRED):
        if view in by_view:
            place[np.unique(main.layer[(main.set == by_view[view]) & ~np.isnan(main.strength)])] = by_view[
                view
            ]
    lacking = np.setdiff1d(np.unique(main.layer), np.flatnonzero(place >= 0))
    for layer in lacking:
        place[layer] = main.set[main.layer == layer].min()
    return place


def _described(
    table: "pyarrow.Table",
    summary: Summary,
    rows: Rows,
    neurons: np.ndarray,
    sets: np.ndarray,
    pick: np.ndarray,
) -> Best:
    """What stands in the table about each picked row, -1 for none, and the controls' rows for it."""
    there = pick >= 0
    place = np.full(len(table), -1)
    place[rows.at] = np.arange(len(rows.at))
    picked = rows.where(place[pick[there]])

    def column(name: str, at: np.ndarray) -> np.ndarray:
        values = np.full(len(at), np.nan)
        values[at >= 0] = table[name].take(at[at >= 0]).to_numpy(zero_copy_only=False)
        return values

    def text(name: str) -> np.ndarray:
        values = np.full(len(pick), "", object)
        values[there] = ["" if v is None else v for v in table[name].take(pick[there]).to_pylist()]
        return values

    def best_control(name: str, *, same_neuron: bool = False) -> np.ndarray:
        network = summary.network(name) if name != summary.main else None
        at = np.full(len(pick), -1)
        if network is not None:
            own = rows.where(rows.network == network)
            at[there] = _matching(own, picked, ("layer", "neuron") if same_neuron else ())
        return at

    untrained, of_input = best_control(UNTRAINED), best_control(INPUT)
    score, mean, std = (column(name, pick) for name in ("score", "null_mean", "null_std"))
    gain, low, high, announced = _gains(table, summary, sets, pick, (untrained, of_input))
    return Best(
        layer=neurons[:, 0],
        neuron=neurons[:, 1],
        set=sets,
        feature=text("feature"),
        row_name=text("row_name"),
        unit=text("unit"),
        row=np.where(there, column("row", pick), -1).astype(int),
        score=score,
        null_low=mean - BAND * std,
        null_mean=mean,
        null_high=mean + BAND * std,
        p_maxt=column("p_maxt", pick),
        twin=column("score", best_control(UNTRAINED, same_neuron=True)),
        untrained=column("score", untrained),
        input=column("score", of_input),
        gain=gain,
        gain_low=low,
        gain_high=high,
        announced=announced,
    )


def _matching(own: Rows, picked: Rows, also: tuple[str, ...]) -> np.ndarray:
    """The places in the table of a network's strongest row for each picked (set, feature, row)."""
    names = ("set", "feature", "row", *also)
    strongest = own.where(strongest_by([getattr(own, name) for name in names], own))
    known = dict(
        zip(
            zip(*(getattr(strongest, name).tolist() for name in names), strict=True),
            strongest.at,
            strict=True,
        )
    )
    wanted = zip(*(getattr(picked, name).tolist() for name in names), strict=True)
    return np.asarray([known.get(key, -1) for key in wanted], int)


def _gains(
    table: "pyarrow.Table",
    summary: Summary,
    sets: np.ndarray,
    pick: np.ndarray,
    controls: tuple[np.ndarray, np.ndarray],
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """(gain, low, high, announced) of picked rows over the strongest of their controls' rows."""
    signed = np.asarray([summary.signed[s.metric] for s in summary.sets])[sets]

    def of(name: str, at: np.ndarray) -> np.ndarray:
        values = np.full(len(at), np.nan)
        values[at >= 0] = table[name].take(at[at >= 0]).to_numpy(zero_copy_only=False)
        return values

    def strength(at: np.ndarray) -> np.ndarray:
        return np.where(signed, np.abs(of("score", at)), of("score", at))

    by_control = np.stack([strength(at) for at in controls])
    filled = np.where(np.isnan(by_control), -np.inf, by_control)
    strongest = np.where(filled[0] >= filled[1], *controls)
    gain = strength(pick) - strength(strongest)
    error = np.hypot(of("std_error", pick), of("std_error", strongest))
    known = summary.recordings is not None and summary.recordings > 1
    width = error * (t_quantile(0.975, summary.recordings - 1) if known else np.nan)
    needed = np.asarray([standard_errors_needed(summary, s) for s in range(len(summary.sets))])[sets]
    p = of("p_maxt", pick)
    announced = (gain > needed * error) & ~(p >= LEVEL)
    return gain, gain - width, gain + width, announced
