"""What a run would do: neurons, scores, memory, disk and time, from shapes alone."""

import os

from actjax import runs
from actjax.data.loader import Source
from actjax.scoring import checkpoints, cost, cost_lines, from_elsewhere, networks, nulls, plan


def describe(run: runs.Run) -> str:
    """Tells what --stage=all would do, as a table; touches neither data nor devices' memory."""
    run.check_split()
    source = run.open_source(run.setup.scored.split) if os.path.isdir(run.builder.data_dir) else None
    planned = _planned(run, source)
    lines = _compared(run, planned, source) | _costs(run, planned, source) | _left_out(planned)
    width = max(len(name) for name in lines)
    return "\n".join(f"{name.ljust(width)}  {value}" for name, value in lines.items())


def _planned(run: runs.Run, source: Source | None) -> plan.Plan:
    setup, scored = run.setup, run.setup.scored
    # What the data set and files know of its clips is counted once it is there.
    features = setup.computed_features
    if source is not None:
        features = from_elsewhere.features(setup.features, scored, source)
    network = networks.open_network(run, len(run.builder.class_names)) if scored.run_networks else None
    weights = dict.fromkeys((*scored.run_networks, *checkpoints.expected_names(run)))
    elsewhere = from_elsewhere.activations(scored)
    return plan.plan(setup, features, network, weights, elsewhere, len(source) if source else 1)


def _compared(run: runs.Run, planned: plan.Plan, source: Source | None) -> dict[str, str]:
    """Tells the data, both sides of the comparisons, and how many scores they give."""
    info, scored = run.builder.info, run.setup.scored
    clips = {split: len(run.open_source(split)) for split in info.splits} if source else None
    bands, frames = run.setup.image_shape_ft
    layers = {p.layer.name: p.layer for family, _ in planned.families for p in family.problems}
    neurons = sum(n for name, n in cost.neurons(planned).items() if name not in ("bands", "image"))
    metrics = ", ".join(chosen.metric.name for chosen in run.setup.metrics)
    features, earlier = planned.features, checkpoints.expected_names(run)
    named = ", ".join((*scored.networks, *earlier))
    return {
        "data set": f"{info.full_name}, {f'prepared: {clips}' if clips else 'to be prepared'}",
        "input": f"{bands} bands x {frames} frames",
        "layers": ", ".join(f"{layer.name} ({layer.neurons})" for layer in layers.values()),
        "neurons": f"{neurons:,} in each of {max(len(scored.run_networks) + len(earlier), 1)} networks",
        "features": f"{len(features)} with {sum(f.rows for f in features)} rows",
        "scores": f"{cost.score_rows(planned):,} by {metrics}; networks: {named}",
    }


def _costs(run: runs.Run, planned: plan.Plan, source: Source | None) -> dict[str, str]:
    """Tells the null, what is held, kept and written, and how long it takes."""
    scored, clips = run.setup.scored, len(source) if source else 1
    # A null that the clips cannot support is refused.
    rearranged = None if source is None else nulls.draws(scored.null, source)
    held = f"{cost.state_mib(planned):.1f} MiB a device; tiles up to {scored.memory_bytes / 2**30:g} GiB"
    on_disk = f"{cost.stored_mib(planned, clips):.1f} MiB while it scores{'' if source else ', a clip'}"
    passes = None
    if not (run.config.weights or scored.activations):
        passes = run.config.train.steps * run.config.train.batch_size
    training_s = None if passes is None else cost.training_seconds(run.setup, passes)
    scoring_s = None if source is None else cost.scoring_seconds(planned, clips)
    return {
        "null": cost_lines.null_line(scored, planned, rearranged, clips),
        "accumulators": held,
        "kept on disk": on_disk,
        "table on disk": f"about {cost.score_rows(planned) * 20 / 2**20:.1f} MiB",
        "time": cost_lines.time_line(training_s, scoring_s),
    }


def _left_out(planned: plan.Plan) -> dict[str, str]:
    """Tells what is not compared, and why."""
    layers = {p.layer.name: p.layer for family, _ in planned.families for p in family.problems}
    padded = [x.name for x in layers.values() if x.frequency is not None and not x.frequency.inside().any()]
    reasons = sorted({f"{one.view} view: {one.reason}" for one in planned.left_out})
    listed = "".join(f"\n  {reason}" for reason in reasons)
    return {
        "all bands padded": ", ".join(padded) or "no layer",
        "left out": f"{len(planned.left_out)} comparisons{listed}",
    }
