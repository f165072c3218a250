"""Scores of one problem, accumulated over batches of clips: state in, state out, traceable in pmap.

A problem is a set of neurons and a set of feature rows on one grid. Metrics that stream share their
moments; the others are computed in each clip and averaged over clips, with a standard error.
"""

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from actjax import precision
from actjax.similarity.accumulators import clip_means
from actjax.similarity.arithmetic.deviations import deviations
from actjax.similarity.kernel import clip_scores
from actjax.similarity.tiles import TILE_BYTES
from actjax.types import NO_CONTEXT, Accumulator, Context, Metric

# The first of some rows, and the first behind them.
Span = tuple[int, int]


class State(NamedTuple):
    """What a stream knows of the clips so far.

    Attributes:
      pooled: {key of an accumulator: its state}.
      clips: {metric: the means of its scores in each clip}.
    """

    pooled: Mapping[str, Any]
    clips: Mapping[str, clip_means.ClipMeans]


class Pooled(NamedTuple):
    """An accumulator, and the rows that it takes."""

    accumulator: Accumulator
    span: Span


class Observed(NamedTuple):
    """A batch of clips: [b, o, n], [b, o, k] and [b, o] bool, or images as `update` takes them."""

    x: jax.Array
    y: jax.Array
    mask: jax.Array


