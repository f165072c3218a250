"""One pass over the clips: every problem of every network accumulates under all its metrics."""

import contextlib
import dataclasses
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from tqdm import tqdm

from actjax import parallel
from actjax.activations.capture import Family
from actjax.activations.problems import Problem
from actjax.similarity.pairwise import pairwise
from actjax.similarity.store import ObservationStore
from actjax.similarity.stream import PairStream
from actjax.types import Context, Metric

# Bound on the observations that are read back from disk at a time.
COLUMN_BYTES = 256 * 2**20


@dataclasses.dataclass(frozen=True, eq=False)
class Comparison:
    """A problem under the metrics that suit it.

    Attributes:
      problem: what is compared.
      stream: the metrics that accumulate over batches, or None.
      collected: the metrics that need all observations at once.
    """

    problem: Problem
    stream: PairStream | None
    collected: tuple[Metric, ...]

    @property
    def pairs(self) -> int:
        """How many scores one network gives."""
        metrics = len(self.collected) + (len(self.stream.metrics) if self.stream else 0)
        return self.problem.neurons * len(self.problem.rows) * metrics


def wants(metrics: Sequence[Metric], views: Sequence[str]) -> frozenset[tuple[str, bool]]:
    """The (view, cells) that `problems.plan` is to make for these metrics."""
    return frozenset((v, v == "map" and _by_cells(m)) for m in metrics for v in m.views if v in views)


def compare(problem: Problem, metrics: Sequence[Metric], part: str, tile_bytes: int) -> Comparison:
    """Sorts the metrics that suit a problem into streaming and collecting ones."""
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
            features=None if images else _spans(problem),
            tile_bytes=tile_bytes,
        )
    return Comparison(problem, stream, tuple(m for m in fitting if m not in streaming))


def run_pass(
    families: Sequence[tuple[Family, Sequence[Comparison]]],
    observe: Callable[..., Any],
    weights: Sequence[Any],
    batches: Iterator[Mapping[str, np.ndarray]],
    *,
    clips: int,
    folder: Path,
    folds_of_clip: np.ndarray,
) -> Iterator[tuple[str, Comparison, str, Mapping[str, np.ndarray]]]:
    """Reads every clip once and yields (network, comparison, metric, {"score": [n, k], ...}).

    Args:
      families: networks of one architecture and the comparisons of their problems, in order.
      observe: from `capture.make_observe`.
      weights: the families' variables on the devices.
      batches: from the loader, in order.
      clips: how many real clips they hold, over all processes.
      folder: where observations of collecting metrics are kept meanwhile.
      folds_of_clip: [clips] the cross-validation fold of each clip.
    """
    with contextlib.ExitStack() as stack:
        # Also what a run that was killed has left there goes.
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        runners = [
            [_Runner(c, len(family.networks), folder, stack) for c in comparisons]
            for family, comparisons in families
        ]
        pairs = sum(c.pairs * len(f.networks) for f, comparisons in families for c in comparisons)
        with tqdm(total=clips, unit="clip", desc="score", mininterval=1.0) as bar:
            bar.set_postfix_str(f"{pairs:,} pairs")
            for batch in batches:
                context = _clip_context(batch, folds_of_clip)
                sharded = parallel.shard((batch["audio"], _lengths(batch), batch["mask"], context))
                audio, length, mask, context = sharded
                sides = observe(weights, audio, length)
                for family_runners, family_sides in zip(runners, sides, strict=True):
                    for runner, (x, y, valid) in zip(family_runners, family_sides, strict=True):
                        runner.add(x, y, valid, mask, context)
                bar.update(int(parallel.process_count() * batch["mask"].sum()))
        for (family, _), family_runners in zip(families, runners, strict=True):
            for runner in family_runners:
                yield from runner.results(family.networks)


def _by_cells(metric: Metric) -> bool:
    return metric.observes == "vector" or metric.compares == "cells"


def _spans(problem: Problem) -> tuple[tuple[int, int], ...]:
    ends = np.cumsum([f.rows for f in problem.features]).tolist()
    return tuple(zip([0, *ends[:-1]], ends, strict=True))


def _lengths(batch: Mapping[str, np.ndarray]) -> np.ndarray:
    """[b] samples of signal in each clip; what follows is padding."""
    whole = np.full(len(batch["mask"]), batch["audio"].shape[1], np.int32)
    return batch.get("length", whole)


def _clip_context(batch: Mapping[str, np.ndarray], folds_of_clip: np.ndarray) -> dict[str, np.ndarray]:
    index = np.asarray(batch["index"], np.int32)
    return {"clip": index, "fold": folds_of_clip[index].astype(np.int32)}


