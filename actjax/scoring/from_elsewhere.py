"""What comes to a score run from elsewhere: arrays of activations, features by clip, host features."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from actjax import options, run
from actjax.activations import capture, comparisons
from actjax.activations.clips import ReadLayers
from actjax.data import loader
from actjax.external import features as external_features
from actjax.external import layers as external_layers
from actjax.external.properties import rows_of
from actjax.types import Feature

NETWORK = "external"


def activations(config: Any) -> external_layers.Activations | None:
    """The file of `score.activations`, opened, or None."""
    if not config.score.activations:
        return None
    return external_layers.open_activations(config.score.activations, config.score.layers, **_bounds(config))


def _bounds(config: Any) -> dict[str, int]:
    """How much memory a file may ask for, and how many clips are read at once."""
    return {"bound": int(config.score.memory_gib * 2**30), "at_once": config.score.batch_size}


def networks(config: Any) -> list[str]:
    """The networks that a run scores: activations from elsewhere take the place of the run's own."""
    asked = options.comma_list(config.score.networks)
    return [NETWORK, *(n for n in asked if n == "input")] if config.score.activations else asked


def in_file_order(source: loader.Source, found: external_layers.Activations | None) -> loader.Source:
    """The clips in the order in which they stand in the file, so that it is read from start to end."""
    if found is None:
        return source
    return source.take(np.argsort(rows_of(found.path, found.clip_ids, source.clip_ids)))


def features(config: Any, source: loader.Source) -> tuple[Feature, ...]:
    """The features of `score.features` and those of the files in `score.external_features`."""
    paths = options.comma_list(config.score.external_features)
    given_in_files = external_features.open_features(paths, source.clip_ids, **_bounds(config))
    made = [*run.features(config, source), *given_in_files]
    options.refuse_repeats("score.features with score.external_features", [f.name for f in made])
    return tuple(made)


def family(
    found: external_layers.Activations, features: Sequence[Feature], setting: comparisons.Setting
) -> tuple[capture.Family, list[comparisons.LeftOut]]:
    """The layers of a file as a network of their own."""
    made, left_out = external_layers.plan(found.layers, features, setting)
    # One network, whose only variable is not used: what is stacked needs a leading axis.
    return capture.Family((NETWORK,), None, {"none": np.zeros((1, 1), np.float32)}, tuple(made)), left_out


def fingerprint(config: Any) -> list[Any]:
    """Which files a run reads: their names, sizes and times of change, for the score set's name."""
    paths = [p for p in (config.score.activations, *options.comma_list(config.score.external_features)) if p]
    found = []
    for path in (Path(p).expanduser() for p in paths):
        inner = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path, *_beside(path)]
        found += [[str(p), p.stat().st_size, p.stat().st_mtime_ns] for p in inner if p.exists()]
    return found


def _beside(path: Path) -> list[Path]:
    """What a single .npy is read with."""
    if path.suffix.lower() != ".npy":
        return []
    return [path.parent / "clip_ids.npy", *sorted(path.with_suffix("").rglob("*.npy"))]


def layer_reader(
    opened: external_layers.Activations | None, families: Sequence[capture.Family], source: loader.Source
) -> ReadLayers | None:
    """What reads the outputs of a file's layers on some clips; only of layers that a problem needs.

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
