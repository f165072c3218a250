"""One pass over the clips: every problem of every network accumulates under all its metrics."""

import concurrent.futures
import contextlib
import itertools
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from actjax import interruption, parallel
from actjax.activations.capture import BothSides, Family
from actjax.activations.clips import Observer, observe_clips
from actjax.scoring import resume
from actjax.scoring.observations import Observations
from actjax.scoring.tasks import Comparison, ScoredTask
from actjax.similarity.arithmetic import long_counts
from actjax.similarity.stream import PairStream
from actjax.types import Batch, Context, Metric
from actjax.workdir.pieces import Pieces

Families = Sequence[tuple[Family, Sequence[Comparison]]]
# (observations, which network, metric) -> what statistics add to the outputs.
Null = Callable[[Observations, int, Metric], Mapping[str, Any]]
# "clip" and "fold" of each clip of a batch.
ClipContext = Mapping[str, jax.Array]


def run_pass(
    families: Families,
    observer: Observer,
    batches: Callable[[int], Iterable[Batch]],
    *,
    pieces: Pieces,
    steps: int,
    folds_of_clip: np.ndarray,
    clip_ids: Sequence[str],
    null: Null | None = None,
) -> Iterator[ScoredTask]:
    """Reads every clip once and yields the scores of every network, comparison and metric.

    Args:
      families: networks of one architecture and the comparisons of their problems, in order.
      observer: of these families.
      batches: first step -> batches from the loader, in order.
      pieces: where states, observations and scores are kept, and from which a stopped run goes on.
      steps: how many batches there are.
      folds_of_clip: [clips] the cross-validation fold of each clip, modulo the metric's number of folds.
      clip_ids: [clips] names, for messages.
      null: what statistics add to the outputs of metrics that are tested.

    Raises:
      ValueError: an activation is not finite; names network, layer, neuron and clip.
      KeyboardInterrupt: asked to stop, after what was reached has been saved.
    """
    with contextlib.ExitStack() as stack:
        kept = resume.PassPieces(pieces)
        first, runners = _opened(families, kept, stack)
        if first < steps:
            _observe_all(families, runners, observer, batches, kept, (first, steps), folds_of_clip, clip_ids)
        tasks = resume.TaskPieces(pieces)
        # Also what was scored when a signal came is kept.
        stack.callback(tasks.flush)
        of_family = zip(families, runners, strict=True)
        for f, ((family, _), family_runners) in enumerate(of_family):
            for c, runner in enumerate(family_runners):
                yield from runner.results(family.networks, null, tasks, f"{f}.{c}")


def _opened(
    families: Families, kept: resume.PassPieces, stack: contextlib.ExitStack
) -> tuple[int, "Sequence[Sequence[_Runner]]"]:
    """The batches done, and the runners as far as they are; from the start where nothing whole was kept."""
    step, stands = kept.newest()
    with contextlib.ExitStack() as opened:
        try:
            runners = _runners(families, kept.folder, opened, stands)
            fault = None
        except OSError as why:
            runners, fault = [], str(why)
        faults = [one for one in resume.json_of_all(fault) if one]
        if not faults:
            stack.push(opened.pop_all())
            if step and parallel.process_index() == 0:
                print(f"score: goes on after {step} batches")
            return step, runners
    if parallel.process_index() == 0:
        print(f"score: {faults[0]}; starts over")
    return 0, _runners(families, kept.folder, stack, [])


def _runners(
    families: Families, folder: Path, stack: contextlib.ExitStack, stands: Sequence[resume.Stand]
) -> "Sequence[Sequence[_Runner]]":
    of_each = iter(stands) if stands else itertools.repeat(None)
    return [
        [_Runner(c, len(family.networks), folder, stack, next(of_each)) for c in comparisons]
        for family, comparisons in families
    ]


