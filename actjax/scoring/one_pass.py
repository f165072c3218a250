"""One pass over the clips: every problem of every network accumulates under all its metrics."""

import contextlib
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from actjax import parallel
from actjax.activations.capture import BothSides, Family
from actjax.activations.clips import Observer, observe_clips
from actjax.scoring.observations import Observations
from actjax.scoring.running import Outputs, Running
from actjax.scoring.stacks import Stack
from actjax.scoring.tasks import Comparison, ScoredTask
from actjax.types import Batch, Metric

# (observations, which network, metric) -> what statistics add to the outputs.
Null = Callable[[Observations, int, Metric], Mapping[str, Any]]


def run_pass(
    families: Sequence[tuple[Family, Sequence[Comparison]]],
    stacks: Sequence[Stack],
    observer: Observer,
    batches: Iterable[Batch],
    *,
    folder: Path,
    folds_of_clip: np.ndarray,
    clip_ids: Sequence[str],
    null: Null | None = None,
) -> Iterator[ScoredTask]:
    """Reads every clip once and yields the scores of every network, comparison and metric.

    Args:
      families: networks of one architecture and the comparisons of their problems, in order.
      stacks: of these comparisons, those that stream.
      observer: of these families.
      batches: from the loader, in order.
      folder: where observations of collecting metrics are kept meanwhile.
      folds_of_clip: [clips] the cross-validation fold of each clip, modulo the metric's number of folds.
      clip_ids: [clips] names, for messages.
      null: what statistics add to the outputs of metrics that are tested.

    Raises:
      ValueError: an activation is not finite; names network, layer, neuron and clip.
    """
    with contextlib.ExitStack() as stack:
        # Also what a run that was killed has left there goes.
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        kept = {
            (f, c): Observations(comparison.problem, len(family.networks), folder, stack)
            for f, (family, comparisons) in enumerate(families)
            for c, comparison in enumerate(comparisons)
            if comparison.collected or comparison.tested
        }
        running = Running(stacks)
        pairs = sum(c.pairs * len(f.networks) for f, comparisons in families for c in comparisons)

        def add(batch: Batch, sides: Sequence[Sequence[BothSides]]) -> None:
            mask, context = parallel.shard((batch.mask, _clip_context(batch, folds_of_clip)))
            running.add(sides, mask, context)
            for (f, c), observations in kept.items():
                observations.add(*sides[f][c], mask, context)

        observe_clips(observer, batches, add, clip_ids=clip_ids, title="score", pairs=pairs)
        streamed = running.finish()
        for f, (family, comparisons) in enumerate(families):
            for c, comparison in enumerate(comparisons):
                yield from _results(family.networks, comparison, streamed.get((f, c)), kept.get((f, c)), null)


def _results(
    networks: Sequence[str],
    comparison: Comparison,
    streamed: Sequence[Outputs] | None,
    observations: Observations | None,
    null: Null | None,
) -> Iterator[ScoredTask]:
    """Yields the scores of every network under every metric."""
    if observations:
        observations.finish()
    for i, network in enumerate(networks):
        for metric in (*(comparison.stream.metrics if comparison.stream else ()), *comparison.collected):
            of_null: Mapping[str, Any] = {}
            if observations and metric in comparison.collected:
                outputs = observations.score(metric, i)
            else:
                outputs = streamed[i][metric.name] if streamed else {}
            if observations and null is not None and metric in comparison.tested:
                of_null = null(observations, i, metric)
            yield ScoredTask(network, comparison, metric, {**of_null, **outputs})


def _clip_context(batch: Batch, folds_of_clip: np.ndarray) -> dict[str, np.ndarray]:
    index = np.asarray(batch.index, np.int32)
    return {"clip": index, "fold": folds_of_clip[index].astype(np.int32)}
