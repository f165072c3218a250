"""What comes to a score run from elsewhere: arrays of activations, features by clip, host features."""

import concurrent.futures
import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from actjax import options
from actjax.activations import _external_features, capture, external, given, problems
from actjax.activations._external_described import rows_of
from actjax.datasets import loader
from actjax.features._batch import compute_host
from actjax.stages import _parts
from actjax.types import Feature

NETWORK = "external"
Given = Mapping[str, Mapping[str, Any]]


def activations(config: Any) -> external.Activations | None:
    """The file of `score.activations`, opened, or None."""
    if not config.score.activations:
        return None
    return external.open_activations(config.score.activations, config.score.layers)


def networks(config: Any) -> list[str]:
    """The networks that a run scores: activations from elsewhere take the place of the run's own."""
    asked = options.comma_list(config.score.networks)
    return [NETWORK, *(n for n in asked if n == "input")] if config.score.activations else asked


def in_file_order(source: loader.Source, found: external.Activations | None) -> loader.Source:
    """The clips in the order in which they stand in the file, so that it is read from start to end."""
    if found is None:
        return source
    rows = rows_of(found.path, found.clip_ids, source.clip_ids)
    order = np.argsort(rows)
    return dataclasses.replace(
        source,
        reader=_Reordered(source.reader, order),
        clip_ids=[source.clip_ids[i] for i in order],
        recording_ids=[source.recording_ids[i] for i in order],
        labels=source.labels[order],
    )


def features(config: Any, source: loader.Source) -> tuple[Feature, ...]:
    """The features of `score.features` and those of the files in `score.external_features`."""
    paths = options.comma_list(config.score.external_features)
    made = [*_parts.features(config, source), *_external_features.open_features(paths, source.clip_ids)]
    options.refuse_repeats("score.features with score.external_features", [f.name for f in made])
    return tuple(made)


def family(
    found: external.Activations, features: Sequence[Feature], setting: problems.Setting
) -> tuple[capture.Family, list[problems.LeftOut]]:
    """The layers of a file as a network of their own."""
    made, left_out = external.plan(found.layers, features, setting)
    # One network, whose only variable is not used: what is stacked needs a leading axis.
    return capture.Family((NETWORK,), None, {"none": np.zeros((1, 1), np.float32)}, tuple(made)), left_out


def fingerprint(config: Any) -> list[Any]:
    """Which files a run reads: their names, sizes and times of change, for the score set's name."""
    paths = [p for p in (config.score.activations, *options.comma_list(config.score.external_features)) if p]
    found = []
    for path in (Path(p).expanduser() for p in paths):
        inner = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
        found += [[str(p), p.stat().st_size, p.stat().st_mtime_ns] for p in inner if p.exists()]
    return found


def reader(
    found: external.Activations | None,
    families: Sequence[capture.Family],
    features: Sequence[Feature],
    source: loader.Source,
) -> Callable[[np.ndarray, np.ndarray, np.ndarray], Given]:
    """What `capture.make_observe` is given with each batch.

    Returns:
      (index [b], mask [b], audio [b, s]) -> {"layers": {name: [b, ...]}, "features": {name: (values,
      valid)}}, zeros where the mask is False. Only layers that some problem needs are read.
    """
    layers: list[external.ExternalLayer] = []
    rows = np.zeros(0, np.int64)
    if found is not None:
        used = {p.layer.name for f in families if f.apply is None for p in f.problems}
        layers = [layer for layer in found.layers if layer.name in used]
        rows = rows_of(found.path, found.clip_ids, source.clip_ids)
    looked_up = [f for f in features if isinstance(f, given.GivenFeature)]
    hosted = [f for f in features if f.host]

    def read(index: np.ndarray, mask: np.ndarray, audio: np.ndarray) -> Given:
        real = index[mask]
        values = {f.name: given.values_and_validity(f, real) for f in looked_up}
        values |= {f.name: compute_host(f, audio[mask]) for f in hosted} if len(real) else {}
        return {
            "layers": {layer.name: _padded(layer.read(rows[real]), mask) for layer in layers},
            "features": {
                name: tuple(_padded(side, mask) for side in sides) for name, sides in values.items()
            },
        }

    return read


def with_given(
    batches: Iterable[Mapping[str, np.ndarray]], read: Callable[..., Given]
) -> Iterator[dict[str, Any]]:
    """Adds "given" to every batch; the next batch is read while the caller works on this one."""

    def complete(batch: Mapping[str, np.ndarray]) -> dict[str, Any]:
        return {**batch, "given": read(batch["index"], batch["mask"], batch["audio"])}

    with concurrent.futures.ThreadPoolExecutor(1) as ahead:
        waiting = None
        for batch in batches:
            following = ahead.submit(complete, batch)
            if waiting is not None:
                yield waiting.result()
            waiting = following
        if waiting is not None:
            yield waiting.result()


class _Reordered:
    """Clips of a reader in another order."""

    def __init__(self, reader: Any, order: np.ndarray):
        self.reader, self.order = reader, order

    def __len__(self) -> int:
        return len(self.order)

    def __getitem__(self, index: int) -> Any:
        return self.reader[int(self.order[index])]


def _padded(values: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """[real, ...] -> [b, ...], zeros where the mask is False."""
    if mask.all():
        return values
    out = np.zeros((len(mask), *values.shape[1:]), values.dtype)
    out[mask] = values
    return out
