"""Judges hypotheses by the score table: score, null, rank of the expected row, AUC, verdict."""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from actjax.hypotheses.statements import Hypothesis
from actjax.scores.schema import codes

if TYPE_CHECKING:
    import pyarrow

LEVEL = 0.05
METRIC, AREA = "pearson", "inverse_auc"
SHUFFLES = 9_999
VERDICTS = ("confirmed", "other sign", "not beyond chance", "undefined", "not scored")


class Judged(NamedTuple):
    """A hypothesis and what the scores say.

    Attributes:
      score: Pearson correlation with the expected row; of `against`, the lead in mean best |r|.
      null_std: standard deviation of the score under the null.
      p: max-T over all units of the layer and all rows in that view; of `against`, of shuffled units.
      rank, rows: the place of the expected row among all rows by |score|, and how many there are.
      area: area under the ROC curve of the unit as a detector of the label, or of the feature's upper part,
        turned for a negative sign; of `against`, P(a unit of the one is closer than one of the other).
      best: the row that the unit comes closest to, with its score.
      twin: the untrained twin's score with its unit of the same number.
      verdict: of VERDICTS.
    """

    hypothesis: Hypothesis
    score: float
    null_std: float
    p: float
    rank: int
    rows: int
    area: float
    best: str
    twin: float
    verdict: str


class Scores(NamedTuple):
    """The scores of one network, view and metric: units x (feature, row)."""

    layers: np.ndarray
    neurons: np.ndarray
    features: np.ndarray
    row_names: np.ndarray
    score: np.ndarray
    null_std: np.ndarray
    p: np.ndarray


def judge(
    table: "pyarrow.Table", hypotheses: Sequence[Hypothesis], outputs: Sequence[str], network: str = "trained"
) -> list[Judged]:
    """Holds hypotheses of one network against its scores.

    Args:
      table: from `load_scores`.
      hypotheses: of the network.
      outputs: names of its outputs, which units are called by.
      network: in the table.

    Raises:
      ValueError: a unit that is neither an output's name nor a number.
    """
    views, keys = (
        {one.view for one in hypotheses},
        ((network, METRIC), (network, AREA), ("untrained", METRIC)),
    )
    of_view = {view: tuple(scores_of(table, *key, view) for key in keys) for view in views}
    return [_judged(one, outputs, *of_view[one.view]) for one in hypotheses]


def line_of(one: Judged, commit: str) -> dict[str, object]:
    """A line of the table of a workdir; `commit` is that of the hypotheses' file."""
    line: dict[str, object] = dict(one.hypothesis._asdict())
    line |= {"score": one.score, "null_std": one.null_std, "p": one.p, "auc": one.area, "twin": one.twin}
    line |= {"rank": one.rank or float("nan"), "rows": one.rows or float("nan")}
    return line | {"best": one.best, "verdict": one.verdict, "commit": commit}


def summary(judged: Sequence[Judged]) -> str:
    """How many are confirmed, and which are not and why, a line each."""
    counts = [one.verdict == "confirmed" for one in judged]
    lines = [f"hypotheses: {sum(counts)} of {len(counts)} confirmed"]
    for one in judged:
        if one.verdict != "confirmed":
            h = one.hypothesis
            lines.append(
                f"  {one.verdict}: {h.unit or h.layer} {h.sign} {h.feature} {h.row}".rstrip()
                + f": {one.score:+.2f}, p {one.p:.3f}; closest {one.best}"
            )
    return "\n".join(lines)


def _judged(one: Hypothesis, outputs: Sequence[str], scores: Scores, areas: Scores, twins: Scores) -> Judged:
    if one.against:
        return _compared(one, scores)
    number = unit_of(one, outputs)
    score, place = _expected(one, number, scores)
    if place is None:
        return _not_scored(one)
    mine = of_unit(scores, one.layer, number)
    strength = np.abs(scores.score[mine])
    best = mine[int(np.nanargmax(strength))] if np.isfinite(strength).any() else place
    rank = 1 + int((strength > abs(score)).sum())
    area = _same_place(areas, scores, place)
    area = 1 - area if one.sign == "-" else area
    verdict = _verdict(score, float(scores.p[place]), one.sign)
    shown = f"{_said(scores, best)} {scores.score[best]:+.2f}"
    twin = _same_place(twins, scores, place)
    null_std, p = float(scores.null_std[place]), float(scores.p[place])
    return Judged(one, score, null_std, p, rank, int(np.isfinite(strength).sum()), area, shown, twin, verdict)


def _verdict(score: float, p: float, sign: str) -> str:
    if not np.isfinite(score) or not np.isfinite(p):
        return "undefined"
    if (score > 0) != (sign == "+"):
        return "other sign"
    return "confirmed" if p < LEVEL else "not beyond chance"


