"""What the score table holds beside the scores: errors and intervals over recordings, the controls' best."""

from collections.abc import Iterator, Sequence

import numpy as np

from actjax.scoring.tasks import ScoredTask, columns
from actjax.statistics import bootstrap

CONTROLS = ("untrained", "input")
# (view, metric, (feature, row)).
Key = tuple[str, str, tuple[str, int]]


def complete(tasks: Sequence[ScoredTask], recording_ids: Sequence[str]) -> Iterator[ScoredTask]:
    """Adds ci_low, ci_high and control_score [n, k] to the outputs, and gives std_error over recordings.

    A standard error that a metric has over its clips ("std_error") is widened by the design effect, as if
    clips of one recording were all alike; one of moments ("recording_error") is over recordings already.

    Args:
      tasks: of the whole run.
      recording_ids: [b] of the clips scored.
    """
    best = _strongest_controls(tasks)
    widen, recordings = np.sqrt(bootstrap.design_effect(recording_ids)), len(set(recording_ids))
    for task in tasks:
        outputs = dict(task.outputs)
        over_recordings = outputs.pop("recording_error", None)
        if "std_error" in outputs:
            outputs["std_error"] = outputs["std_error"] * np.float32(widen)
        elif over_recordings is not None:
            outputs["std_error"] = over_recordings
        if "std_error" in outputs:
            undefined = np.isnan(outputs["score"])
            outputs["std_error"] = np.where(undefined, np.float32(np.nan), outputs["std_error"])
            outputs["ci_low"], outputs["ci_high"] = bootstrap.score_interval(
                outputs["score"], outputs["std_error"], recordings, task.metric.range[:2]
            )
        if task.network not in CONTROLS:
            row = [best.get(key, np.nan) for key in _keys(task)]
            outputs["control_score"] = np.broadcast_to(np.asarray(row, np.float32), outputs["score"].shape)
        yield task._replace(outputs=outputs)


def _strongest_controls(tasks: Sequence[ScoredTask]) -> dict[Key, float]:
    """Finds the score of the controls' strongest unit in any layer, for each key."""
    best: dict[Key, float] = {}
    for task in tasks:
        if task.network not in CONTROLS:
            continue
        scores = np.asarray(task.outputs["score"])
        strength = np.nan_to_num(np.abs(scores) if task.metric.signed else scores, nan=-np.inf)
        for column, key in enumerate(_keys(task)):
            n = int(np.argmax(strength[:, column]))
            before = best.get(key, np.nan)
            size = abs(before) if task.metric.signed else before
            if strength[n, column] > -np.inf and not size >= strength[n, column]:
                best[key] = float(scores[n, column])
    return best


def _keys(task: ScoredTask) -> list[Key]:
    """For each column of the scores, what a control must have in common with it."""
    problem = task.comparison.problem
    return [(problem.view, task.metric.name, place) for place in columns(problem, task.metric)]
