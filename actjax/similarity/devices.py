"""Scores vectors of any size with the kernel on all local devices, in tiles of bounded memory."""

import functools
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import jax
import numpy as np

from actjax import parallel, precision
from actjax.similarity import resident, whole_arrays
from actjax.similarity.blocks import first_block, needs_blocks, takes_blocks
from actjax.similarity.host import lent
from actjax.similarity.kernel import check_size, pairwise
from actjax.similarity.narrow import is_wide, narrow
from actjax.types import Context, Metric

# Below this many multiplications the devices would wait for each other.
_SMALL = 1 << 22
_LINEAR = frozenset({"scale", "shift"})
Side = np.ndarray | jax.Array
Scores = Mapping[str, jax.Array]
# [o] bool, None where all count.
Mask = np.ndarray | None


class Tiles(NamedTuple):
    """How many neurons of each device meet how many rows at a time, on how many devices."""

    n: int
    k: int
    devices: int


class Scored(NamedTuple):
    """Scores of vectors.

    Attributes:
      outputs: {output: [n, k]}.
      all_numbers: whether none of them is surely NaN; False where nobody looked.
    """

    outputs: Mapping[str, Side]
    all_numbers: bool = False


class _How(NamedTuple):
    """How tiles are scored.

    Attributes:
      neurons_first: whether memory holds one neuron of x after the other.
      tile_bytes, devices: of the kernel.
      stay: whether scores stay on the device.
    """

    neurons_first: bool
    tile_bytes: int
    devices: int
    stay: bool


