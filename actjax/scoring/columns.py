"""What the score table holds beside the scores: errors and intervals over recordings, the controls' best."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from actjax.scoring.tasks import columns
from actjax.statistics import bootstrap

CONTROLS = ("untrained", "input")


def complete(found: Sequence[Any], recording_ids: Sequence[str], metrics: Sequence[Any]) -> Iterator[Any]:
    """The results with ci_low, ci_high and control_score [n, k] added, and std_error over recordings.

    A standard error that a metric has over its clips ("std_error") is widened by the design effect, as if
    clips of one recording were all alike; one of moments ("recording_error") is over recordings already.

    Args:
      found: (network, comparison, metric, {"score", ...}) of the whole run.
      recording_ids: [b] of the clips scored.
      metrics: the run's, as in the comparisons.
    """
    by_name = {metric.name: metric for metric in metrics}
    best = _strongest_controls(found, by_name)
    widen, recordings = np.sqrt(bootstrap.design_effect(recording_ids)), len(set(recording_ids))
    for network, comparison, name, outputs in found:
        metric, more = by_name[name], dict(outputs)
        over_recordings = more.pop("recording_error", None)
        if "std_error" in more:
            more["std_error"] = more["std_error"] * np.float32(widen)
        elif over_recordings is not None:
            more["std_error"] = over_recordings
        if "std_error" in more:
            more["std_error"] = np.where(np.isnan(more["score"]), np.float32(np.nan), more["std_error"])
            ends = bootstrap.score_interval(more["score"], more["std_error"], recordings, metric.range[:2])
            more["ci_low"], more["ci_high"] = ends
        if network not in CONTROLS:
            problem = comparison.problem
            row = [best.get((problem.view, name, place), np.nan) for place in columns(problem, metric)]
            more["control_score"] = np.broadcast_to(np.asarray(row, np.float32), more["score"].shape)
        yield network, comparison, name, more


def _strongest_controls(found: Sequence[Any], by_name: Mapping[str, Any]) -> dict[tuple, float]:
    """(view, metric, (feature, row)) -> the score of the controls' strongest unit in any layer."""
    best: dict[tuple, float] = {}
    for network, comparison, name, outputs in found:
        if network not in CONTROLS:
            continue
        scores = np.asarray(outputs["score"])
        strength = np.nan_to_num(np.abs(scores) if by_name[name].signed else scores, nan=-np.inf)
        for column, place in enumerate(columns(comparison.problem, by_name[name])):
            n = int(np.argmax(strength[:, column]))
            key = (comparison.problem.view, name, place)
            before = best.get(key, np.nan)
            size = abs(before) if by_name[name].signed else before
            if strength[n, column] > -np.inf and not size >= strength[n, column]:
                best[key] = float(scores[n, column])
    return best
