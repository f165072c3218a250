"""Runs the kernel over arrays of any size on all local devices, in tiles of bounded memory."""

import dataclasses
import functools
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import jax
import numpy as np

from actjax import parallel, precision
from actjax.similarity.arithmetic import long_counts
from actjax.similarity.grid import regrid_images
from actjax.similarity.host import lent
from actjax.similarity.kernel import check_size, first_block, pairwise, takes_blocks
from actjax.similarity.narrow import is_wide, narrow
from actjax.similarity.stream import PairStream
from actjax.types import Context, Metric

# Below this many multiplications the devices would wait for each other.
_SMALL = 1 << 22
# Side of the problem whose state is measured.
_PROBE = 64
_LINEAR = frozenset({"scale", "shift"})


def score_vectors(metric: Metric, x, y, mask, context: Context, memory: int) -> dict[str, np.ndarray]:
    """{output: [n, k]} of x [o, n] and y [o, k], tile by tile."""
    (o, n), k = x.shape, y.shape[1]
    check_size(metric, o)
    # An argument like all others: a mask made while compiling would be a constant of the data's size.
    mask = np.ones(o, bool) if mask is None else mask
    whole = metric.level == "feature"
    columns = 1 if whole else k
    devices = parallel.local_device_count()
    if o * n * k < _SMALL or n < devices:
        devices = 1
    tile_n, tile_k = _tile_sizes(metric, o, n, k, memory, devices)
    out = {name: np.empty((n, columns), np.float32) for name in metric.outputs}
    how = (metric, _neurons_first(x), memory // (4 * devices), devices)

    def run(*sides):
        return precision.guarded(lambda way: _runner(*how, way)(*sides))

    for column in range(0, k, tile_k):
        column = min(column, k - tile_k)
        rows = _float32(metric, _tile(y, column, tile_k), mask)
        shared = _shared((rows, mask, _narrowed(context, mask)), devices)
        span = slice(0, 1) if whole else slice(column, column + tile_k)
        waiting = None
        for base in range(0, n, tile_n * devices):
            starts = [min(base + d * tile_n, n - tile_n) for d in range(devices)]
            found = run(_stacked(metric, x, mask, starts, tile_n, devices), *shared)
            # The next tile is on its way while this one is copied out.
            _write(out, waiting, span)
            waiting = (starts, tile_n, found, devices)
        _write(out, waiting, span)
    return out


def _tile_sizes(metric: Metric, o: int, n: int, k: int, memory: int, devices: int) -> tuple[int, int]:
    """(neurons of a device, rows): the input tiles, what is made of them and the pairs' scores fit."""
    # An input tile, its prepared form and one temporary of each side (ranks and sets: one more, and a copy
    # on the host); scores that are copied out while the
    # next are made, and what these are made of.
    item, pair = (12 if takes_blocks(metric) else 20) * o, 4 * (3 + 2 * len(metric.outputs))
    tile_k = k
    if metric.level != "feature":
        tile_k = _even(k, min(memory // (4 * item * devices), math.isqrt(memory // (4 * pair * devices))))
    tile_n = (memory - item * tile_k) // (devices * (item + pair * tile_k))
    return _even(-(-n // devices), tile_n), tile_k


def _even(items: int, most: int) -> int:
    """The size of the fewest tiles of at most `most`, one at least, as equal as can be."""
    most = max(1, min(items, most))
    return -(-items // -(-items // most))


@functools.lru_cache(maxsize=64)
def _runner(metric: Metric, neurons_first: bool, tile_bytes: int, devices: int, way: str):
    def run(x, y, mask, context):
        y = y.T if neurons_first else y
        with precision.products(way):
            return pairwise(metric, x, y, mask, context, neurons_first=neurons_first, tile_bytes=tile_bytes)

    return jax.jit(run) if devices == 1 else parallel.pmap(run)


def _neurons_first(x: Any) -> bool:
    """True where memory holds one neuron after the other, as in the transpose of a C array."""
    return isinstance(x, np.ndarray) and x.flags.f_contiguous and not x.flags.c_contiguous


def _tile(array: Any, start: int, size: int) -> Any:
    return array if size == array.shape[1] else array[:, start : start + size]


def _float32(metric: Metric, tile: Any, mask: Any) -> Any:
    """The tile in what the device turns into float32 without loss; wide numbers are brought into it here."""
    if isinstance(tile, np.ndarray) and (is_wide(tile.dtype) or not tile.dtype.isnative):
        return narrow(tile, None if mask is None else mask[:, None], frozenset(metric.invariant_to))
    return tile


def _narrowed(context: Context, mask: Any) -> Context:
    """The context for the device; what nuisances explain depends on neither their scale nor their offset."""
    if context.nuisance_oq is None:
        return context
    mask = None if mask is None else mask[:, None]
    return context._replace(nuisance_oq=narrow(context.nuisance_oq, mask, _LINEAR))


def _stacked(metric: Metric, x: Any, mask: Any, starts: list[int], size: int, devices: int) -> Any:
    tiles = [_float32(metric, _tile(x, start, size), mask) for start in starts]
    if _neurons_first(x):
        tiles = [tile.T for tile in tiles]
    if devices == 1:
        # Neurons first are the transpose of such an array: a block of their observations is no stretch of it.
        in_blocks = takes_blocks(metric) and not _neurons_first(x)
        return lent.on_device(tiles[0], first_block(tiles[0].shape[0]) if in_blocks else None)
    return np.stack([np.asarray(tile, np.float32) for tile in tiles])


def _shared(tree: Any, devices: int) -> Any:
    y, mask, context = tree
    tree = (lent.on_device(y), mask, context)
    return tree if devices == 1 else parallel.replicate(tree)


def _write(out: dict[str, np.ndarray], waiting: Any, span: slice) -> None:
    if waiting is None:
        return
    starts, size, found, devices = waiting
    for name, target in out.items():
        values = np.asarray(found[name])
        values = values[None] if devices == 1 else values
        for start, part in zip(starts, values, strict=True):
            target[start : start + size, span] = part


def stream_in_tiles(
    metric: Metric,
    x,
    y,
    of_tile: Callable[[Any, Any], Iterator[Any]],
    key,
    memory: int,
    *,
    details: bool,
    **how: Any,
) -> dict[str, np.ndarray]:
    """{output: [n, k]} of a stream over batches of clips, for as many neurons and rows at a time as fit.

    Args:
      metric: what is scored.
      x, y: neurons and rows or features on axis 1.
      of_tile: (some of x, some of y) -> batches, as `clip_batches` or `image_batches` make them.
      key: for metrics that sample.
      memory: bound in bytes.
      details: keeps all outputs, else the score alone.
      **how: options of the stream.
    """
    n, k = x.shape[1], y.shape[1]
    how["std_error"] = details
    tile_n, tile_k = _stream_tile(metric, n, k, memory, how)
    tile_bytes = memory // (4 * parallel.local_device_count())
    out: dict[str, np.ndarray] = {}
    for row in range(0, n, tile_n):
        row = min(row, n - tile_n)
        for column in range(0, k, tile_k):
            column = min(column, k - tile_k)
            stream = PairStream((metric,), tile_n, tile_k, tile_bytes=tile_bytes, **how)
            batches = of_tile(_tile(x, row, tile_n), _tile(y, column, tile_k))
            found = run_stream(stream, batches, key)[metric.name]
            found = found if details else {"score": found["score"]}
            if (tile_n, tile_k) == (n, k):
                return found
            for name, part in found.items():
                columns = k if part.shape[1] == tile_k else 1
                out.setdefault(name, np.empty((n, columns), part.dtype))
                out[name][row : row + tile_n, column : column + part.shape[1]] = part
    return out


def _stream_tile(metric: Metric, n: int, k: int, memory: int, how: Mapping[str, Any]) -> tuple[int, int]:
    """(neurons, rows) whose states and their updates on all devices fit in half of the memory."""
    state = jax.eval_shape(PairStream((metric,), _PROBE, _PROBE, **how).init)
    pair = sum(leaf.dtype.itemsize * math.prod(leaf.shape) for leaf in jax.tree.leaves(state)) // _PROBE**2
    most = memory // (8 * max(pair, 4) * parallel.local_device_count())
    whole = metric.level == "feature" and metric.observes == "vector"
    tile_k = k if whole else _even(k, max(math.isqrt(most), most // n))
    return _even(n, most // tile_k), tile_k


def run_stream(stream: PairStream, batches: Iterator[Any], key) -> dict[str, dict[str, np.ndarray]]:
    """Feeds (x, y, mask, clip_mask, context) batches, sharded over the local devices, and finalizes."""

    def update(*arguments):
        with precision.products(stream.way):
            return precision.guarded(lambda way: _updater(dataclasses.replace(stream, way=way))(*arguments))

    states = parallel.replicate(stream.init())
    keys = parallel.replicate(key)
    for x, y, mask, clip_mask, context in batches:
        # The next batch was made while the devices worked; more than one under way would pile up in memory.
        jax.block_until_ready(states)
        states = update(states, *parallel.shard((x, y, mask, clip_mask, context)), keys)
    return long_counts.on_host(_finish(stream, jax.device_get(states)))


@functools.partial(jax.jit, static_argnums=0)
def _finish(stream: PairStream, states: Any) -> dict[str, dict[str, jax.Array]]:
    return stream.finalize(stream.merge_stacked(states))


@functools.lru_cache(maxsize=64)
def _updater(stream: PairStream):
    def update(state, x, y, mask, clip_mask, context, key):
        if stream.images:
            cells = all(metric.compares == "cells" for metric in stream.metrics)
            x, y, mask = regrid_images(x, y, mask, same_rows=cells)
        return stream.update(state, x, y, mask, clip_mask, context._replace(key=key))

    return parallel.pmap(update, donate=(0,))
