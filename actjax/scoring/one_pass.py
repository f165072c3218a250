"""One pass over the clips: every problem of every network accumulates under all its metrics."""

import contextlib
import functools
import itertools
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from actjax import beside, costs, interruption, parallel
from actjax.activations.capture import BothSides, Family
from actjax.activations.clips import Observer, observe_clips, supplied_once
from actjax.scoring import ahead, resume
from actjax.scoring.observations import Observations
from actjax.scoring.running import Outputs, Running
from actjax.scoring.stacks import Stack
from actjax.scoring.tasks import Comparison, ScoredTask
from actjax.types import Batch, Metric
from actjax.workdir.pieces import Pieces

Families = Sequence[tuple[Family, Sequence[Comparison]]]
# (observations, which network, metric) -> what statistics add to the outputs.
Null = Callable[[Observations, int, Metric], Mapping[str, Any]]
# (family, comparison): where it stands in the plan.
Place = tuple[int, int]


class Opened(NamedTuple):
    """How far a pass is.

    Attributes:
      step: batches done.
      running: what streams.
      collected: the observations of comparisons whose metrics or nulls need all of them.
    """

    step: int
    running: Running
    collected: Mapping[Place, Observations]

    def stands(self) -> list[resume.Stand]:
        """Every state and every place of observations, in order."""
        of_stacks = [resume.Stand(leaves, None) for leaves in self.running.saved()]
        return of_stacks + [resume.Stand([], one.saved()) for one in self.collected.values()]


def run_pass(
    families: Families,
    stacks: Sequence[Stack],
    observer: Observer,
    batches: Callable[[int], Iterable[Batch]],
    *,
    pieces: Pieces,
    steps: int,
    folds_of_clip: np.ndarray,
    clip_ids: Sequence[str],
    null: Null | None = None,
    memory_bytes: int,
) -> Iterator[ScoredTask]:
    """Reads every clip once and yields the scores of every network, comparison and metric.

    Args:
      families: networks of one architecture and the comparisons of their problems, in order.
      stacks: of these comparisons, those that stream.
      observer: of these families.
      batches: first step -> batches from the loader, in order.
      pieces: where states, observations and scores are kept, and from which a stopped run goes on.
      steps: how many batches there are.
      folds_of_clip: [clips] the cross-validation fold of each clip, modulo the metric's number of folds.
      clip_ids: [clips] names, for messages.
      null: what statistics add to the outputs of metrics that are tested.
      memory_bytes: what scoring a comparison may hold.

    Raises:
      ValueError: an activation is not finite; names network, layer, neuron and clip.
      KeyboardInterrupt: asked to stop, after what was reached has been saved.
    """
    with contextlib.ExitStack() as stack:
        of_pass = resume.PassPieces(pieces)
        opened = _opened(families, stacks, of_pass, stack)
        if opened.step < steps:
            _observe_all(families, opened, observer, batches, of_pass, steps, folds_of_clip, clip_ids)
        tasks = resume.TaskPieces(pieces)
        # Also what was scored when a signal came is kept.
        stack.callback(tasks.flush)
        yield from _scored(families, opened, null, tasks, memory_bytes)


def _scored(
    families: Families, opened: Opened, null: Null | None, tasks: resume.TaskPieces, bytes_each: int
) -> Iterator[ScoredTask]:
    """Yields the scores of every comparison after the pass."""
    finished, one_at_a_time = functools.cache(opened.running.finish), threading.Lock()

    def of_network(place: Place, network: int) -> Outputs:
        with one_at_a_time:
            return finished()[place][network]

    def scores_of(place: Place) -> list[ScoredTask]:
        (family, comparisons), (f, c) = families[place[0]], place
        streamed, collected = functools.partial(of_network, place), opened.collected.get(place)
        scorer = _Scorer(comparisons[c], streamed, collected, null, tasks, f"{f}.{c}")
        return list(scorer.results(family.networks))

    places = [(f, c) for f, (_, comparisons) in enumerate(families) for c in range(len(comparisons))]
    works = [functools.partial(scores_of, place) for place in places]
    yield from itertools.chain.from_iterable(beside.in_order(works, bytes_each))


def _opened(
    families: Families, stacks: Sequence[Stack], of_pass: resume.PassPieces, stack: contextlib.ExitStack
) -> Opened:
    """The pass as far as it is; from the start where nothing whole was kept."""
    step, stands = of_pass.newest()
    with contextlib.ExitStack() as held:
        opened, fault = None, None
        try:
            opened = _begun(families, stacks, of_pass.folder, held, step, stands)
        except OSError as why:
            fault = str(why)
        faults = [one for one in resume.json_of_all(fault) if one]
        if opened is not None and not faults:
            stack.push(held.pop_all())
            if step and parallel.process_index() == 0:
                print(f"score: goes on after {step} batches")
            return opened
    if parallel.process_index() == 0:
        print(f"score: {faults[0]}; starts over")
    return _begun(families, stacks, of_pass.folder, stack, 0, [])


