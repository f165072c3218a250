"""What a feature's best scores show once the controls stand beside them."""

from typing import NamedTuple

import numpy as np

from actjax.report.summary import INPUT, UNTRAINED, Summary

# Differences of best scores below this are called equal (or below two standard errors, if those are wider).
TOLERANCE = 0.02


class Verdict(NamedTuple):
    """How a feature's best trained unit stands against the controls.

    Attributes:
      trained, untrained, input: indices of the best units, -1 where there is none.
      gain: strength of the trained one minus that of the strongest control, NaN without either.
      close: the controls that come as close, and those that come closer.
      words: for people.
    """

    trained: int
    untrained: int
    input: int
    gain: float
    close: tuple[str, ...]
    words: str


def verdict(summary: Summary, score_set: int, feature: int) -> Verdict:
    """Says plainly whether a control comes as close to a feature as the trained network.

    As close: within TOLERANCE, or within two standard errors of the difference where the table
    holds standard errors and that is wider.
    """
    names = (summary.main, *(n if n != summary.main else "" for n in (UNTRAINED, INPUT)))
    trained, *controls = (summary.best_of(score_set, summary.network(name), feature) for name in names)
    strength, error = summary.units.strength, summary.units.std_error
    found = [(name, i) for name, i in zip(names[1:], controls, strict=True) if i >= 0]
    if trained < 0 or not found:
        words = f"no {summary.main} score" if trained < 0 else "no control scored"
        return Verdict(trained, *controls, float("nan"), (), words)
    close = []
    for name, i in found:
        gap = strength[trained] - strength[i]
        margin = np.nanmax([TOLERANCE, 2 * np.hypot(error[trained], error[i])])
        if gap <= margin:
            close.append(f"{name} {'closer' if gap < -margin else 'as close'}")
    gain = float(strength[trained] - max(strength[i] for _, i in found))
    return Verdict(
        trained, *controls, gain, tuple(close), ", ".join(close) or f"{summary.main} closer by {gain:.2f}"
    )


def sort_features(summary: Summary, score_set: int) -> dict[str, list[str]]:
    """Features by what their best scores show: "gain", or the controls that are as close or closer.

    Each entry names the feature and the trained unit's layer and gain, or by how much a control is
    closer.
    """
    found: dict[str, list[tuple[float, str]]] = {"gain": [], UNTRAINED: [], INPUT: []}
    strength = summary.units.strength
    for f in summary.features_of(score_set):
        v = verdict(summary, score_set, f)
        if v.trained < 0 or np.isnan(v.gain):
            continue
        if not v.close:
            layer = summary.layers[summary.units.layer[v.trained]]
            found["gain"].append((v.gain, f"{summary.features[f]} +{v.gain:.2f} in {layer}"))
        for name, unit in ((UNTRAINED, v.untrained), (INPUT, v.input)):
            if any(words.startswith(f"{name} ") for words in v.close):
                ahead = float(strength[unit] - strength[v.trained])
                words = f" {ahead:.2f} closer" if f"{name} closer" in v.close else ""
                found[name].append((ahead, summary.features[f] + words))
    return {name: [text for _, text in sorted(items, reverse=True)] for name, items in found.items()}
