"""Scores of one problem, accumulated over batches of clips: state in, state out, traceable in pmap.

A problem is a set of neurons and a set of feature rows on one grid. Metrics that stream share their
moments; the others are computed in each clip and averaged over clips, with a standard error.
"""

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp

from actjax import precision
from actjax.similarity.accumulators import clip_means
from actjax.similarity.arithmetic.deviations import deviations
from actjax.similarity.kernel import clip_scores
from actjax.similarity.tiles import TILE_BYTES
from actjax.types import Context, Metric


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
    features: tuple[tuple[int, int], ...] | None = None
    std_error: bool = True
    tile_bytes: int = TILE_BYTES
    way: str = dataclasses.field(default_factory=precision.current_way)

    def __post_init__(self):
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

    def init(self) -> Mapping[str, Any]:
        """The state before any clip: {"pooled": {accumulator: ...}, "clips": {metric: ClipMeans}}."""
        pooled = {
            key: accumulator.init(self.n, stop - start)
            for key, (accumulator, start, stop) in self._accumulators().items()
        }
        clips = {m.name: self._init_clips(m) for m in self.metrics if self._per_clip(m)}
        return {"pooled": pooled, "clips": clips}

    def update(self, state, x_bon, y_bok, mask_bo, clip_mask_b, context: Context = Context()):  # noqa: B008
        """Adds a batch of clips.

        Args:
          state: from `init` or `update`.
          x_bon: [b, o, n] neurons, or [b, n, f, t] with `images`.
          y_bok: [b, o, k] feature rows, or [b, k, rows, t] with `images`.
          mask_bo: [b, o] bool, or [b, t] with `images` (for metrics on vectors also [b, f, t], cell by
            cell): observations that count.
          clip_mask_b: [b] bool, False for clips that only pad the batch.
          context: arrays [b, o, ...]; a key as it is.

        Returns:
          The new state.
        """
        with precision.products(self.way):
            return self._update(state, x_bon, y_bok, mask_bo, clip_mask_b, context)

    def _update(self, state, x_bon, y_bok, mask_bo, clip_mask_b, context):
        mask_bo = mask_bo & clip_mask_b.reshape(-1, *(1,) * (mask_bo.ndim - 1))
        x_bon, y_bok = x_bon.astype(jnp.float32), y_bok.astype(jnp.float32)
        vectors = (x_bon, y_bok, mask_bo)
        if self.images and any(m.observes == "vector" for m in self.metrics):
            vectors = _cells(*vectors)
        clips = {}
        for metric in self.metrics:
            if self._per_clip(metric):
                sides = (x_bon, y_bok, mask_bo) if metric.observes == "image" else vectors
                found = self._scores_in_clips(metric, *sides, context)
                old = state["clips"][metric.name]
                clips[metric.name] = clip_means.add(old, found, sides[2], clip_mask_b)
        return {"pooled": self._add_pooled(state["pooled"], *vectors, context), "clips": clips}

    def merge(self, a, b):
        """The state of both sets of clips; associative and commutative up to rounding."""
        merges = {key: accumulator.merge for key, (accumulator, _, _) in self._accumulators().items()}
        return {
            "pooled": {key: merge(a["pooled"][key], b["pooled"][key]) for key, merge in merges.items()},
            "clips": {name: clip_means.merge(a["clips"][name], b["clips"][name]) for name in a["clips"]},
        }

    def merge_stacked(self, states):
        """Merges states stacked on a leading axis, such as one for each device."""
        leaves, structure = jax.tree.flatten(states)
        apart = (jax.tree.unflatten(structure, one) for one in zip(*leaves, strict=True))
        return functools.reduce(self.merge, apart)

    def finalize(self, state) -> dict[str, dict[str, jax.Array]]:
        """{metric: {"score", "valid", "n_observations", "std_error" (per clip), other outputs: [n, k]}}.

        `score` is NaN and `valid` False where undefined; `n_observations` is a `_counts.Count`, which
        `_counts.on_host` makes whole numbers of.
        """
        results = {}
        for metric in self.metrics:
            if self._per_clip(metric):
                found = clip_means.finalize(state["clips"][metric.name])
            else:
                found = self._finish_pooled(metric, state["pooled"])
            results[metric.name] = found | {"valid": ~jnp.isnan(found["score"])}
        return results

    def _per_clip(self, metric: Metric) -> bool:
        return metric.observes == "image" or (self.within and metric.within == "per_clip")

    def _pieces(self, metric: Metric) -> tuple[tuple[int, int], ...]:
        """The (start, stop) of rows that the metric takes together; all, unless it is of level feature."""
        if metric.level == "feature" and metric.observes == "vector" and self.features is not None:
            return self.features
        return ((0, self.k),)

    def _accumulators(self) -> dict[str, Any]:
        """Every accumulator once, whichever metrics share it: key -> (accumulator, start, stop)."""
        found = {}
        for metric in self.metrics:
            if not self._per_clip(metric):
                for start, stop in self._pieces(metric):
                    found[_key(metric, start, stop)] = (metric.accumulator, start, stop)
        return found

    def _init_clips(self, metric: Metric) -> clip_means.ClipMeans:
        is_whole = metric.level == "feature" and metric.observes == "vector"
        columns = len(self._pieces(metric)) if is_whole else self.k
        return clip_means.init((self.n, columns), metric.outputs, self.std_error)

    def _scores_in_clips(self, metric, x, y, mask, context):
        if metric.observes == "image":
            return clip_scores(metric, x, y, mask, context, tile_bytes=self.tile_bytes)
        parts = [
            clip_scores(metric, x, y[:, :, start:stop], mask, context, tile_bytes=self.tile_bytes)
            for start, stop in self._pieces(metric)
        ]
        return {name: jnp.concatenate([part[name] for part in parts], -1) for name in metric.outputs}

    def _add_pooled(self, pooled, x_bon, y_bok, mask_bo, context):
        accumulators = self._accumulators()
        if not accumulators:
            return {}
        if self.within:
            x_bon, y_bok = without_clip_means(x_bon, mask_bo), without_clip_means(y_bok, mask_bo)
            if context.nuisance_oq is not None:
                nuisance = without_clip_means(context.nuisance_oq, mask_bo)
                context = context._replace(nuisance_oq=nuisance)
        arrays = context._replace(key=None)
        x, y, mask, arrays = jax.tree.map(
            lambda leaf: leaf.reshape(-1, *leaf.shape[2:]), (x_bon, y_bok, mask_bo, arrays)
        )
        context = arrays._replace(key=context.key)
        return {
            key: accumulator.update(pooled[key], x, y[:, start:stop], mask, context)
            for key, (accumulator, start, stop) in accumulators.items()
        }

    def _finish_pooled(self, metric: Metric, pooled) -> dict[str, jax.Array]:
        parts = [
            metric.accumulator.finalize(pooled[_key(metric, start, stop)])
            for start, stop in self._pieces(metric)
        ]
        joined = {}
        for name in parts[0]:
            shape = parts[0]["score"].shape
            joined[name] = jax.tree.map(
                lambda *words, shape=shape: jnp.concatenate([jnp.broadcast_to(w, shape) for w in words], -1),
                *(part[name] for part in parts),
            )
        return joined


def _key(metric: Metric, start: int, stop: int) -> str:
    return f"{metric.accumulator.name}:{start}:{stop}"


def _cells(x_bnft, y_bkft, mask_bt):
    """Images as vectors of cells: [b, f * t, n], [b, f * t, k], [b, f * t]."""
    if x_bnft.shape[2] != y_bkft.shape[2]:
        raise ValueError(
            f"expected images with the same rows to compare cells, got {x_bnft.shape[2]} frequencies "
            f"and {y_bkft.shape[2]} rows; take a metric that compares frames"
        )
    b, _, f, t = x_bnft.shape
    flat = [image.transpose(0, 2, 3, 1).reshape(b, f * t, image.shape[1]) for image in (x_bnft, y_bkft)]
    mask_bft = mask_bt[:, None, :] if mask_bt.ndim == 2 else mask_bt
    return *flat, jnp.broadcast_to(mask_bft, (b, f, t)).reshape(b, f * t)


def without_clip_means(values_bon, mask_bo):
    """Each clip's own mean removed."""
    return jax.vmap(lambda values_on, mask_o: deviations(values_on, mask_o, 0).values)(values_bon, mask_bo)