def _observe_all(
    families: Families,
    runners: "Sequence[Sequence[_Runner]]",
    observer: Observer,
    batches: Callable[[int], Iterable[Batch]],
    kept: resume.PassPieces,
    span: tuple[int, int],
    folds_of_clip: np.ndarray,
    clip_ids: Sequence[str],
) -> None:
    """Adds the batches from the first to the last of the span, keeping the state now and then."""
    first, last = span
    pairs = sum(c.pairs * len(f.networks) for f, comparisons in families for c in comparisons)
    # The first batch compiles, which threads can share; later ones keep order.
    workers, step = itertools.chain([os.cpu_count()], itertools.repeat(1)), itertools.count(first + 1)

    def stands() -> list[resume.Stand]:
        return [runner.stand() for of_family in runners for runner in of_family]

    with interruption.StopRequest() as stop:

        def add(batch: Batch, sides: Sequence[Sequence[BothSides]]) -> None:
            mask, context = parallel.shard((batch.mask, _clip_context(batch, folds_of_clip)))
            _add_batch(runners, sides, mask, context, next(workers))
            kept.after_batch(next(step), last, stop, stands)

        done = min(first * -(-len(clip_ids) // last), len(clip_ids))
        observe_clips(observer, batches(first), add, clip_ids=clip_ids, title="score", pairs=pairs, done=done)


def _add_batch(
    runners: "Sequence[Sequence[_Runner]]",
    sides: Sequence[Sequence[BothSides]],
    mask: jax.Array,
    context: ClipContext,
    workers: int | None,
) -> None:
    jobs = [
        (runner, both)
        for family_runners, family_sides in zip(runners, sides, strict=True)
        for runner, both in zip(family_runners, family_sides, strict=True)
    ]
    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        for done in [pool.submit(runner.add, both, mask, context) for runner, both in jobs]:
            done.result()


def _clip_context(batch: Batch, folds_of_clip: np.ndarray) -> dict[str, np.ndarray]:
    index = np.asarray(batch.index, np.int32)
    return {"clip": index, "fold": folds_of_clip[index].astype(np.int32)}


class _Runner:
    """The accumulating state of one comparison, for all networks of a family."""

    def __init__(
        self,
        comparison: Comparison,
        networks: int,
        folder: Path,
        stack: contextlib.ExitStack,
        stand: resume.Stand | None,
    ):
        self.comparison = comparison
        self.observations: Observations | None = None
        if comparison.stream:
            one = comparison.stream.init()
            if stand is None:
                stacked = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (networks, *leaf.shape)), one)
                self.state = parallel.replicate(stacked)
            else:
                self.state = parallel.restore(jax.tree.unflatten(jax.tree.structure(one), stand.state))
        if comparison.collected or comparison.tested:
            place = stand and stand.place
            self.observations = Observations(comparison.problem, networks, folder, stack, place)

    def stand(self) -> resume.Stand:
        """How far it is."""
        state = jax.tree.leaves(parallel.to_host(self.state)) if self.comparison.stream else []
        return resume.Stand(state, self.observations and self.observations.saved())

    def add(self, both: BothSides, mask: jax.Array, context: ClipContext) -> None:
        """Adds a batch, [d, ...]."""
        if self.observations:
            self.observations.add(*both, mask, context)
        if self.comparison.stream:
            if self.comparison.frames > both.valid.shape[2]:
                both = BothSides(*_lengthen(self.comparison.frames, self.comparison.stream.images, *both))
            self.state = _update(self.comparison.stream, self.state, *both, mask, context)
            # One after another: programs under way together hold memory, and those that call the host
            # for ranks hinder each other.
            jax.block_until_ready(self.state)

    def results(
        self, networks: Sequence[str], null: Null | None, tasks: resume.TaskPieces, name: str
    ) -> Iterator[ScoredTask]:
        """Yields the scores of every network under every metric; those of `tasks` are not computed again.

        Args:
          networks: their names.
          null: of `run_pass`.
          tasks: what was scored before, and where more is kept.
          name: of this comparison, unlike any other's.
        """
        if self.observations:
            self.observations.finish()
        for i, network in enumerate(networks):
            streamed: Mapping[str, Any] | None = None
            for metric in self.metrics():
                key = f"{name}.{network}.{metric.name}"
                before = tasks.take(key)
                if before is not None:
                    yield ScoredTask(network, self.comparison, metric, before)
                    continue
                if metric in self.comparison.collected and self.observations:
                    outputs = self.observations.score(metric, i)
                else:
                    streamed = self._streamed(i) if streamed is None else streamed
                    outputs = long_counts.on_host(streamed[metric.name])
                of_null: Mapping[str, Any] = {}
                if self.observations and null is not None and metric in self.comparison.tested:
                    of_null = null(self.observations, i, metric)
                tasks.add(key, outputs := {**of_null, **outputs})
                yield ScoredTask(network, self.comparison, metric, outputs)

    def metrics(self) -> tuple[Metric, ...]:
        """Those of its scores, in the order in which they are yielded."""
        stream = self.comparison.stream
        return (*(stream.metrics if stream else ()), *self.comparison.collected)

    def _streamed(self, network: int) -> Mapping[str, Any]:
        """The outputs of all metrics that accumulate, by name."""
        stream = self.comparison.stream
        if stream is None:
            return {}
        of_processes = parallel.gather_hosts(parallel.to_host(self.state))
        state = jax.tree.map(lambda *leaves: np.concatenate(leaves)[:, network], *of_processes)
        return _finish(stream, state)


def _update_all_networks(
    stream: PairStream,
    state: Any,
    x_w: jax.Array,
    y: jax.Array,
    valid: jax.Array,
    mask_b: jax.Array,
    context: ClipContext,
) -> Any:
    observations = valid.shape[1]

    def spread(value_b: jax.Array) -> jax.Array:
        return jnp.broadcast_to(value_b[:, None], (value_b.shape[0], observations))

    rows, held = _split_nuisances(stream, y)
    at = Context(clip_ids_o=spread(context["clip"]), folds_o=spread(context["fold"]), nuisance_oq=held)
    if stream.images:
        at = at._replace(clip_ids_o=None, folds_o=None)
    return jax.lax.map(lambda one: stream.update(one[0], one[1], rows, valid, mask_b, at), (state, x_w))


def _with_masked_frames(
    frames: int, images: bool, x_w: jax.Array, y: jax.Array, valid: jax.Array
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Adds frames that do not count behind those of x [networks, b, ...], y [b, ...] and valid [b, o]."""

    def longer(array: jax.Array, axis: int) -> jax.Array:
        widths = [(0, 0)] * array.ndim
        widths[axis] = (0, frames - array.shape[axis])
        return jnp.pad(array, widths)

    return longer(x_w, -1 if images else -2), longer(y, -1 if images else -2), longer(valid, 1)


def _split_nuisances(stream: PairStream, y: jax.Array) -> tuple[jax.Array, jax.Array | None]:
    """Splits off the nuisances: the feature rows, and the nuisances [b, o, q] that follow them or None."""
    axis = 1 if stream.images else 2
    rows, held = jnp.split(y, [stream.k], axis=axis)
    if held.shape[axis] == 0:
        return y, None
    if stream.images:
        held = held.transpose(0, 2, 3, 1).reshape(held.shape[0], -1, held.shape[1])
    return rows, held


_lengthen = parallel.pmap(_with_masked_frames, static=(0, 1))
_update = parallel.pmap(_update_all_networks, static=(0,), donate=(1,))


def _merge_and_finalize(stream: PairStream, states: Any) -> Mapping[str, Any]:
    return stream.finalize(stream.merge_stacked(states))


_finish = jax.jit(_merge_and_finalize, static_argnums=(0,))