class _Runner:
    """The accumulating state of one comparison, for all networks of a family."""

    def __init__(self, comparison: Comparison, networks: int, folder: Path, stack: contextlib.ExitStack):
        self.comparison, self.stores, self.clips, self.folds = comparison, [], [], []
        problem = comparison.problem
        if comparison.stream:
            one = comparison.stream.init()
            stacked = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (networks, *leaf.shape)), one)
            self.state = parallel.replicate(stacked)
        if comparison.collected:
            folder.mkdir(parents=True, exist_ok=True)
            columns = problem.neurons + len(problem.rows)
            for i in range(networks):
                path = folder / f"{problem.name.replace('/', '_')}.{i}.observations"
                self.stores.append(stack.enter_context(ObservationStore(path, columns)))

    def add(self, x, y, valid, mask, context) -> None:
        if self.comparison.stream:
            self.state = _update(self.comparison.stream, self.state, x, y, valid, mask, context)
        if self.stores:
            keep = parallel.unshard(valid) & parallel.unshard(mask)[:, None]
            rows = parallel.unshard(y)[keep]
            for i, store in enumerate(self.stores):
                store.append(np.concatenate([parallel.unshard(x[:, i])[keep], rows], axis=1))
            clip, fold = (parallel.unshard(context[name])[:, None] for name in ("clip", "fold"))
            self.clips.append(np.broadcast_to(clip, keep.shape)[keep])
            self.folds.append(np.broadcast_to(fold, keep.shape)[keep])

    def results(self, networks: Sequence[str]):
        if self.comparison.stream:
            stream = self.comparison.stream
            parts = parallel.gather_hosts(parallel.to_host(self.state))
            states = jax.tree.map(lambda *leaves: np.concatenate(leaves), *parts)
            for i, network in enumerate(networks):
                found = _finish(stream, jax.tree.map(lambda leaf, i=i: leaf[:, i], states))
                for metric in stream.metrics:
                    yield network, self.comparison, metric.name, jax.device_get(found[metric.name])
        if self.stores:
            clips, folds = _gathered(np.concatenate(self.clips)), _gathered(np.concatenate(self.folds))
            for metric in self.comparison.collected:
                for network, store in zip(networks, self.stores, strict=True):
                    yield (
                        network,
                        self.comparison,
                        metric.name,
                        self._score_store(metric, store, clips, folds),
                    )

    def _score_store(self, metric: Metric, store: ObservationStore, clips, folds) -> dict[str, np.ndarray]:
        """Scores from all observations; rows that are undefined in the same places go together."""
        n, k = self.comparison.problem.neurons, len(self.comparison.problem.rows)
        y = _gathered(store.read(n, n + k), axis=1)
        context = Context(clip_ids_o=clips, folds_o=folds)
        spans = (
            _spans(self.comparison.problem) if metric.level == "feature" else [(j, j + 1) for j in range(k)]
        )
        groups: dict[bytes, list[tuple[int, int]]] = {}
        for start, stop in spans:
            groups.setdefault(np.isfinite(y[start:stop]).all(axis=0).tobytes(), []).append((start, stop))
        out: dict[str, np.ndarray] = {}
        step = max(1, min(n, COLUMN_BYTES // max(4 * y.shape[1], 1)))
        for first in range(0, n, step):
            x = _gathered(store.read(first, min(first + step, n)), axis=1)
            for mask, members in groups.items():
                valid = np.frombuffer(mask, bool)
                for columns in _together(members, metric.level):
                    rows = np.where(valid, y[columns], 0.0)
                    found = jax.device_get(pairwise(metric, x, rows, valid, context, neurons_first=True))
                    found |= {"n_observations": np.full_like(found["score"], valid.sum(), np.int64)}
                    _place(
                        out,
                        found,
                        (n, len(spans)),
                        first,
                        [spans.index(m) for m in members if m[0] in columns],
                    )
        return out | {"valid": ~np.isnan(out["score"])}


def _together(members: list[tuple[int, int]], level: str) -> list[list[int]]:
    """The columns of each call: all rows at once, or one feature's at a time."""
    each = [list(range(start, stop)) for start, stop in members]
    return each if level == "feature" else [sum(each, [])]


def _place(out, found, shape, first: int, columns: list[int]) -> None:
    for name, value in found.items():
        whole = out.setdefault(name, np.full(shape, np.nan if value.dtype.kind == "f" else 0, value.dtype))
        whole[first : first + len(value), columns] = value


def _gathered(array: np.ndarray, axis: int = 0) -> np.ndarray:
    """The observations of all processes."""
    return np.concatenate(parallel.gather_hosts(array), axis=axis)


def _update_all_networks(stream: PairStream, state, x_w, y, valid, mask_b, context):
    observations = valid.shape[1]

    def spread(value_b):
        return jnp.broadcast_to(value_b[:, None], (value_b.shape[0], observations))

    at = Context(clip_ids_o=spread(context["clip"]), folds_o=spread(context["fold"]))
    return jax.lax.map(lambda one: stream.update(one[0], one[1], y, valid, mask_b, at), (state, x_w))


_update = parallel.pmap(_update_all_networks, static=(0,), donate=(1,))


def _merge_and_finalize(stream: PairStream, states):
    return stream.finalize(stream.merge_stacked(states))


_finish = jax.jit(_merge_and_finalize, static_argnums=(0,))
