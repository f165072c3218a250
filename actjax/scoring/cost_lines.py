"""What a run costs, in words: minutes of its stages, and of the nulls that it asks for."""

import math

from actjax.scoring import cost, nulls, plan
from actjax.setup import Scored


def null_line(scored: Scored, planned: plan.Plan, rearranged: nulls.Rearrangements | None, clips: int) -> str:
    """Says which metrics get p-values in which views, and how long that takes."""
    tested: dict[str, list[str]] = {}
    for comparison in (c for _, comparisons in planned.families for c in comparisons):
        for metric in comparison.tested:
            views = tested.setdefault(metric.name, [])
            views += [comparison.problem.view] * (comparison.problem.view not in views)
    if scored.null is None or not tested:
        return "none: no p-values"
    seconds = {}
    if rearranged is not None:
        seconds = cost.null_seconds(planned, rearranged, scored.part, clips)
    lines = [
        f"{name} ({', '.join(views)})" + (f" {_minutes(seconds[name])}" if name in seconds else "")
        for name, views in tested.items()
    ]
    when = "" if seconds else "; how long: once the data set is prepared"
    return f"{scored.null.kind}, {scored.null.replicates} replicates, of {', '.join(lines)}{when}"


def time_line(training_s: float | None, scoring_s: float | None) -> str:
    """Minutes at the quickstart's rates; None for no training, and for clips that are not there yet."""
    said = [f"training {_minutes(training_s)}"] if training_s is not None else []
    unknown = "scores: once the data set is prepared"
    said.append(unknown if scoring_s is None else f"scores {_minutes(scoring_s)}")
    more = "data, findings and report come on top"
    return f"{', '.join(said)}, at the quickstart's rates on two CPU cores; {more}"


def _minutes(seconds: float) -> str:
    if seconds < 90:
        return f"{max(1, math.ceil(seconds))} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