@dataclasses.dataclass(frozen=True)
class PairStream:
    """Accumulates the scores of n neurons x k feature rows under several metrics.

    Attributes:
      metrics: what to compute, each name once.
      n, k: number of neurons and of feature rows (of images: of features).
      within: removes each clip's own mean (metrics with `within == "pooled"`), or computes in each clip
        and averages. False pools observations of all clips as they are, for metrics that stream.
      images: `update` takes [b, n, f, t], [b, k, rows, t] and [b, t]. Metrics that observe vectors
        then compare cell by cell.
      features: (start, stop) of each feature's rows, for metrics of level "feature" on vectors, whose
        scores are [n, number of features]; by default all rows are one feature.
      std_error: keeps what the standard error over clips needs.
      tile_bytes: bound on what is prepared at a time.
      way: of matrix products, see `actjax.precision`; the one in force where the stream is made.

    Raises:
      ValueError: a metric that cannot be accumulated so, or two of the same name.
    """

    metrics: tuple[Metric, ...]
    n: int
    k: int
    within: bool = True
    images: bool = False
    features: tuple[Span, ...] | None = None
    std_error: bool = True
    tile_bytes: int = TILE_BYTES
    way: str = dataclasses.field(default_factory=precision.current_way)

    def __post_init__(self) -> None:
        names = [metric.name for metric in self.metrics]
        if len(set(names)) < len(names):
            raise ValueError(f"expected each metric once, got {', '.join(names)}; use a stream for each")
        for metric in self.metrics:
            if metric.observes == "image" and not self.images:
                raise ValueError(f"{metric.name} observes images; it has the view map only")
            if not self._per_clip(metric) and metric.accumulator is None:
                raise ValueError(
                    f"{metric.name} does not stream over clips; keep its observations in a store"
                )

    def init(self) -> State:
        """The state before any clip."""
        pooled = {
            key: accumulator.init(self.n, stop - start)
            for key, (accumulator, (start, stop)) in self._accumulators().items()
        }
        return State(pooled, {m.name: self._init_clips(m) for m in self.metrics if self._per_clip(m)})

    def update(
        self,
        state: State,
        x_bon: jax.Array,
        y_bok: jax.Array,
        mask_bo: jax.Array,
        clip_mask_b: jax.Array,
        context: Context = NO_CONTEXT,
        ranks: tuple[jax.Array, jax.Array] | None = None,
    ) -> State:
        """Adds a batch of clips.

        Args:
          state: from `init` or `update`.
          x_bon: [b, o, n] neurons, or [b, n, f, t] with `images`.
          y_bok: [b, o, k] feature rows, or [b, k, rows, t] with `images`.
          mask_bo: [b, o] bool, or [b, t] with `images` (for metrics on vectors also [b, f, t], cell by
            cell): observations that count.
          clip_mask_b: [b] bool, False for clips that only pad the batch.
          context: arrays [b, o, ...]; a key as it is.
          ranks: both sides as `ranked_beforehand` makes them, for metrics with `of_ranks`; None where these
            rank by themselves.

        Returns:
          The new state.
        """
        mask_bo = mask_bo & clip_mask_b.reshape(-1, *(1,) * (mask_bo.ndim - 1))
        observed = Observed(x_bon.astype(jnp.float32), y_bok.astype(jnp.float32), mask_bo)
        ranked = None if ranks is None else Observed(*ranks, mask_bo)
        with precision.products(self.way):
            return self._update(state, observed, ranked, clip_mask_b, context)

    @property
    def ranks(self) -> bool:
        """Whether a metric can take ranks that were made beforehand."""
        return any(self._per_clip(metric) and metric.of_ranks for metric in self.metrics)

    def _update(
        self,
        state: State,
        observed: Observed,
        ranked: Observed | None,
        clip_mask_b: jax.Array,
        context: Context,
    ) -> State:
        vectors = observed
        if self.images and any(m.observes == "vector" for m in self.metrics):
            vectors, ranked = _cells(observed), ranked and _cells(ranked)
        clips = {}
        for metric in self.metrics:
            if self._per_clip(metric):
                sides, of_sides = observed if metric.observes == "image" else vectors, metric
                if ranked is not None and metric.of_ranks is not None:
                    sides, of_sides = ranked, metric.of_ranks
                scores = self._scores_in_clips(of_sides, sides, context)
                clips[metric.name] = clip_means.add(state.clips[metric.name], scores, sides.mask, clip_mask_b)
        return State(self._add_pooled(state.pooled, vectors, context), clips)

    def merge(self, a: State, b: State) -> State:
        """The state of both sets of clips; associative and commutative up to rounding."""
        pooled = {
            key: accumulator.merge(a.pooled[key], b.pooled[key])
            for key, (accumulator, _) in self._accumulators().items()
        }
        return State(pooled, {name: clip_means.merge(a.clips[name], b.clips[name]) for name in a.clips})

    def merge_stacked(self, states: State) -> State:
        """Merges states stacked on a leading axis, such as one for each device."""
        leaves, structure = jax.tree.flatten(states)
        apart = (jax.tree.unflatten(structure, one) for one in zip(*leaves, strict=True))
        return functools.reduce(self.merge, apart)

    def finalize(self, state: State) -> dict[str, dict[str, Any]]:
        """{metric: {"score", "valid", "n_observations", "std_error" (per clip), other outputs: [n, k]}}.

        `score` is NaN and `valid` False where undefined; `n_observations` is a `long_counts.Count`, which
        `long_counts.on_host` makes whole numbers of.
        """
        results = {}
        for metric in self.metrics:
            if self._per_clip(metric):
                outputs = clip_means.finalize(state.clips[metric.name])
            else:
                outputs = self._finish_pooled(metric, state.pooled)
            results[metric.name] = outputs | {"valid": ~jnp.isnan(outputs["score"])}
        return results

    def _per_clip(self, metric: Metric) -> bool:
        return metric.observes == "image" or (self.within and metric.within == "per_clip")

    def _spans(self, metric: Metric) -> tuple[Span, ...]:
        """The rows that the metric takes together; all, unless it is of level feature."""
        if metric.level == "feature" and metric.observes == "vector" and self.features is not None:
            return self.features
        return ((0, self.k),)

    def _accumulators(self) -> dict[str, Pooled]:
        """Every accumulator once, whichever metrics share it."""
        return {
            _key(metric.accumulator, span): Pooled(metric.accumulator, span)
            for metric in self.metrics
            if metric.accumulator is not None and not self._per_clip(metric)
            for span in self._spans(metric)
        }

    def _init_clips(self, metric: Metric) -> clip_means.ClipMeans:
        is_whole = metric.level == "feature" and metric.observes == "vector"
        columns = len(self._spans(metric)) if is_whole else self.k
        return clip_means.init((self.n, columns), metric.outputs, self.std_error)

    def _scores_in_clips(self, metric: Metric, sides: Observed, context: Context) -> Mapping[str, jax.Array]:
        x, y, mask = sides
        if metric.observes == "image":
            return clip_scores(metric, x, y, mask, context, tile_bytes=self.tile_bytes)
        of_spans = [
            clip_scores(metric, x, y[:, :, start:stop], mask, context, tile_bytes=self.tile_bytes)
            for start, stop in self._spans(metric)
        ]
        return {name: jnp.concatenate([one[name] for one in of_spans], -1) for name in metric.outputs}

    def _add_pooled(
        self, pooled: Mapping[str, Any], vectors: Observed, context: Context
    ) -> Mapping[str, Any]:
        accumulators = self._accumulators()
        if not accumulators:
            return {}
        x_bon, y_bok, mask_bo = vectors
        if self.within:
            x_bon, y_bok = without_clip_means(x_bon, mask_bo), without_clip_means(y_bok, mask_bo)
            if context.nuisance_oq is not None:
                nuisance = without_clip_means(context.nuisance_oq, mask_bo)
                context = context._replace(nuisance_oq=nuisance)
        arrays = context._replace(key=None)
        x_on, y_ok, mask_o, arrays = jax.tree.map(
            lambda leaf: leaf.reshape(-1, *leaf.shape[2:]), (x_bon, y_bok, mask_bo, arrays)
        )
        context = arrays._replace(key=context.key)
        return {
            key: accumulator.update(pooled[key], x_on, y_ok[:, start:stop], mask_o, context)
            for key, (accumulator, (start, stop)) in accumulators.items()
        }

    def _finish_pooled(self, metric: Metric, pooled: Mapping[str, Any]) -> dict[str, Any]:
        accumulator = metric.accumulator
        assert accumulator is not None, "checked when the stream was made"
        of_spans = [accumulator.finalize(pooled[_key(accumulator, span)]) for span in self._spans(metric)]
        shape = of_spans[0]["score"].shape

        def join(*words: jax.Array) -> jax.Array:
            return jnp.concatenate([jnp.broadcast_to(word, shape) for word in words], -1)

        return {name: jax.tree.map(join, *(one[name] for one in of_spans)) for name in of_spans[0]}


def _key(accumulator: Accumulator, span: Span) -> str:
    return f"{accumulator.name}:{span[0]}:{span[1]}"


def _cells(images: Observed) -> Observed:
    """Images as vectors of cells: [b, f * t, n], [b, f * t, k], [b, f * t]."""
    x_bnft, y_bkft, mask = images
    if x_bnft.shape[2] != y_bkft.shape[2]:
        raise ValueError(
            f"expected images with the same rows to compare cells, got {x_bnft.shape[2]} frequencies "
            f"and {y_bkft.shape[2]} rows; take a metric that compares frames"
        )
    b, _, f, t = x_bnft.shape
    x, y = (image.transpose(0, 2, 3, 1).reshape(b, f * t, image.shape[1]) for image in (x_bnft, y_bkft))
    mask_bft = mask[:, None, :] if mask.ndim == 2 else mask
    return Observed(x, y, jnp.broadcast_to(mask_bft, (b, f, t)).reshape(b, f * t))


def without_clip_means(values_bon: jax.Array, mask_bo: jax.Array) -> jax.Array:
    """Removes each clip's own mean."""
    return jax.vmap(lambda values_on, mask_o: deviations(values_on, mask_o, 0).values)(values_bon, mask_bo)