def score_vectors(
    metric: Metric,
    x: Side,
    y: Side,
    mask: Mask,
    context: Context,
    memory: int,
    *,
    stay: bool = False,
) -> Scored:
    """Scores x [o, n] against y [o, k], tile by tile.

    Args:
      metric: one on vectors.
      x, y, mask, context: as the kernel takes them.
      memory: bound in bytes.
      stay: leaves the scores on the device, if one tile holds them all.
    """
    (o, n), k = x.shape, y.shape[1]
    check_size(metric, o)
    tiles = _tiles(metric, o, n, k, memory)
    at_once, devices = tiles == (n, k, 1) and (stay or resident.on_accelerator()), tiles.devices
    how = _How(_neurons_first(x), memory // (4 * devices), devices, at_once and stay)
    if at_once:
        return _at_once(metric, x, y, mask, context, how)
    return Scored(_in_tiles(metric, x, y, mask, context, tiles, how))


def _at_once(metric: Metric, x: Side, y: Side, mask: Mask, context: Context, how: _How) -> Scored:
    """All pairs in one tile of one device."""
    [(_, neurons)] = _neurons(metric, x, mask, Tiles(x.shape[1], y.shape[1], 1))
    scores, all_numbers = _runner(metric, how)(neurons, *_shared(metric, y, mask, context, 1))
    if not how.stay:
        scores = {name: resident.writable(values) for name, values in scores.items()}
    return Scored(scores, all_numbers)


def _in_tiles(
    metric: Metric, x: Side, y: Side, mask: Mask, context: Context, tiles: Tiles, how: _How
) -> dict[str, np.ndarray]:
    run, k, whole = _runner(metric, how), y.shape[1], metric.level == "feature"
    out = {name: np.empty((x.shape[1], 1 if whole else k), np.float32) for name in metric.outputs}
    for column in starts(k, tiles.k):
        some_y = columns_from(y, column, tiles.k)
        shared = _shared(metric, some_y, mask, context, tiles.devices)
        columns = slice(0, 1) if whole else slice(column, column + tiles.k)
        waiting = None
        for places, neurons in _neurons(metric, x, mask, tiles):
            scores, _ = run(neurons, *shared)
            # The next tile is on its way while this one is copied out.
            if waiting is not None:
                _write(out, columns, *waiting, tiles)
            waiting = places, scores
        if waiting is not None:
            _write(out, columns, *waiting, tiles)
    return out


def _shared(metric: Metric, y: Side, mask: Mask, context: Context, devices: int) -> tuple[Any, ...]:
    """What all neurons meet, on each device: rows, mask, context."""
    shared = lent.on_device(_float32(metric, y, mask)), mask, _narrowed(context, mask)
    return shared if devices == 1 else parallel.replicate(shared)


def starts(items: int, size: int) -> Iterator[int]:
    """The first item of each tile; the last tile overlaps the one before it."""
    return (min(start, items - size) for start in range(0, items, size))


def columns_from(values: Side, start: int, size: int) -> Side:
    """Some columns; all of them as they are, since even a slice would copy a JAX array."""
    return values if size == values.shape[1] else values[:, start : start + size]


def even(items: int, most: int) -> int:
    """The size of the fewest tiles of at most `most`, one at least, as equal as can be."""
    most = max(1, min(items, most))
    return -(-items // -(-items // most))


def _tiles(metric: Metric, o: int, n: int, k: int, memory: int) -> Tiles:
    """Tiles whose inputs, what is made of them and the pairs' scores fit into the memory."""
    devices = parallel.local_device_count()
    if o * n * k < _SMALL or n < devices:
        devices = 1
    # An input tile, its prepared form and one temporary of each side (ranks and sets: one more, and a copy
    # on the host); scores that are copied out while the next are made, and what these are made of.
    item, pair = (12 if takes_blocks(metric) else 20) * o, 4 * (3 + 2 * len(metric.outputs))
    tile_k = k
    if metric.level != "feature":
        tile_k = even(k, min(memory // (4 * item * devices), math.isqrt(memory // (4 * pair * devices))))
    tile_n = (memory - item * tile_k) // (devices * (item + pair * tile_k))
    return Tiles(even(-(-n // devices), tile_n), tile_k, devices)


def _runner(metric: Metric, how: _How) -> Callable[..., tuple[Scores, bool]]:
    """What scores a tile, and starts to copy its scores to the host unless they stay."""
    neurons_first, tile_bytes, devices, stay = how

    def run(x: lent.Array, y: lent.Array, mask: Mask, context: Context) -> tuple[Scores, bool]:
        def in_way(way: str) -> tuple[Scores, bool]:
            whole = devices == 1 and needs_blocks(metric, x.shape[0])
            if way == "fast" and whole and not neurons_first:
                # Outside of any program the kernel of a GPU may do without a mask.
                return whole_arrays.pairwise_scores(metric, x, y, mask, -1)
            return _program(metric, neurons_first, tile_bytes, devices, way)(x, y, mask, context), False

        scores, all_numbers = precision.guarded(in_way)
        for values in () if stay else scores.values():
            values.copy_to_host_async()
        return scores, all_numbers

    return run


@functools.lru_cache(maxsize=64)
def _program(
    metric: Metric, neurons_first: bool, tile_bytes: int, devices: int, way: str
) -> Callable[..., Scores]:
    def run(x: lent.Array, y: jax.Array, mask: jax.Array | None, context: Context) -> Scores:
        y = y.T if neurons_first else y
        with precision.products(way):
            return pairwise(metric, x, y, mask, context, neurons_first=neurons_first, tile_bytes=tile_bytes)

    return jax.jit(run) if devices == 1 else parallel.pmap(run)


def _neurons_first(x: Side) -> bool:
    """True where memory holds one neuron after the other, as in the transpose of a C array."""
    return isinstance(x, np.ndarray) and x.flags.f_contiguous and not x.flags.c_contiguous


def _float32(metric: Metric, tile: Side, mask: Mask) -> Side:
    """Brings wide numbers into what the device turns into float32 without loss."""
    if isinstance(tile, np.ndarray) and (is_wide(tile.dtype) or not tile.dtype.isnative):
        return narrow(tile, _of_columns(mask), frozenset(metric.invariant_to))
    return tile


def _of_columns(mask: Mask) -> Mask:
    """The mask beside columns."""
    return None if mask is None else mask[:, None]


def _narrowed(context: Context, mask: Mask) -> Context:
    """The context for the device; what nuisances explain depends on neither their scale nor their offset."""
    if context.nuisance_oq is None:
        return context
    return context._replace(nuisance_oq=narrow(context.nuisance_oq, _of_columns(mask), _LINEAR))


def _neurons(
    metric: Metric, x: Side, mask: Mask, tiles: Tiles
) -> Iterator[tuple[list[int], lent.Array | np.ndarray]]:
    """(first neuron of each device, their tiles [o, n] or [n, o], stacked for several devices)."""
    n, neurons_first = x.shape[1], _neurons_first(x)
    # Neurons first are the transpose of such an array: a block of their observations is no stretch of it.
    head = first_block(x.shape[0]) if takes_blocks(metric) and not neurons_first else None
    for base in range(0, n, tiles.n * tiles.devices):
        places = [min(base + d * tiles.n, n - tiles.n) for d in range(tiles.devices)]
        sides = [_float32(metric, columns_from(x, place, tiles.n), mask) for place in places]
        if neurons_first:
            sides = [side.T for side in sides]
        if tiles.devices == 1:
            yield places, lent.on_device(sides[0], head)
        else:
            yield places, np.stack([np.asarray(side, np.float32) for side in sides])


def _write(
    out: dict[str, np.ndarray], columns: slice, places: list[int], scores: Scores, tiles: Tiles
) -> None:
    for name, target in out.items():
        values = np.asarray(scores[name])
        of_devices = values[None] if tiles.devices == 1 else values
        for place, of_device in zip(places, of_devices, strict=True):
            target[place : place + tiles.n, columns] = of_device
