"""What comes to a score run from elsewhere: arrays of activations, features by clip, host features."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from actjax import options
from actjax.activations import capture, comparisons
from actjax.activations.clips import ReadLayers
from actjax.data import loader
from actjax.external import features as external_features
from actjax.external import layers as external_layers
from actjax.external import truth
from actjax.external.properties import rows_of
from actjax.setup import EXTERNAL, KnownOfClips, Scored
from actjax.types import Feature, LeftOut


def activations(scored: Scored) -> external_layers.Activations | None:
    """Opens the file of `score.activations`; None where there is none."""
    if scored.activations is None:
        return None
    return external_layers.open_activations(
        scored.activations, scored.layers, bound=scored.memory_bytes, at_once=scored.batch_size
    )


def in_file_order(source: loader.Source, opened: external_layers.Activations | None) -> loader.Source:
    """Takes the clips in the order in which they stand in the file, so that it is read from start to end."""
    if opened is None:
        return source
    return source.take(np.argsort(rows_of(opened.path, opened.clip_ids, source.clip_ids)))


def features(
    chosen: Sequence[Feature | KnownOfClips], scored: Scored, source: loader.Source
) -> tuple[Feature, ...]:
    """Makes the features of `score.features` and those of the files in `score.external_features`.

    Args:
      chosen: of the setup.
      scored: of the setup.
      source: the clips, of which some features are known.
    """
    named = [
        truth.load(one.name, source, **one.options) if isinstance(one, KnownOfClips) else one
        for one in chosen
    ]
    named += external_features.open_features(
        scored.external_features, source.clip_ids, bound=scored.memory_bytes, at_once=scored.batch_size
    )
    options.refuse_repeats("score.features with score.external_features", [f.name for f in named])
    return tuple(named)


def family(
    opened: external_layers.Activations, features: Sequence[Feature], setting: comparisons.Setting
) -> tuple[capture.Family, list[LeftOut]]:
    """Makes the layers of a file a network of their own."""
    problems, left_out = external_layers.plan(opened.layers, features, setting)
    # One network, whose only variable is not used: what is stacked needs a leading axis.
    return capture.Family(
        (EXTERNAL,), None, {"none": np.zeros((1, 1), np.float32)}, tuple(problems)
    ), left_out


def fingerprint(scored: Scored) -> list[tuple[str, int, int]]:
    """Lists the files that a run reads: names, sizes and times of change, for the score set's name."""
    listed = []
    for path in (*([scored.activations] if scored.activations else ()), *scored.external_features):
        files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path, *_beside(path)]
        listed += [(str(p), p.stat().st_size, p.stat().st_mtime_ns) for p in files if p.exists()]
    return listed


def _beside(path: Path) -> list[Path]:
    """Lists what a single .npy is read with."""
    if path.suffix.lower() != ".npy":
        return []
    return [path.parent / "clip_ids.npy", *sorted(path.with_suffix("").rglob("*.npy"))]


def layer_reader(
    opened: external_layers.Activations | None, families: Sequence[capture.Family], source: loader.Source
) -> ReadLayers | None:
    """Makes what reads a file's layers on some clips; only layers that a problem needs.

    Args:
      opened: the file, or None.
      families: those without `apply` are the file's.
      source: the clips, into which the reader's index points.
    """
    if opened is None:
        return None
    used = {p.layer.name for f in families if f.apply is None for p in f.problems}
    layers = [layer for layer in opened.layers if layer.name in used]
    rows = rows_of(opened.path, opened.clip_ids, source.clip_ids)
    return lambda index: {layer.name: layer.read(rows[index]) for layer in layers}
