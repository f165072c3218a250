"""Pictures' raw material: the best map-view pair of each feature, on clips that were not picked by eye."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from actjax import parallel
from actjax import run as runs
from actjax.activations.capture import BothSides
from actjax.activations.clips import Observer, observe_clips
from actjax.data.loader import Source
from actjax.similarity.api import make_metric
from actjax.workdir import examples


@dataclasses.dataclass(frozen=True)
class Best:
    """The best neuron of one network for one feature in the map view."""

    feature: str
    metric: str
    network: str
    family: int
    position: int
    neuron: int
    score: float


def choose(families: Sequence[Any], found: Sequence[Any], most: int) -> list[Best]:
    """The best pair of every network for each of at most `most` features."""
    best: dict[tuple[str, str, str], Best] = {}
    places = {id(c): (i, j) for i, (_, cs) in enumerate(families) for j, c in enumerate(cs)}
    for network, comparison, metric, outputs in found:
        if comparison.problem.view != "map":
            continue
        signed = make_metric(metric).signed
        for column, feature in enumerate(comparison.problem.features):
            scores = np.asarray(outputs["score"])[:, column]
            if np.isnan(scores).all():
                continue
            neuron = int(np.nanargmax(np.abs(scores) if signed else scores))
            made = Best(feature.name, metric, network, *places[id(comparison)], neuron, float(scores[neuron]))
            key = (feature.name, metric, network)
            if key not in best or abs(made.score) > abs(best[key].score):
                best[key] = made
    chosen = []
    for feature in dict.fromkeys(b.feature for b in best.values()):
        metrics = {b.metric for b in best.values() if b.feature == feature}
        metric = min(metrics, key=_rank)
        rows = [b for b in best.values() if (b.feature, b.metric) == (feature, metric)]
        chosen.append((max(abs(b.score) for b in rows), rows))
    chosen.sort(key=lambda item: -item[0])
    return [b for _, rows in chosen[:most] for b in rows]


def _rank(metric: str) -> tuple[bool, int, str]:
    """The order in which metrics are shown: those that compare cells first, which a picture shows too."""
    declared = make_metric(metric)
    return declared.compares == "frames", declared.order, metric


def write(
    path: Path,
    observer: Observer,
    families: Any,
    found: Any,
    source: Source,
    batch_size: int,
    most_features: int,
) -> None:
    """Observes a few clips, evenly spread over the split, and keeps the chosen pairs' two sides."""
    pairs = choose(families, found, most_features)
    features = list(dict.fromkeys(b.feature for b in pairs))
    # One batch of them is observed, of which process 0 has its share.
    most = batch_size // parallel.process_count()
    count = min(max(len(features), 1), most)
    clips = np.linspace(0, len(source) - 1, count + 2).astype(int)[1:-1]
    sides = _observe(observer, source, clips, batch_size)
    if parallel.process_index() != 0:
        return
    shown = []
    for pair in pairs:
        row = features.index(pair.feature) % count
        family, comparisons = families[pair.family]
        problem = comparisons[pair.position].problem
        x, y, _ = sides[pair.family][pair.position]
        image = parallel.unshard(x[:, family.networks.index(pair.network)])[row, pair.neuron]
        column = [f.name for f in problem.features].index(pair.feature)
        matrix = _rows(problem, parallel.unshard(y)[row, column], pair.feature)
        shown.append(_example(image, matrix, pair, problem, source.clip_ids[clips[row]]))
    examples.write(path, shown)


def _observe(observer: Observer, source: Source, clips: np.ndarray, batch_size: int) -> list[list[BothSides]]:
    """Both sides of every comparison on some clips of the source, at most a batch."""
    batches = runs.batches(source.take(clips), batch_size)
    observed: list[list[list[BothSides]]] = []
    of_source = (batch._replace(index=clips[batch.index]) for batch in batches)
    observe_clips(observer, of_source, lambda _, sides: observed.append(sides), clip_ids=source.clip_ids)
    return observed[0]


def _example(
    map_ft: np.ndarray, values_kt: np.ndarray, pair: Best, problem: Any, clip_id: str
) -> examples.Example:
    [feature] = [f for f in problem.features if f.name == pair.feature]
    map_hz, feature_hz, row_names = _map_hz(problem), None, None
    if problem.cells:
        feature_hz = map_hz
    elif feature.centres_hz is not None:
        feature_hz = list(feature.centres_hz)
    else:
        row_names = list(feature.row_names)
    return examples.Example(
        map_ft,
        values_kt,
        network=pair.network,
        layer=problem.layer.name,
        neuron=pair.neuron,
        feature=pair.feature,
        metric=pair.metric,
        score=pair.score,
        clip_id=clip_id,
        times_s=problem.time.edges.mean(axis=1).tolist(),
        map_hz=map_hz,
        feature_hz=feature_hz,
        row_names=row_names,
        unit=feature.unit,
    )


def _rows(problem: Any, image: np.ndarray, name: str) -> np.ndarray:
    """The feature's own rows: those of features with fewer rows are padded."""
    [feature] = [f for f in problem.features if f.name == name]
    return image if problem.cells else image[: feature.rows]


def _map_hz(problem: Any) -> list[float] | None:
    if problem.cells:
        return problem.frequency.edges.mean(axis=1).tolist()
    centres = problem.layer_hz[problem.layer_usable_f]
    return centres.tolist() if np.isfinite(centres).all() else None
