"""Runs the kernel over arrays of any size on all local devices, in tiles of bounded memory."""

import functools
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from actjax import parallel
from actjax.similarity import _counts
from actjax.similarity._regrid import regrid_images
from actjax.similarity._threads import at_least_one
from actjax.similarity.pairwise import check_size, pairwise
from actjax.similarity.stream import PairStream
from actjax.types import Context, Metric

# Below this many multiplications the devices would wait for each other.
_SMALL = 1 << 22


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
    # An input tile, its prepared form and one temporary of each side.
    budget = at_least_one(memory, 12 * o)
    tile_k = k if whole else min(k, at_least_one(budget, 4 * devices))
    tile_n = min(-(-n // devices), at_least_one(budget - tile_k, devices))
    out = {name: np.empty((n, columns), np.float32) for name in metric.outputs}
    run = _runner(metric, _neurons_first(x), memory // (4 * devices), devices)
    for column in range(0, k, tile_k):
        column = min(column, k - tile_k)
        shared = _shared((_tile(y, column, tile_k), mask, context), devices)
        span = slice(0, 1) if whole else slice(column, column + tile_k)
        waiting = None
        for base in range(0, n, tile_n * devices):
            starts = [min(base + d * tile_n, n - tile_n) for d in range(devices)]
            found = run(_stacked(x, starts, tile_n, devices), *shared)
            # The next tile is on its way while this one is copied out.
            _write(out, waiting, span)
            waiting = (starts, tile_n, found, devices)
        _write(out, waiting, span)
    return out


@functools.lru_cache(maxsize=64)
def _runner(metric: Metric, neurons_first: bool, tile_bytes: int, devices: int):
    def run(x, y, mask, context):
        if neurons_first:
            y = y.T
        return pairwise(metric, x, y, mask, context, neurons_first=neurons_first, tile_bytes=tile_bytes)

    return jax.jit(run) if devices == 1 else parallel.pmap(run)


def _neurons_first(x: Any) -> bool:
    """True where memory holds one neuron after the other, as in the transpose of a C array."""
    return isinstance(x, np.ndarray) and x.flags.f_contiguous and not x.flags.c_contiguous


def _tile(array: Any, start: int, size: int) -> Any:
    return array if size == array.shape[1] else array[:, start : start + size]


def _stacked(x: Any, starts: list[int], size: int, devices: int) -> Any:
    tiles = [_tile(x, start, size) for start in starts]
    if _neurons_first(x):
        tiles = [tile.T for tile in tiles]
    if devices == 1:
        return jnp.asarray(tiles[0]).astype(jnp.float32)
    return np.stack([np.asarray(tile, np.float32) for tile in tiles])


def _shared(tree: Any, devices: int) -> Any:
    y, mask, context = tree
    tree = (jnp.asarray(y).astype(jnp.float32), mask, context)
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


def run_stream(stream: PairStream, batches: Iterator[Any], key) -> dict[str, dict[str, np.ndarray]]:
    """Feeds (x, y, mask, clip_mask, context) batches, sharded over the local devices, and finalizes."""
    update = _updater(stream)
    states = parallel.replicate(stream.init())
    keys = parallel.replicate(key)
    for x, y, mask, clip_mask, context in batches:
        # The next batch was made while the devices worked; more than one under way would pile up in memory.
        jax.block_until_ready(states)
        states = update(states, *parallel.shard((x, y, mask, clip_mask, context)), keys)
    return _counts.on_host(_finish(stream, jax.device_get(states)))


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


def clip_batches(x, y, mask, clip_ids, context: Context, memory: int) -> Iterator[Any]:
    """Groups observations by clip and pads clips to one length: batches of [b, o, ...] arrays."""
    order = np.argsort(clip_ids, kind="stable")
    ids, starts, lengths = np.unique(clip_ids[order], return_index=True, return_counts=True)
    longest = int(lengths.max())
    size = _batch_size(len(ids), 4 * longest * (x.shape[1] + y.shape[1]), memory)
    places = np.minimum(starts[:, None] + np.arange(longest)[None, :], len(order) - 1)
    present = np.arange(longest)[None, :] < lengths[:, None]
    for start in range(0, len(ids), size):
        rows = np.zeros((size, longest), np.int64)
        counts = np.zeros((size, longest), bool)
        part = slice(start, min(start + size, len(ids)))
        b = part.stop - part.start
        rows[:b], counts[:b] = order[places[part]], present[part]
        if mask is not None:
            counts &= mask[rows]
        arrays = jax.tree.map(lambda leaf, rows=rows: leaf[rows], context)
        clip_of = np.zeros((size, longest), np.int32)
        clip_of[:b] = np.arange(part.start, part.stop)[:, None]
        yield _take(x, rows), _take(y, rows), counts, np.arange(size) < b, arrays._replace(clip_ids_o=clip_of)


def image_batches(x, y, mask, memory: int) -> Iterator[Any]:
    """Batches of clips' images, the last one padded."""
    per_clip = 4 * (int(np.prod(x.shape[1:])) + int(np.prod(y.shape[1:])))
    size = _batch_size(x.shape[0], per_clip, memory)
    for start in range(0, x.shape[0], size):
        clips = np.minimum(np.arange(start, start + size), x.shape[0] - 1)
        real = np.arange(start, start + size) < x.shape[0]
        ids = np.broadcast_to(clips[:, None].astype(np.int32), (size, mask.shape[1]))
        yield _take(x, clips), _take(y, clips), mask[clips], real, Context(clip_ids_o=ids)


def _batch_size(clips: int, bytes_per_clip: int, memory: int) -> int:
    """Clips in a batch: a multiple of the devices, within an eighth of the memory."""
    devices = parallel.local_device_count()
    most = min(64, at_least_one(memory, 8 * bytes_per_clip))
    return max(devices, min(most, clips) // devices * devices)


def _take(array: Any, index: np.ndarray) -> np.ndarray:
    return np.asarray(array[index], np.float32)