def _begun(
    families: Families,
    stacks: Sequence[Stack],
    folder: Path,
    held: contextlib.ExitStack,
    step: int,
    stands: Sequence[resume.Stand],
) -> Opened:
    """The pass after `step` batches, whose stands these are; none at the start.

    Raises:
      OSError: the files lack what the stands say, or these are of other stacks.
    """
    collecting = [
        (f, c)
        for f, (_, comparisons) in enumerate(families)
        for c, comparison in enumerate(comparisons)
        if comparison.collected or comparison.tested
    ]
    if stands and len(stands) != len(stacks) + len(collecting):
        raise OSError("what was kept is of other comparisons")
    states = [stand.state for stand in stands[: len(stacks)]]
    places = iter([stand.place for stand in stands[len(stacks) :]] if stands else itertools.repeat(None))
    collected = {
        (f, c): Observations(
            families[f][1][c].problem, len(families[f][0].networks), folder, held, next(places)
        )
        for f, c in collecting
    }
    return Opened(step, Running(stacks, states), collected)


def _observe_all(
    families: Families,
    opened: Opened,
    observer: Observer,
    batches: Callable[[int], Iterable[Batch]],
    of_pass: resume.PassPieces,
    last: int,
    folds_of_clip: np.ndarray,
    clip_ids: Sequence[str],
) -> None:
    """Adds the batches up to the last, keeping the state now and then."""
    first, step = opened.step, itertools.count(opened.step + 1)
    observer = observer._replace(supply=supplied_once(observer.supply))
    pairs = sum(c.pairs * len(f.networks) for f, comparisons in families for c in comparisons)

    def add(batch: Batch, sides: Sequence[Sequence[BothSides]]) -> None:
        mask, context = parallel.shard((batch.mask, _clip_context(batch, folds_of_clip)))
        opened.running.add(sides, mask, context)
        for (f, c), observations in opened.collected.items():
            observations.add(*sides[f][c], mask, context)

    def compiled() -> Iterator[Batch]:
        coming = iter(batches(first))
        for batch in itertools.islice(coming, 1):
            ahead.compile_pass(observer, opened.running.stacks, batch, _clip_context(batch, folds_of_clip))
            yield batch
        yield from coming

    with interruption.StopRequest() as stop:

        def keep() -> None:
            of_pass.after_batch(next(step), last, stop, opened.stands)

        done = min(first * -(-len(clip_ids) // last), len(clip_ids))
        shown = {"title": "score", "pairs": pairs, "done": done}
        observe_clips(observer, compiled(), add, clip_ids=clip_ids, after_batch=keep, **shown)


class _Scorer(NamedTuple):
    """Scores one comparison after the pass.

    Attributes:
      comparison: which.
      streamed: network -> the outputs of its streaming metrics.
      observations: its own, or None where none are kept.
      null: of `run_pass`.
      tasks: what was scored before, and where more is kept.
      name: of this comparison, unlike any other's.
    """

    comparison: Comparison
    streamed: Callable[[int], Outputs]
    observations: Observations | None
    null: Null | None
    tasks: resume.TaskPieces
    name: str

    def results(self, networks: Sequence[str]) -> Iterator[ScoredTask]:
        """Yields the scores of every network under every metric; those of `tasks` are not computed again."""
        if self.observations:
            self.observations.finish()
        stream = self.comparison.stream
        metrics = (*(stream.metrics if stream else ()), *self.comparison.collected)
        for i, network in enumerate(networks):
            for metric in metrics:
                key = f"{self.name}.{network}.{metric.name}"
                outputs = self.tasks.take(key)
                if outputs is None:
                    outputs = self._score(i, metric)
                    self.tasks.add(key, outputs)
                yield ScoredTask(network, self.comparison, metric, outputs)

    def _score(self, network: int, metric: Metric) -> dict[str, Any]:
        of_null: Mapping[str, Any] = {}
        if self.observations and metric in self.comparison.collected:
            outputs: Mapping[str, Any] = self.observations.score(metric, network)
        else:
            outputs = self.streamed(network)[metric.name]
        if self.observations and self.null is not None and metric in self.comparison.tested:
            with costs.section("nulls"):
                of_null = self.null(self.observations, network, metric)
        return {**of_null, **outputs}


def _clip_context(batch: Batch, folds_of_clip: np.ndarray) -> dict[str, np.ndarray]:
    index = np.asarray(batch.index, np.int32)
    return {"clip": index, "fold": folds_of_clip[index].astype(np.int32)}
