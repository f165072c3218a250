"""What a run would do: neurons, scores, memory, disk and time, from shapes alone."""

import math
import os
from collections.abc import Mapping
from typing import Any

from actjax import run as runs
from actjax.data import loader
from actjax.scoring import cost, from_elsewhere, nulls, plan


def describe(run: runs.Run) -> str:
    """A table of what --stage=all would do; touches neither data nor devices' memory."""
    config, front = run.config, runs.frontend(run.config)
    builder = runs.builder(run)
    runs.check_split(config, builder)
    shape = runs.image_shape(front, builder.clip_samples)
    prepared = os.path.isdir(builder.data_dir)
    source = loader.open_source(builder, config.score.split) if prepared else None
    # A null that the clips cannot support is refused.
    rearranged = None if source is None else nulls.draws(config, source)
    # What the data set and files know of its clips is counted once it is there.
    features = from_elsewhere.features(config, source) if source else runs.features(config)
    elsewhere = from_elsewhere.activations(config)
    own = [n for n in from_elsewhere.networks(config) if n not in ("input", from_elsewhere.NETWORK)]
    classes = len(builder.class_names)
    count = len(source) if source else 1
    made = plan.plan(run, builder.clip_samples, classes, features, dict.fromkeys(own), elsewhere, count)
    layers = {p.layer.name: p.layer for family, _ in made.families for p in family.problems}
    neurons = sum(n for name, n in cost.neurons(made).items() if name not in ("bands", "image"))
    rows, mib = cost.score_rows(made), cost.state_mib(made)
    clips = {s: len(loader.open_source(builder, s)) for s in builder.info.splits} if prepared else None
    reasons = sorted({f"{x.view} view: {x.reason}" for x in made.left_out})
    padded = [x.name for x in layers.values() if x.is_map and not x.frequency.inside().any()]
    metrics = ", ".join(m.name for m in runs.metrics(config))
    shown = [
        (
            "data set",
            f"{builder.info.full_name}, {'prepared: ' + str(clips) if prepared else 'to be prepared'}",
        ),
        ("input", f"{shape[0]} bands x {shape[1]} frames"),
        ("layers", ", ".join(f"{layer.name} ({layer.neurons})" for layer in layers.values())),
        ("neurons", f"{neurons:,} in each of {max(len(own), 1)} networks"),
        ("features", f"{len(features)} with {sum(f.rows for f in features)} rows"),
        ("scores", f"{rows:,} by {metrics}; networks: {', '.join(from_elsewhere.networks(config))}"),
        ("null", _null(config, made, rearranged, count)),
        (
            "accumulators",
            f"{mib:.1f} MiB a device; tiles up to {config.score.memory_gib} GiB",
        ),
        (
            "kept on disk",
            f"{cost.kept_mib(made, count):.1f} MiB of observations{_each(source)}, while it scores",
        ),
        ("table on disk", f"about {rows * 20 / 2**20:.1f} MiB"),
        ("time", _time(run, made, clips, shape)),
        ("all bands padded", ", ".join(padded) or "no layer"),
        ("left out", f"{len(made.left_out)} comparisons" + "".join(f"\n  {reason}" for reason in reasons)),
    ]
    width = max(len(name) for name, _ in shown)
    return "\n".join(f"{name.ljust(width)}  {value}" for name, value in shown)


def _each(source: loader.Source | None) -> str:
    return "" if source else " a clip"


def _null(config: Any, made: plan.Plan, rearranged: nulls.Rearrangements | None, clips: int) -> str:
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


def _time(run: runs.Run, made: plan.Plan, clips: Mapping[str, int] | None, shape: tuple[int, int]) -> str:
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
