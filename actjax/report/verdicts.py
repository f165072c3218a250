"""What a feature's best scores show once the controls stand beside them; when a gain is announced.

A gain is announced only where both hold.

1. The trained network's best unit exceeds the best unit of *every* control by more than q standard errors
   of the difference. Both were picked as the largest of m scores, so q holds for all m together: Student's
   t at 1 - 0.05 / (2 m) with as many degrees of freedom as recordings less one (Bonferroni), m the scores
   of the view and metric. The errors of the two are taken as independent, which for scores on the same
   clips is on the safe side where they rise and fall together.
2. Where the metric has a null, the unit's max-T p is below 0.05.

A score without a standard error announces nothing.
"""

from typing import NamedTuple

import numpy as np

from actjax.pages.numbers import number, signed
from actjax.report.summary import INPUT, UNTRAINED, Summary
from actjax.statistics.bootstrap import t_quantile

LEVEL = 0.05
GAIN, OPEN = "gain", "open"


class Verdict(NamedTuple):
    """How a feature's best trained unit stands against the controls.

    Attributes:
      trained, untrained, input: indices of the best units, -1 where there is none.
      gain: strength of the trained one minus that of the strongest control, NaN without either.
      close: the controls that come as close, and those that come closer.
      announced: whether the gain is one.
      words: for people.
    """

    trained: int
    untrained: int
    input: int
    gain: float
    close: tuple[str, ...]
    announced: bool
    words: str


def verdict(summary: Summary, score_set: int, feature: int) -> Verdict:
    """Says plainly whether a control comes as close to a feature as the trained network."""
    names = [summary.main, *(n if n != summary.main else "" for n in (UNTRAINED, INPUT))]
    best = [summary.best_of(score_set, summary.network(name), feature) for name in names]
    trained, controls = best[0], (best[1], best[2])
    strength = summary.units.strength
    scored = [(name, i) for name, i in zip(names[1:], controls, strict=True) if i >= 0]
    if trained < 0 or not scored:
        words = f"no {summary.main} score" if trained < 0 else "no control scored"
        return Verdict(trained, *controls, float("nan"), (), False, words)
    close, tested = [], True
    for name, i in scored:
        gap, margin = strength[trained] - strength[i], _margin(summary, score_set, trained, i)
        tested &= bool(np.isfinite(margin))
        if gap <= np.nan_to_num(margin):
            close.append(f"{name} {'closer' if gap < -margin else 'as close'}")
    gain = float(strength[trained] - max(strength[i] for _, i in scored))
    p = summary.units.p_maxt[trained]
    announced = not close and tested and not p >= LEVEL
    said = f"{summary.main} closer by {number(gain)}"
    if not announced:
        said = f"{signed(gain)}, {_why(summary, trained)}"
    words = ", ".join(close) or said
    return Verdict(trained, *controls, gain, tuple(close), announced, words)


def standard_errors_needed(summary: Summary, score_set: int) -> float:
    """q, by how many standard errors a gain must exceed nothing; NaN where recordings are not known."""
    if summary.recordings is None or summary.recordings < 2:
        return float("nan")
    scores = max(int(summary.scores[score_set]), 1)
    return t_quantile(1 - LEVEL / (2 * scores), summary.recordings - 1)


def sort_features(summary: Summary, score_set: int) -> dict[str, list[str]]:
    """Features by what their best scores show.

    Returns:
      GAIN: those that a gain is announced for; UNTRAINED, INPUT: those that this control comes as close
      to, or closer; OPEN: those that the trained network scores higher for without proof. Each entry
      names the feature and what is known of it.
    """
    by_verdict: dict[str, list[tuple[float, str]]] = {GAIN: [], UNTRAINED: [], INPUT: [], OPEN: []}
    strength = summary.units.strength
    for f in summary.features_of(score_set):
        v = verdict(summary, score_set, f)
        if v.trained < 0 or np.isnan(v.gain):
            continue
        if v.announced:
            layer = summary.layers[summary.units.layer[v.trained]]
            by_verdict[GAIN].append((v.gain, f"{summary.features[f]} {signed(v.gain)} in {layer}"))
        elif not v.close:
            by_verdict[OPEN].append((v.gain, f"{summary.features[f]} {v.words}"))
        for name, unit in ((UNTRAINED, v.untrained), (INPUT, v.input)):
            if any(words.startswith(f"{name} ") for words in v.close):
                ahead = float(strength[unit] - strength[v.trained])
                words = f" {ahead:.2f} closer" if f"{name} closer" in v.close else ""
                by_verdict[name].append((ahead, summary.features[f] + words))
    return {name: [text for _, text in sorted(items, reverse=True)] for name, items in by_verdict.items()}


def _margin(summary: Summary, score_set: int, one: int, other: int) -> float:
    """What a difference of two units' scores must exceed; NaN where one has no standard error."""
    error = summary.units.std_error
    return float(standard_errors_needed(summary, score_set) * np.hypot(error[one], error[other]))


def _why(summary: Summary, trained: int) -> str:
    """Why a score higher than the controls' is no announced gain."""
    if summary.units.p_maxt[trained] >= LEVEL:
        return f"p {summary.units.p_maxt[trained]:.2f}"
    return "no standard error" if np.isnan(summary.units.std_error[trained]) else "not tested"
