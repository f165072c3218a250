"""What a run would do: neurons, scores, memory, disk and time, from shapes alone."""

import math
import os
from collections.abc import Mapping
from typing import Any

from actjax import run as runs
from actjax.data import loader
from actjax.network import make_module
from actjax.scoring import cost, from_elsewhere, networks, nulls, plan


def describe(run: runs.Run) -> str:
    """A table of what --stage=all would do; touches neither data nor devices' memory."""
    config, setup, builder = run.config, run.setup, run.builder
    run.check_split()
    shape = setup.image_shape_ft
    prepared = os.path.isdir(builder.data_dir)
    source = run.open_source(setup.scored.split) if prepared else None
    if source is not None:
        nulls.draws(config, source)  # a null that the clips cannot support is refused
    # What the data set and files know of its clips is counted once it is there.
    features = setup.computed_features
    if source is not None:
        features = from_elsewhere.features(setup.features, setup.scored, source)
    elsewhere, own = from_elsewhere.activations(setup.scored), setup.scored.own_networks
    network = networks.open_network(run, len(builder.class_names)) if own else None
    count = len(source) if source else 1
    tested = nulls.tested(config)
    made = plan.plan(setup, features, network, dict.fromkeys(own), elsewhere, count, tested=tested)
    layers = {p.layer.name: p.layer for family, _ in made.families for p in family.problems}
    neurons = sum(n for name, n in cost.neurons(made).items() if name not in ("bands", "image"))
    rows, mib = cost.score_rows(made), cost.state_mib(made)
    clips = {s: len(loader.open_source(builder, s)) for s in builder.info.splits} if prepared else None
    reasons = sorted({f"{x.view} view: {x.reason}" for x in made.left_out})
    padded = [x.name for x in layers.values() if x.is_map and not x.frequency.inside().any()]
    metrics = ", ".join(chosen.metric.name for chosen in setup.metrics)
    shown = [
        (
            "data set",
            f"{builder.info.full_name}, {'prepared: ' + str(clips) if prepared else 'to be prepared'}",
        ),
        ("input", f"{shape[0]} bands x {shape[1]} frames"),
        ("layers", ", ".join(f"{layer.name} ({layer.neurons})" for layer in layers.values())),
        ("neurons", f"{neurons:,} in each of {max(len(own), 1)} networks"),
        ("features", f"{len(features)} with {sum(f.rows for f in features)} rows"),
        ("scores", f"{rows:,} by {metrics}; networks: {', '.join(setup.scored.networks)}"),
        ("null", _null(config)),
        (
            "accumulators",
            f"{mib:.1f} MiB a device; tiles up to {config.score.memory_gib} GiB",
        ),
        ("table on disk", f"about {rows * 20 / 2**20:.1f} MiB"),
        ("time", _time(run, made, clips)),
        ("all bands padded", ", ".join(padded) or "no layer"),
        ("left out", f"{len(made.left_out)} comparisons" + "".join(f"\n  {reason}" for reason in reasons)),
    ]
    width = max(len(name) for name, _ in shown)
    return "\n".join(f"{name.ljust(width)}  {value}" for name, value in shown)


def _null(config: Any) -> str:
    tested = ", ".join(nulls.tested(config))
    if not tested:
        return "none: no p-values"
    return (
        f"{config.score.null}, {config.score.replicates} replicates, of {tested} in the clip and frame views"
    )


def _time(run: runs.Run, made: plan.Plan, clips: Mapping[str, int] | None) -> str:
    """Minutes at the quickstart's rates, of what the shapes tell."""
    config, parts = run.config, []
    if not (config.weights or config.score.activations):
        trained = config.train.steps * config.train.batch_size
        module = make_module(run.setup.model, num_classes=2)
        parts.append(("training", cost.training_seconds(module, run.setup.image_shape_ft, trained)))
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