def unit_of(one: Hypothesis, outputs: Sequence[str]) -> int:
    """The number of the unit that a hypothesis names."""
    if one.unit in outputs:
        return list(outputs).index(one.unit)
    if not one.unit.isdecimal():
        raise ValueError(
            f"hypotheses: expected an output of {one.network} or a number, got the unit {one.unit!r:.60}"
        )
    return int(one.unit)


def of_unit(scores: Scores, layer: str, number: int) -> np.ndarray:
    """The places of all rows of a unit."""
    return np.flatnonzero(_in_layers(scores, layer) & (scores.neurons == number))


def _in_layers(scores: Scores, layer: str) -> np.ndarray:
    """[places] bool: those of layers whose whole name matches."""
    return np.isin(scores.layers, [name for name in set(scores.layers) if re.fullmatch(layer, name)])


def _expected(one: Hypothesis, number: int, scores: Scores) -> tuple[float, int | None]:
    """The score with the expected row and its place; of any row, the strongest of the expected sign."""
    mine = of_unit(scores, one.layer, number)
    rows = mine[scores.features[mine] == one.feature]
    rows = rows[scores.row_names[rows] == one.row] if one.row else rows
    if not len(rows):
        return float("nan"), None
    signed = np.nan_to_num(scores.score[rows] * (1 if one.sign == "+" else -1), nan=-np.inf)
    place = int(rows[int(np.argmax(signed))])
    return float(scores.score[place]), place


def _same_place(other: Scores, scores: Scores, place: int) -> float:
    """The score of another network or metric for the same unit and row; NaN where there is none."""
    at = (
        (other.layers == scores.layers[place])
        & (other.neurons == scores.neurons[place])
        & (other.features == scores.features[place])
        & (other.row_names == scores.row_names[place])
    )
    return float(other.score[at][0]) if at.any() else float("nan")


def _compared(one: Hypothesis, scores: Scores) -> Judged:
    """Whether one group of units comes closer to a feature than another does, by shuffled units."""
    here, there = (_best_of_units(scores, group, one) for group in (one.layer, one.against))
    if not len(here) or not len(there):
        return _not_scored(one)
    both, rng = np.concatenate([here, there]), np.random.default_rng(0)
    lead = float(here.mean() - there.mean())
    shuffled = np.array([rng.permutation(both)[: len(here)].mean() for _ in range(SHUFFLES)])
    leads = shuffled - (both.sum() - shuffled * len(here)) / len(there)
    toward = 1 if one.sign == "+" else -1
    p = float((1 + (leads * toward >= lead * toward).sum()) / (1 + SHUFFLES))
    area = float((here[:, None] > there[None, :]).mean() + (here[:, None] == there[None, :]).mean() / 2)
    shown = f"{one.layer} {here.mean():.2f}, {one.against} {there.mean():.2f}"
    verdict = _verdict(lead, p, one.sign)
    return Judged(one, lead, float(leads.std()), p, 0, 0, area, shown, float("nan"), verdict)


def _not_scored(one: Hypothesis) -> Judged:
    nothing = float("nan")
    return Judged(one, nothing, nothing, nothing, 0, 0, nothing, "", nothing, "not scored")


def _best_of_units(scores: Scores, layer: str, one: Hypothesis) -> np.ndarray:
    """[units] the largest |r| of each unit of a group with any row of the feature."""
    fits = _in_layers(scores, layer) & (scores.features == one.feature) & np.isfinite(scores.score)
    units, strength = {}, np.abs(scores.score)
    for place in np.flatnonzero(fits):
        key = (scores.layers[place], scores.neurons[place])
        units[key] = max(units.get(key, 0.0), float(strength[place]))
    return np.array(list(units.values()))


def _said(scores: Scores, place: int) -> str:
    """A feature's row in words."""
    feature, row = scores.features[place], scores.row_names[place]
    return feature if row in (feature, "all", "") else f"{feature} {row}"


def metrics_of(table: "pyarrow.Table") -> list[str]:
    """The metrics of a score table, sorted."""
    return sorted(table["metric"].unique().to_pylist())


def scores_of(table: "pyarrow.Table", network: str, metric: str, view: str) -> Scores:
    """The scores of one network, metric and view as arrays."""
    keep = np.ones(len(table), bool)
    for name, value in (("network", network), ("metric", metric), ("view", view)):
        numbers, known = codes(table, name)
        keep &= numbers == (known.index(value) if value in known else -1)
    some = table.filter(keep)

    def text(name: str) -> np.ndarray:
        return np.asarray(some[name].to_pylist(), object)

    def number(name: str) -> np.ndarray:
        return some[name].to_numpy(zero_copy_only=False).astype(np.float64)

    return Scores(
        text("layer"), some["neuron"].to_numpy(), text("feature"), text("row_name"),
        number("score"), number("null_std"), number("p_maxt"),
    )  # fmt: skip
