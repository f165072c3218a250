"""Runs a stream over batches of clips on all local devices, for as many pairs at a time as memory holds."""

import dataclasses
import functools
import math
from collections.abc import Callable, Iterable
from typing import Any

import jax
import numpy as np

from actjax import parallel, precision
from actjax.similarity.arithmetic import long_counts
from actjax.similarity.batches import ClipBatch
from actjax.similarity.devices import columns_from, even, starts
from actjax.similarity.grid import regrid_images
from actjax.similarity.stream import PairStream, State
from actjax.types import Context, Metric

# Side of the problem whose state is measured.
_PROBE = 64
Side = np.ndarray | jax.Array
# {output: [n, k]}.
Outputs = dict[str, np.ndarray]


def stream_in_tiles(
    metric: Metric,
    x: Side,
    y: Side,
    of_tile: Callable[[Side, Side], Iterable[ClipBatch]],
    key: jax.Array | None,
    memory: int,
    *,
    details: bool,
    images: bool = False,
) -> Outputs:
    """Scores all pairs of a stream over batches of clips, for as many neurons and rows at a time as fit.

    Args:
      metric: what is scored.
      x, y: neurons, and rows or features, on axis 1.
      of_tile: (some of x, some of y) -> batches, as `clip_batches` or `image_batches` make them.
      key: for metrics that sample.
      memory: bound in bytes.
      details: keeps all outputs, else the score alone.
      images: as of the stream.
    """
    n, k = x.shape[1], y.shape[1]
    whole = PairStream(
        (metric,),
        n,
        k,
        images=images,
        std_error=details,
        tile_bytes=memory // (4 * parallel.local_device_count()),
    )
    tile_n, tile_k = _tile_sizes(whole, memory)
    stream = dataclasses.replace(whole, n=tile_n, k=tile_k)
    outputs: Outputs = {}
    for row in starts(n, tile_n):
        for column in starts(k, tile_k):
            batches = of_tile(columns_from(x, row, tile_n), columns_from(y, column, tile_k))
            of_pairs = run_stream(stream, batches, key)[metric.name]
            if not details:
                of_pairs = {"score": of_pairs["score"]}
            if (tile_n, tile_k) == (n, k):
                return of_pairs
            # Metrics of whole features have one column.
            columns = k if of_pairs["score"].shape[1] == tile_k else 1
            _write(outputs, of_pairs, row, column, (n, columns))
    return outputs


def _write(outputs: Outputs, of_pairs: Outputs, row: int, column: int, shape: tuple[int, int]) -> None:
    for name, values in of_pairs.items():
        target = outputs.setdefault(name, np.empty(shape, values.dtype))
        target[row : row + values.shape[0], column : column + values.shape[1]] = values


def _tile_sizes(stream: PairStream, memory: int) -> tuple[int, int]:
    """(neurons, rows) whose states and their updates on all devices fit in half of the memory."""
    (metric,) = stream.metrics
    state = jax.eval_shape(dataclasses.replace(stream, n=_PROBE, k=_PROBE).init)
    pair = sum(leaf.dtype.itemsize * math.prod(leaf.shape) for leaf in jax.tree.leaves(state)) // _PROBE**2
    most = memory // (8 * max(pair, 4) * parallel.local_device_count())
    whole = metric.level == "feature" and metric.observes == "vector"
    tile_k = stream.k if whole else even(stream.k, max(math.isqrt(most), most // stream.n))
    return even(stream.n, most // tile_k), tile_k


def run_stream(
    stream: PairStream, batches: Iterable[ClipBatch | tuple[Any, ...]], key: jax.Array | None
) -> dict[str, Outputs]:
    """Feeds batches, sharded over the local devices, and finalizes: {metric: {output: [n, k]}}."""

    def update(*operands: Any) -> State:
        with precision.products(stream.way):
            return precision.guarded(lambda way: _updater(dataclasses.replace(stream, way=way))(*operands))

    states = parallel.replicate(stream.init())
    keys = parallel.replicate(key)
    for batch in batches:
        # The next batch was made while the devices worked; more than one under way would pile up in memory.
        jax.block_until_ready(states)
        states = update(states, *parallel.shard(tuple(batch)), keys)
    return long_counts.on_host(_finish(stream, jax.device_get(states)))


@functools.partial(jax.jit, static_argnums=0)
def _finish(stream: PairStream, states: State) -> dict[str, dict[str, Any]]:
    return stream.finalize(stream.merge_stacked(states))


@functools.lru_cache(maxsize=64)
def _updater(stream: PairStream) -> Callable[..., State]:
    def update(
        state: State,
        x: jax.Array,
        y: jax.Array,
        mask: Any,
        clip_mask_b: jax.Array,
        context: Context,
        key: jax.Array | None,
    ) -> State:
        if stream.images:
            cells = all(metric.compares == "cells" for metric in stream.metrics)
            x, y, mask = regrid_images(x, y, mask, same_rows=cells)
        return stream.update(state, x, y, mask, clip_mask_b, context._replace(key=key))

    return parallel.pmap(update, donate=(0,))
