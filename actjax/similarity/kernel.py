"""The kernel: a metric written for one pair, doubly vmapped over all pairs, in tiles of bounded memory.

Because each vmap batches one operand only, XLA lowers a `compare` that is an inner product to a single
matrix product. Everything here can be traced inside `jit` and `pmap`.
"""

import functools
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from actjax import parallel, precision
from actjax.similarity import blocks, whole_arrays
from actjax.similarity.host import lent
from actjax.similarity.host.dispatch import host_allowed
from actjax.similarity.host.threads import at_least_one
from actjax.similarity.tiles import bound_of, clip_bytes, default_bytes, tile_sizes, together_on
from actjax.types import Context, Metric

Scores = Mapping[str, jax.Array]
# What callers may give.
Side = lent.Array | np.ndarray
Values = jax.Array | np.ndarray


def pairwise(
    metric: Metric,
    x_on: Side,
    y_ok: Side,
    mask_o: Values | None = None,
    context: Context = Context(),  # noqa: B008 (an immutable tuple)
    *,
    neurons_first: bool = False,
    tile_bytes: int | None = None,
) -> Scores:
    """Every neuron against every feature row, under one mask.

    Args:
      metric: what `actjax.similarity.api.make_metric` returns.
      x_on: [o, n] neurons, observations first; [n, f, t] for a metric that observes images.
      y_ok: [o, k] feature rows; [k, rows, t] for images. For a metric of level "feature" that
        observes vectors, the k rows together are one feature.
      mask_o: [o] bool ([t] for images), False where an observation does not count; None for all.
      context: what is neither side.
      neurons_first: x is [n, o] and y [k, o] instead.
      tile_bytes: bound on a tile's memory, in bytes; by default what suits the device.

    Returns:
      {"score": [n, k] float32, ...}, the metric's outputs; [n, 1] for level "feature" on vectors.
      NaN where undefined or where fewer than `metric.min_observations` count.

    Raises:
      ValueError: more observations than the metric takes.
    """
    axis = 0 if neurons_first or metric.observes == "image" else -1
    o = x_on.shape[-1 if axis == 0 else 0]
    check_size(metric, o)

    def in_way(way: str) -> Scores:
        if way == "fast":
            traced = isinstance(x_on, Tracer) or isinstance(y_ok, Tracer) or isinstance(mask_o, Tracer)
            if not traced and blocks.needs_blocks(metric, o):
                return whole_arrays.pairwise_scores(metric, x_on, y_ok, mask_o, axis)[0]
            # Prepared images are not near 1, as the kernel that splits wants them.
            way = "exact" if metric.observes == "image" else way
        how = {"tile_bytes": tile_bytes or default_bytes(), "on_host": parallel.callbacks_are_safe()}
        return _pairwise(metric, x_on, y_ok, mask_o, context, axis=axis, way=way, **how)

    return precision.guarded(in_way)


def clip_scores(
    metric: Metric,
    x_bon: Values,
    y_bok: Values,
    mask_bo: Values,
    context: Context = Context(),  # noqa: B008
    *,
    tile_bytes: int | None = None,
) -> Scores:
    """Every neuron against every feature row inside each clip.

    Args:
      metric: as in `pairwise`.
      x_bon: [b, o, n]; [b, n, f, t] for a metric that observes images.
      y_bok: [b, o, k]; [b, k, rows, t] for images.
      mask_bo: [b, o] bool; [b, t] for images.
      context: its arrays have a leading clip axis, except the key, which is folded with each clip's
        first clip id (its place in the batch where there are no ids).
      tile_bytes: bound on what is prepared at a time, in bytes; by default what suits the device.

    Returns:
      {"score": [b, n, k] float32, ...}.
    """
    check_size(metric, mask_bo.shape[1])
    how = {"tile_bytes": tile_bytes or default_bytes(), "on_host": parallel.callbacks_are_safe()}

    def in_way(way: str) -> Scores:
        # The kernel that splits takes one pair of matrices, not one for each clip.
        way = "exact" if way == "fast" else way
        return _clip_scores(metric, x_bon, y_bok, mask_bo, context, way=way, **how)

    return precision.guarded(in_way)


