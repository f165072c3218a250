"""What a run would do: neurons, pairs, memory and disk, from shapes alone."""

import os

from actjax.activations import external, problems
from actjax.datasets import loader
from actjax.stages import _comparisons, _external, _networks, _parts


def describe(run: _parts.Run) -> str:
    """A table of what --stage=all would do; touches neither data nor devices' memory."""
    config, front = run.config, _parts.frontend(run.config)
    builder = _parts.builder(run)
    _parts.check_split(config, builder)
    shape = _parts.image_shape(front, builder.clip_samples)
    classes = len(builder.class_names)
    prepared = os.path.isdir(builder.data_dir)
    source = loader.open_source(builder, config.score.split) if prepared else None
    # What the data set knows of its clips is counted once it is there.
    features = _external.features(config, source) if source else _parts.features(config)
    metrics = _parts.metrics(config)
    setting = _comparisons.setting(config, front, builder.clip_samples, metrics)
    elsewhere = _external.activations(config)
    if elsewhere is not None:
        layers = [one.layer(setting) for one in elsewhere.layers]
        made, left_out = external.plan(elsewhere.layers, features, setting)
    else:
        layers = _networks.layers(run, classes, shape)
        made, left_out = problems.plan(layers, features, setting)
    tile = int(config.score.memory_gib * 2**30 / 4)
    comparisons = [_comparisons.compare(p, metrics, config.score.part, tile) for p in made]
    networks = [n for n in _external.networks(config) if n != "input"]
    pairs = sum(c.pairs for c in comparisons) * len(networks)
    clips = {s: len(loader.open_source(builder, s)) for s in builder.info.splits} if prepared else None
    state = 4 * 3 * sum(c.problem.neurons * len(c.problem.rows) for c in comparisons) * max(len(networks), 1)
    padded = [x.name for x in layers if x.is_map and not x.frequency.inside().any()]
    reasons = sorted({f"{x.view} view: {x.reason}" for x in left_out})
    rows = [
        (
            "data set",
            f"{builder.info.full_name}, {'prepared: ' + str(clips) if prepared else 'to be prepared'}",
        ),
        ("input", f"{shape[0]} bands x {shape[1]} frames"),
        ("layers", ", ".join(f"{layer.name} ({layer.neurons})" for layer in layers)),
        ("neurons", f"{sum(layer.neurons for layer in layers):,} in each of {len(networks)} networks"),
        ("features", f"{len(features)} with {sum(f.rows for f in features)} rows"),
        ("scores", f"{pairs:,} by {', '.join(m.name for m in metrics)}"),
        ("accumulators", f"{state / 2**20:.1f} MiB a device; tiles up to {config.score.memory_gib} GiB"),
        ("table on disk", f"about {pairs * 20 / 2**20:.1f} MiB"),
        ("all bands padded", ", ".join(padded) or "no layer"),
        ("left out", f"{len(left_out)} comparisons" + "".join(f"\n  {reason}" for reason in reasons)),
    ]
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"{name.ljust(width)}  {value}" for name, value in rows)
