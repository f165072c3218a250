"""Which metrics suit a problem, and how each of them is computed: streaming, or from kept observations."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from actjax.activations.comparisons import Problem, Setting
from actjax.setup import Setup, band_centres_hz
from actjax.similarity.kernel import check_size
from actjax.similarity.stream import PairStream
from actjax.types import Metric


@dataclasses.dataclass(frozen=True, eq=False)
class Comparison:
    """A problem under the metrics that suit it.

    Attributes:
      problem: what is compared.
      stream: the metrics that accumulate over batches, or None.
      collected: the metrics that need all observations at once.
      tested: the metrics that get a null, from kept observations.
    """

    problem: Problem
    stream: PairStream | None
    collected: tuple[Metric, ...]
    tested: tuple[Metric, ...] = ()

    @property
    def pairs(self) -> int:
        """Counts the scores that one network gives."""
        metrics = (*self.collected, *(self.stream.metrics if self.stream else ()))
        return self.problem.neurons * sum(len(columns(self.problem, metric)) for metric in metrics)


class ScoredTask(NamedTuple):
    """The scores of one network's neurons in one comparison under one metric.

    Attributes:
      network: its name.
      comparison: which of its layers meets which features, and how.
      metric: one of the comparison's.
      outputs: {"score": [n, k], ...}, and what statistics add to it.
    """

    network: str
    comparison: Comparison
    metric: Metric
    outputs: dict[str, Any]


def wants(metrics: Sequence[Metric], views: Sequence[str]) -> frozenset[tuple[str, bool]]:
    """Collects the (view, cells) that `comparisons.plan` is to make for these metrics."""
    return frozenset((v, v == "map" and _by_cells(m)) for m in metrics for v in m.views if v in views)


def setting(setup: Setup) -> Setting:
    """Says how layers and features meet in a run."""
    return Setting(
        frontend=setup.frontend,
        band_centres_hz=band_centres_hz(setup.frontend),
        clip_samples=setup.clip_samples,
        wants=wants([chosen.metric for chosen in setup.metrics], setup.scored.views),
        neurons=setup.scored.neurons,
        grid=setup.scored.grid,
        nuisances=setup.scored.nuisances,
    )


def compare(
    problem: Problem,
    metrics: Sequence[Metric],
    part: str,
    tile_bytes: int,
    tested: Callable[[Metric, str], bool] = lambda metric, view: False,
    clips: int = 1,
) -> Comparison:
    """Sorts the metrics that suit a problem into streaming and collecting ones.

    Args:
      problem, metrics: what is compared, and by what.
      part: `score.part`.
      tile_bytes: bound on what a stream prepares at a time.
      tested: (metric, view) -> whether it gets a null there.
      clips: how many clips there are.

    Raises:
      ValueError: a metric does not take as many observations as `clips` clips have.
    """
    images = problem.view == "map"
    fitting = [
        m for m in metrics if problem.view in m.views and (not images or _by_cells(m) == problem.cells)
    ]
    within = part == "within"
    # In the clip view a clip is one observation: the pooled values are so few that they are collected
    # whatever the metric, which spares a compiled accumulator for each mask.
    streaming = tuple(
        m
        for m in fitting
        if problem.view != "clip"
        and (m.observes == "image" or m.accumulator is not None or (within and m.within == "per_clip"))
    )
    stream = None
    if streaming:
        stream = PairStream(
            streaming,
            n=problem.neurons,
            k=len(problem.rows),
            within=within,
            images=images,
            features=None if images else spans(problem),
            tile_bytes=tile_bytes,
        )
    collected = tuple(m for m in fitting if m not in streaming)
    per_clip = observations_of(problem)[0] if problem.cells or not images else frames_of(problem)
    for metric in fitting:
        # Before the pass over the clips, which may take hours.
        check_size(metric, per_clip * (clips if metric in collected else 1))
    return Comparison(problem, stream, collected, tuple(m for m in fitting if tested(m, problem.view)))


def observations_of(problem: Problem) -> tuple[int, int]:
    """Counts the numbers that a clip has of each neuron and of each feature row."""
    bands = rows_of(problem) or (1,)
    return bands[0] * frames_of(problem), bands[-1] * frames_of(problem)


def frames_of(problem: Problem) -> int:
    """Counts the frames of both sides; 1 in the clip view."""
    return 1 if problem.time is None else problem.time.size


def rows_of(problem: Problem) -> tuple[int, ...]:
    """Counts the rows of both sides' images."""
    if problem.view != "map":
        return ()
    if problem.frequency is not None:
        return (problem.frequency.size,)
    return len(problem.usable_bands), max(f.rows for f in problem.features)


def columns(problem: Problem, metric: Metric) -> list[tuple[str, int]]:
    """Lists the (feature, row) of each column of a metric's scores; row -1 is the whole feature."""
    if metric.level == "feature" and metric.observes == "vector":
        return [(feature.name, -1) for feature in problem.features]
    return list(problem.rows)


def spans(problem: Problem) -> tuple[tuple[int, int], ...]:
    """Lists the (start, stop) of each feature's rows."""
    ends = np.cumsum([f.rows for f in problem.features]).tolist()
    return tuple(zip([0, *ends[:-1]], ends, strict=True))


def _by_cells(metric: Metric) -> bool:
    return metric.observes == "vector" or metric.compares == "cells"
