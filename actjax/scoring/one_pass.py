"""One pass over the clips: every problem of every network accumulates under all its metrics."""

import concurrent.futures
import contextlib
import itertools
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from actjax import parallel
from actjax.activations.capture import BothSides, Family
from actjax.activations.clips import Observer, observe_clips
from actjax.scoring.observations import Observations
from actjax.scoring.tasks import Comparison, ScoredTask
from actjax.similarity.arithmetic import long_counts
from actjax.similarity.stream import PairStream
from actjax.types import Batch, Context, Metric

# (observations, which network, metric) -> what statistics add to the outputs.
Null = Callable[[Observations, int, Metric], Mapping[str, Any]]
# "clip" and "fold" of each clip of a batch.
ClipContext = Mapping[str, jax.Array]


def run_pass(
    families: Sequence[tuple[Family, Sequence[Comparison]]],
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
        runners = [
            [_Runner(c, len(family.networks), folder, stack) for c in comparisons]
            for family, comparisons in families
        ]
        pairs = sum(c.pairs * len(f.networks) for f, comparisons in families for c in comparisons)
        # The first batch compiles, which threads can share; later ones keep order.
        workers = itertools.chain([os.cpu_count()], itertools.repeat(1))

        def add(batch: Batch, sides: Sequence[Sequence[BothSides]]) -> None:
            mask, context = parallel.shard((batch.mask, _clip_context(batch, folds_of_clip)))
            _add_batch(runners, sides, mask, context, next(workers))

        observe_clips(observer, batches, add, clip_ids=clip_ids, title="score", pairs=pairs)
        for (family, _), family_runners in zip(families, runners, strict=True):
            for runner in family_runners:
                yield from runner.results(family.networks, null)


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

    def __init__(self, comparison: Comparison, networks: int, folder: Path, stack: contextlib.ExitStack):
        self.comparison = comparison
        self.observations: Observations | None = None
        if comparison.stream:
            one = comparison.stream.init()
            stacked = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (networks, *leaf.shape)), one)
            self.state = parallel.replicate(stacked)
        if comparison.collected or comparison.tested:
            self.observations = Observations(comparison.problem, networks, folder, stack)

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

    def results(self, networks: Sequence[str], null: Null | None) -> Iterator[ScoredTask]:
        """Yields the scores of every network under every metric."""
        if self.observations:
            self.observations.finish()
        for i, network in enumerate(networks):
            for metric, outputs in self._scores(i):
                of_null: Mapping[str, Any] = {}
                if self.observations and null is not None and metric in self.comparison.tested:
                    of_null = null(self.observations, i, metric)
                yield ScoredTask(network, self.comparison, metric, {**of_null, **outputs})

    def _scores(self, network: int) -> Iterator[tuple[Metric, Mapping[str, Any]]]:
        if self.comparison.stream:
            stream = self.comparison.stream
            of_processes = parallel.gather_hosts(parallel.to_host(self.state))
            state = jax.tree.map(lambda *leaves: np.concatenate(leaves)[:, network], *of_processes)
            by_metric = _finish(stream, state)
            for metric in stream.metrics:
                yield metric, long_counts.on_host(by_metric[metric.name])
        if self.observations:
            for metric in self.comparison.collected:
                yield metric, self.observations.score(metric, network)


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
