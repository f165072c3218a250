"""What pictures show, in words, for those who do not see them."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from actjax.pages.numbers import number, signed
from actjax.report.summary import Summary
from actjax.workdir.evaluation_record import Evaluation
from actjax.workdir.examples import Example
from actjax.workdir.findings_table import FindingsTable


def heat(summary: Summary, score_set: int) -> str:
    """Of the heat map: the strongest cell of each network."""
    seen = _strongest(summary, score_set)
    return (
        f"Heat map of the best score of each layer for each feature, {summary.sets[score_set].title}. {seen}"
    )


def depth(summary: Summary, score_set: int) -> str:
    """Of the curves by depth: where the main network's best score of each feature lies."""
    best = summary.spread.best[score_set, summary.networks.index(summary.main)]
    places = []
    for f in summary.features_of(score_set):
        if np.isfinite(best[:, f]).any():
            layer = int(np.nanargmax(best[:, f]))
            places.append(f"{summary.features[f]} {number(best[layer, f])} in {summary.layers[layer]}")
    title = f"Curves of the best score by depth, one panel a feature, {summary.sets[score_set].title}"
    return f"{title}. Highest in the {summary.main} network: {', '.join(places)}."


def maps(examples: Sequence[Example]) -> str:
    """Of the maps beside features: which pairs."""
    pairs = ", ".join(
        f"{e.network} {e.layer} neuron {e.neuron} beside {e.feature} ({e.metric} {signed(e.score)})"
        for e in examples
    )
    return f"Activation maps beside features on single clips: {pairs}."


def confusion(evaluation: Evaluation) -> str:
    """Of the confusion matrix: the class with the least recall and what it is taken for."""
    value, name, clips = evaluation.quality()
    counts, names = evaluation.confusion, evaluation.class_names
    total = counts.sum(axis=1)
    text = f"Confusion matrix: {name} {value:.3f} on {clips}."
    if not total.any():
        return text
    recall = np.divide(counts.diagonal(), total, out=np.ones(len(total)), where=total > 0)
    worst = int(recall.argmin())
    wrong = np.where(np.arange(len(total)) == worst, 0, counts[worst])
    if not wrong.any():
        return f"{text} No clip is mistaken."
    other = int(wrong.argmax())
    return f"{text} Least recall: {names[worst]}, {recall[worst]:.2f}, most often taken for {names[other]}."


def training(curve: Sequence[Mapping[str, Any]]) -> str:
    """Of the training curve: its last line of each split."""
    last = {line["split"]: line for line in curve}
    ends = [
        f"{split}: loss {number(line['loss'])} at step {line['step']}"
        for split, line in last.items()
        if "loss" in line
    ]
    return f"Loss and accuracy by training step. At the end {'; '.join(ends) or 'nothing was logged'}."


def forest(table: FindingsTable) -> str:
    """Of the forest plot: the trained score of each claim beside the controls'."""
    claims = []
    for claim in table["parts"]:
        values = (f"{kind} {number(score['value'])}" for kind, score in claim["scores"].items())
        claims.append(f"{claim['title']}: {', '.join(values)}")
    return f"Scores of each claim for every kind of network, with 95 % intervals. {'. '.join(claims)}."


def _strongest(summary: Summary, score_set: int) -> str:
    """The strongest cell of each network in words."""
    cells = []
    for n, network in enumerate(summary.networks):
        best = summary.spread.best[score_set, n]
        if np.isfinite(best).any():
            layer, f = np.unravel_index(np.nanargmax(best), best.shape)
            where = f"{summary.features[f]} in {summary.layers[layer]}"
            cells.append(f"{network} {number(best[layer, f])} ({where})")
    return f"Strongest: {'; '.join(cells)}." if cells else "No score is defined."
