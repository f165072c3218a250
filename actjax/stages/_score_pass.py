"""One pass over the clips: every problem of every network accumulates under all its metrics."""

import contextlib
import dataclasses
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
    within = part == "within" and problem.view != "clip"
    streaming = tuple(
        m
        for m in fitting
        if m.observes == "image" or m.accumulator is not None or (within and m.within == "per_clip")
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
        self.comparison, self.stores = comparison, []
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

    def results(self, networks: Sequence[str]):
        if self.comparison.stream:
            stream = self.comparison.stream
            parts = [parallel.to_host(self.state)]
            parts = parallel.gather_hosts(parts[0])
            states = jax.tree.map(lambda *leaves: np.concatenate(leaves), *parts)
            for i, network in enumerate(networks):
                found = _finish(stream, jax.tree.map(lambda leaf, i=i: leaf[:, i], states))
                for metric in stream.metrics:
                    yield network, self.comparison, metric.name, jax.device_get(found[metric.name])
        for metric in self.comparison.collected:
            for network, store in zip(networks, self.stores, strict=True):
                yield network, self.comparison, metric.name, self._score_store(metric, store)

    def _score_store(self, metric: Metric, store: ObservationStore) -> dict[str, np.ndarray]:
        n, k = self.comparison.problem.neurons, len(self.comparison.problem.rows)
        y = store.read(n, n + k)
        step = max(1, min(n, (256 * 2**20) // max(4 * store.rows, 1)))
        parts = []
        for start in range(0, n, step):
            x = store.read(start, min(start + step, n))
            parts.append(jax.device_get(pairwise(metric, x, y, neurons_first=True)))
        found = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        return found | {"n_observations": np.full((n, k), store.rows), "valid": ~np.isnan(found["score"])}


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
