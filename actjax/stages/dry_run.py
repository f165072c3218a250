"""What a run would do: neurons, scores, memory, disk and time, from shapes alone."""

import math
import os
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp

from actjax import run as runs
from actjax.data import loader
from actjax.scoring import from_elsewhere, networks, nulls
from actjax.stages import score

# The quickstart's on two CPU cores; other metrics, networks and machines differ from it by factors.
COMPILE_S = 1.5  # for each program that scores
SCORES_A_SECOND = 20e6  # scores x clips
TRAIN_FLOPS = 30e9  # a second, of three forward passes, which forward and backward come to


def describe(run: runs.Run) -> str:
    """A table of what --stage=all would do; touches neither data nor devices' memory."""
    config, front = run.config, runs.frontend(run.config)
    builder = runs.builder(run)
    runs.check_split(config, builder)
    shape = runs.image_shape(front, builder.clip_samples)
    prepared = os.path.isdir(builder.data_dir)
    source = loader.open_source(builder, config.score.split) if prepared else None
    if source is not None:
        score.check(run)
    # What the data set and files know of its clips is counted once it is there.
    features = from_elsewhere.features(config, source) if source else runs.features(config)
    elsewhere = from_elsewhere.activations(config)
    own = [n for n in from_elsewhere.networks(config) if n not in ("input", from_elsewhere.NETWORK)]
    classes = len(builder.class_names)
    count = len(source) if source else 1
    made = score.plan(run, builder.clip_samples, classes, features, dict.fromkeys(own), elsewhere, count)
    layers = {p.layer.name: p.layer for family, _ in made.families for p in family.problems}
    neurons = sum(n for name, n in _neurons(made).items() if name not in ("bands", "image"))
    rows = score_rows(made)
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
        ("null", _null(config)),
        ("accumulators", f"{_state_mib(made):.1f} MiB a device; tiles up to {config.score.memory_gib} GiB"),
        ("table on disk", f"about {rows * 20 / 2**20:.1f} MiB"),
        ("time", _time(run, made, rows, clips, shape)),
        ("all bands padded", ", ".join(padded) or "no layer"),
        ("left out", f"{len(made.left_out)} comparisons" + "".join(f"\n  {reason}" for reason in reasons)),
    ]
    width = max(len(name) for name, _ in shown)
    return "\n".join(f"{name.ljust(width)}  {value}" for name, value in shown)


def score_rows(made: score.Plan) -> int:
    """How many rows the score table will have."""
    return sum(len(family.networks) * c.pairs for family, comparisons in made.families for c in comparisons)


def _neurons(made: score.Plan) -> dict[str, int]:
    """Layer -> neurons that are scored, cells in frequency as neurons of their own where they are."""
    found: dict[str, int] = {}
    for family, _ in made.families:
        for problem in family.problems:
            found[problem.layer.name] = max(found.get(problem.layer.name, 0), problem.neurons)
    return found


def _null(config: Any) -> str:
    tested = ", ".join(nulls.tested(config))
    if not tested:
        return "none: no p-values"
    return (
        f"{config.score.null}, {config.score.replicates} replicates, of {tested} in the clip and frame views"
    )


def _state_mib(made: score.Plan) -> float:
    """What the streaming metrics accumulate in."""
    states = (
        (len(family.networks), jax.eval_shape(c.stream.init))
        for family, comparisons in made.families
        for c in comparisons
        if c.stream
    )
    sizes = (w * leaf.size * leaf.dtype.itemsize for w, state in states for leaf in jax.tree.leaves(state))
    return sum(sizes) / 2**20


def _time(
    run: runs.Run, made: score.Plan, rows: int, clips: Mapping[str, int] | None, shape: tuple[int, int]
) -> str:
    """Minutes at the quickstart's rates, of what the shapes tell."""
    config, parts = run.config, []
    if not (config.weights or config.score.activations):
        passes = config.train.steps * config.train.batch_size
        seconds = 3 * passes * _forward_flops(run, shape) / TRAIN_FLOPS
        parts.append(("training", seconds))
    if clips is None:
        scoring = "scores: once the data set is prepared"
    else:
        seconds = COMPILE_S * _programs(made) + rows * clips[config.score.split] / SCORES_A_SECOND
        parts.append(("scores", seconds))
        scoring = ""
    said = ", ".join([f"{name} {_minutes(s)}" for name, s in parts] + ([scoring] if scoring else []))
    return f"{said}, at the quickstart's rates on two CPU cores; data, findings and report come on top"


def _minutes(seconds: float) -> str:
    if seconds < 90:
        return f"{max(1, math.ceil(seconds))} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _programs(made: score.Plan) -> int:
    """How many programs scoring compiles: one for each stream and number of frames, one a family."""
    streams = {
        (c.stream, c.frames) for _, comparisons in made.families for c in comparisons if c.stream is not None
    }
    collected = sum(len(c.collected) for _, comparisons in made.families for c in comparisons)
    return len(streams) + collected + len(made.families)


def _forward_flops(run: runs.Run, shape: tuple[int, int]) -> float:
    """Floating-point operations of the network on one clip, from its program before it is compiled."""
    module = networks.module(run, 2)
    image = jax.ShapeDtypeStruct((1, *shape), jnp.float32)
    variables = jax.eval_shape(lambda x: module.init(jax.random.key(0), x, train=False), image)
    program = jax.jit(lambda v, x: module.apply(v, x, train=False)).lower(variables, image)
    return float((program.cost_analysis() or {}).get("flops", 0.0))
