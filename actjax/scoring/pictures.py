"""Pictures' raw material: the best map-view pair of each feature, on clips that were not picked by eye."""

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from actjax import parallel, runs
from actjax.activations.capture import BothSides, Family
from actjax.activations.clips import Observer, observe_clips
from actjax.activations.comparisons import Problem
from actjax.data.loader import Source
from actjax.scores.schema import checkpoint_step
from actjax.scoring.columns import CONTROLS
from actjax.scoring.tasks import Comparison, ScoredTask
from actjax.types import Feature, Metric
from actjax.workdir import examples

Families = Sequence[tuple[Family, Sequence[Comparison]]]


@dataclasses.dataclass(frozen=True, eq=False)
class Best:
    """The best neuron of one network for one feature in the map view.

    Attributes:
      feature, metric, network: which.
      family, position: of the comparison among the plan's.
      problem: the comparison.
      neuron: the best.
      score: its score.
    """

    feature: Feature
    metric: Metric
    network: str
    family: int
    position: int
    problem: Problem
    neuron: int
    score: float


def choose(families: Families, tasks: Sequence[ScoredTask], most: int) -> list[Best]:
    """Chooses the best pair of every network for each of at most `most` features, by what training gained.

    The features stand by how far the strongest score of a network beyond the controls exceeds the controls'
    own; a feature that everything follows equally shows nothing of training.
    """
    best: dict[tuple[str, str, str], Best] = {}
    places = {id(c): (i, j) for i, (_, cs) in enumerate(families) for j, c in enumerate(cs)}
    for task in tasks:
        if task.comparison.problem.view != "map" or checkpoint_step(task.network) >= 0:
            continue
        for one in _best_of_task(task, *places[id(task.comparison)]):
            key = (one.feature.name, one.metric.name, one.network)
            if key not in best or abs(one.score) > abs(best[key].score):
                best[key] = one
    chosen = []
    for feature in dict.fromkeys(name for name, _, _ in best):
        metrics = {b.metric for (name, _, _), b in best.items() if name == feature}
        metric = min(metrics, key=_rank)
        pairs = [b for key, b in best.items() if key[:2] == (feature, metric.name)]
        chosen.append((_gain(pairs), pairs))
    chosen.sort(key=lambda item: -item[0])
    return [b for _, pairs in chosen[:most] for b in pairs]


def _best_of_task(task: ScoredTask, family: int, position: int) -> Iterator[Best]:
    """Finds the best neuron for each feature that has a score."""
    problem, scores_nk = task.comparison.problem, np.asarray(task.outputs["score"])
    for feature, scores in zip(problem.features, scores_nk.T, strict=True):
        if not np.isnan(scores).all():
            neuron = int(np.nanargmax(np.abs(scores) if task.metric.signed else scores))
            score = float(scores[neuron])
            yield Best(feature, task.metric, task.network, family, position, problem, neuron, score)


def _gain(pairs: Sequence[Best]) -> float:
    """The strongest score less the controls' strongest; the strongest itself where one of them is absent."""
    of_controls = [abs(b.score) for b in pairs if b.network in CONTROLS]
    of_others = [abs(b.score) for b in pairs if b.network not in CONTROLS]
    if not of_controls or not of_others:
        return max(of_controls + of_others)
    return max(of_others) - max(of_controls)


def _rank(metric: Metric) -> tuple[bool, int, str]:
    """Orders the metrics to be shown: those that compare cells first, which a picture shows too."""
    return metric.compares == "frames", metric.order, metric.name


def write(
    path: Path,
    observer: Observer,
    pairs: Sequence[Best],
    source: Source,
    batch_size: int,
) -> None:
    """Observes a few clips, evenly spread over the split, and keeps both sides of the pairs there.

    Args:
      path: of the file.
      observer: of the plan's families.
      pairs: from `choose`.
      source: the clips.
      batch_size: clips at a time, over all devices.
    """
    features = list(dict.fromkeys(pair.feature.name for pair in pairs))
    # One batch of them is observed, of which process 0 has its share.
    count = min(max(len(features), 1), batch_size // parallel.process_count())
    clips = np.linspace(0, len(source) - 1, count + 2).astype(int)[1:-1]
    sides = _observe(observer, source, clips, batch_size)
    if parallel.process_index() != 0:
        return
    shown = []
    for pair in pairs:
        row = features.index(pair.feature.name) % count
        network = observer.families[pair.family].networks.index(pair.network)
        both = sides[pair.family][pair.position]
        # On the host at once: a slice on the devices would be a program.
        map_ft = np.concatenate(parallel.to_host(both.neurons)[:, network])[row, pair.neuron]
        values_kt = parallel.unshard(both.rows)[row, pair.problem.features.index(pair.feature)]
        shown.append(_example(pair, map_ft, values_kt, source.clip_ids[clips[row]]))
    examples.write(path, shown)


def _observe(observer: Observer, source: Source, clips: np.ndarray, batch_size: int) -> list[list[BothSides]]:
    """Observes both sides of every comparison on some clips of the source, at most a batch."""
    batches = runs.batches(source.take(clips), batch_size)
    observed: list[list[list[BothSides]]] = []
    of_source = (batch._replace(index=clips[batch.index]) for batch in batches)
    observe_clips(observer, of_source, lambda _, sides: observed.append(sides), clip_ids=source.clip_ids)
    return observed[0]


def _example(pair: Best, map_ft: np.ndarray, values_kt: np.ndarray, clip_id: str) -> examples.Example:
    """Makes an example of both sides of a pair on one clip, with their axes."""
    problem, feature, row_names = pair.problem, pair.feature, None
    map_hz = feature_hz = _map_hz(problem)
    if not problem.cells:
        # Features of fewer rows than others are padded.
        values_kt = values_kt[: feature.rows]
        feature_hz = None if feature.centres_hz is None else list(feature.centres_hz)
        row_names = list(feature.row_names) if feature_hz is None else None
    return examples.Example(
        map_ft,
        values_kt,
        network=pair.network,
        layer=problem.layer.name,
        neuron=pair.neuron,
        feature=feature.name,
        metric=pair.metric.name,
        score=pair.score,
        clip_id=clip_id,
        times_s=problem.common_time.edges.mean(axis=1).tolist(),
        map_hz=map_hz,
        feature_hz=feature_hz,
        row_names=row_names,
        unit=feature.unit,
    )


def _map_hz(problem: Problem) -> list[float] | None:
    """Lists the centre frequencies of the bands that are compared; None where nobody knows them."""
    if problem.frequency is not None:
        return problem.frequency.edges.mean(axis=1).tolist()
    centres = problem.band_hz
    return centres.tolist() if np.isfinite(centres).all() else None
