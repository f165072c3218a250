"""What a run would do: neurons, scores, memory, disk and time, from shapes alone."""

import os

from actjax import run as runs
from actjax.data import loader
from actjax.scoring import cost, cost_lines, from_elsewhere, nulls, plan


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
        ("null", cost_lines.null_line(config, made, rearranged, count)),
        (
            "accumulators",
            f"{mib:.1f} MiB a device; tiles up to {config.score.memory_gib} GiB",
        ),
        (
            "kept on disk",
            f"{cost.kept_mib(made, count):.1f} MiB while it scores{'' if source else ', a clip'}",
        ),
        ("table on disk", f"about {rows * 20 / 2**20:.1f} MiB"),
        ("time", cost_lines.time_line(run, made, clips, shape)),
        ("all bands padded", ", ".join(padded) or "no layer"),
        ("left out", f"{len(made.left_out)} comparisons" + "".join(f"\n  {reason}" for reason in reasons)),
    ]
    width = max(len(name) for name, _ in shown)
    return "\n".join(f"{name.ljust(width)}  {value}" for name, value in shown)
