"""What a run costs, in words: minutes of its stages, and of the nulls that it asks for."""

import math
from collections.abc import Mapping
from typing import Any

from actjax import run as runs
from actjax.scoring import cost, nulls, plan


def null_line(config: Any, made: plan.Plan, rearranged: nulls.Rearrangements | None, clips: int) -> str:
    """Which metrics get p-values in which views, and how long that takes."""
    tested: dict[str, list[str]] = {}
    for comparison in (c for _, comparisons in made.families for c in comparisons):
        for metric in comparison.tested:
            views = tested.setdefault(metric.name, [])
            views += [comparison.problem.view] * (comparison.problem.view not in views)
    if not tested:
        return "none: no p-values"
    seconds = {}
    if rearranged is not None:
        seconds = cost.null_seconds(made, rearranged, config.score.part, clips)
    parts = [
        f"{name} ({', '.join(views)})" + (f" {_minutes(seconds[name])}" if name in seconds else "")
        for name, views in tested.items()
    ]
    when = "" if seconds else "; how long: once the data set is prepared"
    return f"{config.score.null}, {config.score.replicates} replicates, of {', '.join(parts)}{when}"


def time_line(run: runs.Run, made: plan.Plan, clips: Mapping[str, int] | None, shape: tuple[int, int]) -> str:
    """Minutes at the quickstart's rates, of what the shapes tell."""
    config, parts = run.config, []
    if not (config.weights or config.score.activations):
        parts.append(("training", cost.training_seconds(run, shape)))
    if clips is None:
        scoring = "scores: once the data set is prepared"
    else:
        parts.append(("scores", cost.scoring_seconds(made, clips[config.score.split])))
        scoring = ""
    said = ", ".join([f"{name} {_minutes(s)}" for name, s in parts] + ([scoring] if scoring else []))
    return f"{said}, at the quickstart's rates on two CPU cores; data, findings and report come on top"


def _minutes(seconds: float) -> str:
    if seconds < 90:
        return f"{max(1, math.ceil(seconds))} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