def check_size(metric: Metric, o: int) -> None:
    """Raises ValueError, one line, if the metric does not take so many observations in one call."""
    if o > metric.max_observations:
        raise ValueError(
            f"{metric.name} expected at most {metric.max_observations:,} observations at once, got {o:,}; "
            "take a part of them, clip by clip, or another metric"
        )


def _score_clips(
    metric: Metric,
    x_bon: jax.Array,
    y_bok: jax.Array,
    mask_bo: jax.Array,
    context: Context,
    *,
    tile_bytes: int,
) -> Scores:
    """`clip_scores` without its program."""
    axis = 0 if metric.observes == "image" else -1
    b = x_bon.shape[0]
    if mask_bo.shape[1] < metric.min_observations:
        return _undefined(metric, (b,), x_bon, y_bok, 1 if axis == 0 else -1)
    context = _clip_keys(context, b)
    if together_on(metric) is not None:
        # One clip after the other: each has conditions of its own.
        return jax.lax.map(
            lambda clip: score_pairs(metric, *clip, axis=axis, tile_bytes=tile_bytes),
            (x_bon, y_bok, mask_bo, context),
        )
    one_x, one_y, one_mask = (
        jax.ShapeDtypeStruct(values.shape[1:], values.dtype) for values in (x_bon, y_bok, mask_bo)
    )
    one_context = jax.tree.map(lambda leaf: leaf[0], context)
    if metric.observes == "image":
        tile_bytes = bound_of(metric, tile_bytes)
    per_clip = clip_bytes(metric, one_x, one_y, one_mask, one_context, axis)
    batch = min(b, at_least_one(tile_bytes, per_clip))

    def score_clip(arguments: tuple[jax.Array, jax.Array, jax.Array, Context]) -> Scores:
        x, y, mask, ctx = arguments
        return score_pairs(metric, x, y, mask, ctx, axis=axis, tile_bytes=tile_bytes // batch)

    if batch >= b:
        return jax.vmap(score_clip)((x_bon, y_bok, mask_bo, context))
    return jax.lax.map(score_clip, (x_bon, y_bok, mask_bo, context), batch_size=batch)


def score_pairs(
    metric: Metric,
    x: lent.Array,
    y: lent.Array,
    counts: jax.Array | None,
    context: Context,
    *,
    axis: int,
    tile_bytes: int,
) -> Scores:
    """`pairwise` without its program; neurons and rows stand on `axis`, 0 or -1, of x and y."""
    o = x.shape[-1 if axis == 0 else 0]
    if o < metric.min_observations:
        return _undefined(metric, (), x, y, axis)
    x, y = (side if isinstance(side, lent.Lent) else jnp.asarray(side).astype(jnp.float32) for side in (x, y))
    # Made here, a mask that lets all through takes no call of its own; known while compiling, it would be
    # folded, with all that follows from it, for minutes.
    mask = jax.lax.optimization_barrier(jnp.ones((o,), bool) if counts is None else jnp.asarray(counts))
    if blocks.needs_blocks(metric, o):
        return blocks.over_observations(metric, x, y, mask, axis)
    x, y = lent.whole(x), lent.whole(y)
    if axis == -1 and metric.dot and precision.current_way() != "plain":
        # An accelerator sorts and multiplies rows; turning a side round costs it less than columns would.
        return score_pairs(metric, x.T, y.T, mask, context, axis=0, tile_bytes=tile_bytes)
    together = together_on(metric)
    py = together.prepare(y, mask) if together else _prepare_y(metric, y, mask, context, axis)
    n, k = x.shape[axis], jax.tree.leaves(py)[0].shape[axis]
    tile_n, tile_k = tile_sizes(metric, x, y, mask, context, axis, n, k, tile_bytes)

    def prepare(start: jax.Array | int) -> Any:
        tile = x if tile_n >= n else jax.lax.dynamic_slice_in_dim(x, start, tile_n, axis)
        if together:
            return together.prepare(tile, mask)
        return _vmap_prepare(metric.prepare_x, tile, mask, context, axis)

    def compare(px: Any, start: jax.Array | int) -> Scores:
        tile = py
        if tile_k < k:
            tile = jax.tree.map(lambda leaf: jax.lax.dynamic_slice_in_dim(leaf, start, tile_k, axis), py)
        if together:
            return together.compare(px, tile, mask)
        return _compare_all(metric.compare, px, tile, axis)

    scores = _over_tiles(prepare, compare, n, k, tile_n, tile_k)
    enough = jnp.sum(mask) >= metric.min_observations
    return {name: jnp.where(enough, value, jnp.nan) for name, value in scores.items()}


def _undefined(metric: Metric, lead: tuple[int, ...], x: lent.Array, y: lent.Array, axis: int) -> Scores:
    """NaN for all pairs of neurons and rows, which stand on `axis`.

    Shapes that are too short for a metric, such as fewer inputs than it samples, never reach it.
    """
    whole = metric.level == "feature" and metric.observes == "vector"
    shape = (*lead, x.shape[axis], 1 if whole else y.shape[axis])
    return {name: jnp.full(shape, jnp.nan, jnp.float32) for name in metric.outputs}


def _compare_all(compare: Callable, px: Any, py: Any, axis: int) -> Scores:
    """The doubly vmapped kernel: [n] prepared neurons x [k] prepared rows -> {name: [n, k]}."""
    return jax.vmap(jax.vmap(compare, (None, axis)), (axis, None))(px, py)


def _vmap_prepare(prepare: Callable, values: jax.Array, mask: jax.Array, context: Context, axis: int) -> Any:
    # Prepared items keep the layout of the input: a transposition would cost as much as the product.
    return jax.vmap(lambda item: prepare(item, mask, context), axis, axis)(values)


def _prepare_y(metric: Metric, y: jax.Array, mask: jax.Array, context: Context, axis: int) -> Any:
    if metric.level == "feature" and metric.observes == "vector":
        whole = metric.prepare_y(y if axis == -1 else y.T, mask, context)
        return jax.tree.map(lambda leaf: jnp.expand_dims(leaf, axis), whole)
    return _vmap_prepare(metric.prepare_y, y, mask, context, axis)


def _over_tiles(
    prepare: Callable[[jax.Array | int], Any],
    compare: Callable[[Any, jax.Array | int], Scores],
    n: int,
    k: int,
    tile_n: int,
    tile_k: int,
) -> Scores:
    """Fills [n, k] tile by tile; the last tile of a side overlaps the one before it."""
    if tile_n >= n and tile_k >= k:
        return compare(prepare(0), 0)
    shapes = jax.eval_shape(lambda: compare(prepare(0), 0))
    out = {name: jnp.zeros((n, k), shape.dtype) for name, shape in shapes.items()}

    def fill_rows(i: jax.Array, out: dict[str, jax.Array]) -> dict[str, jax.Array]:
        row = jnp.minimum(i * tile_n, n - tile_n)
        px = prepare(row)

        def fill(j: jax.Array, out: dict[str, jax.Array]) -> dict[str, jax.Array]:
            column = jnp.minimum(j * tile_k, k - tile_k)
            tile = compare(px, column)
            return {m: jax.lax.dynamic_update_slice(out[m], tile[m], (row, column)) for m in out}

        return jax.lax.fori_loop(0, -(-k // tile_k), fill, out)

    return jax.lax.fori_loop(0, -(-n // tile_n), fill_rows, out)


def _program(scores_of: Callable[..., Scores]) -> Callable[..., Scores]:
    """Compiles (metric, x, y, mask, context, *, sizes) -> scores, with how it is computed beside the sizes.

    What may call the host is compiled apart from what may not, and so is each way of products.
    """

    @functools.partial(jax.jit, static_argnames=("metric", "axis", "tile_bytes", "on_host", "way"))
    def scores(metric: Metric, *sides: Any, on_host: bool, way: str, **sizes: int) -> Scores:
        with host_allowed(on_host), precision.products(way):
            return scores_of(metric, *sides, **sizes)

    return scores


_pairwise = _program(score_pairs)
_clip_scores = _program(_score_clips)


def _clip_keys(context: Context, b: int) -> Context:
    if context.key is None:
        return context
    ids = jnp.arange(b) if context.clip_ids_o is None else context.clip_ids_o[:, 0]
    return context._replace(key=jax.vmap(jax.random.fold_in, (None, 0))(context.key, ids))
