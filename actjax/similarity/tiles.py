"""The sizes of tiles of pairs that stay within a bound on memory, known from shapes alone."""

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp

from actjax import parallel
from actjax.similarity.host.threads import at_least_one
from actjax.types import Context, Metric, Together

# Bound on what one tile of pairs, or one tile of prepared neurons, holds at a time.
TILE_BYTES = 256 * 2**20
# Prepared neurons that meet all rows at once, in bytes: with four times as many, fresh memory costs a fifth
# (rank metrics) to a half (sets) more time on a CPU, and with a quarter of them nothing is gained.
DOT_TILE_BYTES = 64 * 2**20
# The same of images, whose prepared items are frame by frame: they stay in the cache. cka takes a third of
# its CPU time with 64 MiB (683 frames, 32 neurons: 64 ms, not 195; 86 frames, 728 neurons: 20 ms, not 49).
IMAGE_TILE_BYTES = 2 * 2**20
# The share of an accelerator's memory that a tile takes by default.
_SHARE = 32

# What has a shape; its values do not matter here.
Shaped = jax.Array | jax.ShapeDtypeStruct


def default_bytes() -> int:
    """The bound on a tile that suits the device: its programs on an accelerator are short ones."""
    if jax.default_backend() == "cpu":
        return TILE_BYTES
    return max(TILE_BYTES, (parallel.device_bytes() or 0) // _SHARE)


def bound_of(metric: Metric, tile_bytes: int) -> int:
    """The bound on what is prepared at a time: for inner products on a CPU, what its caches hold."""
    if not metric.dot or jax.default_backend() != "cpu":
        return tile_bytes
    return min(tile_bytes, IMAGE_TILE_BYTES if metric.observes == "image" else DOT_TILE_BYTES)


def together_on(metric: Metric) -> Together | None:
    """The metric's way for all images at once, where programs are for a CPU."""
    return metric.together if parallel.on_cpu() else None


def tile_sizes(
    metric: Metric,
    x: Shaped,
    y: Shaped,
    mask: Shaped,
    context: Context,
    axis: int,
    n: int,
    k: int,
    tile_bytes: int,
) -> tuple[int, int]:
    """(neurons, rows) of a tile that stays within `tile_bytes`."""
    together = together_on(metric)
    if together is not None:
        bound, of_one = min(tile_bytes, IMAGE_TILE_BYTES), (x.shape[1:], y.shape[1:])
        # Two neurons or more: one alone takes twice as long.
        of_two = 8 * together.numbers(*of_one, k)
        tile_k = k if of_two <= bound else _even(k, at_least_one(k * bound, of_two))
        return _even(n, at_least_one(bound, 4 * together.numbers(*of_one, tile_k))), tile_k
    item = _item_bytes(metric.prepare_x, x, mask, context, axis)
    if metric.dot:
        return _even(n, at_least_one(bound_of(metric, tile_bytes), item)), k
    if metric.at_once is not None and metric.at_once(mask.shape[0]):
        # What preparing takes: values and places that are sorted.
        values = metric.pair_copies * 4 * math.prod(x.shape) // n
        return _even(n, at_least_one(tile_bytes, max(item, values))), k
    pairs = at_least_one(tile_bytes, metric.pair_copies * item)
    tile_k = _even(k, pairs)
    return _even(n, at_least_one(pairs, tile_k)), tile_k


def _even(items: int, most: int) -> int:
    """The size of the fewest tiles of at most `most`, as equal as can be: overlaps are computed twice."""
    most = min(items, most)
    return -(-items // -(-items // most))


def clip_bytes(metric: Metric, x: Shaped, y: Shaped, mask: Shaped, context: Context, axis: int) -> int:
    """What one clip's inputs, prepared items and scores take."""
    n, k = x.shape[axis], y.shape[axis]
    x_item = _item_bytes(metric.prepare_x, x, mask, context, axis)
    if metric.level == "feature" and metric.observes == "vector":
        y_items, k = x_item * k, 1
    else:
        y_items = k * _item_bytes(metric.prepare_y, y, mask, context, axis)
    inputs = 4 * (math.prod(x.shape) + math.prod(y.shape))
    return inputs + n * x_item + y_items + 4 * n * k * len(metric.outputs)


def _item_bytes(prepare: Callable, values: Shaped, mask: Shaped, context: Context, axis: int) -> int:
    """The size of one prepared item, known from shapes alone."""
    shape = values.shape[1:] if axis == 0 else values.shape[:-1]
    item = jax.eval_shape(prepare, jax.ShapeDtypeStruct(shape, jnp.float32), mask, context)
    return sum(math.prod(leaf.shape) * leaf.dtype.itemsize for leaf in jax.tree.leaves(item))
