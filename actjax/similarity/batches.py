"""Makes batches of clips from a caller's arrays, in float32: observations by clip, or images."""

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import jax
import numpy as np

from actjax import parallel
from actjax.similarity.grid import ImageMask
from actjax.similarity.host.threads import at_least_one
from actjax.similarity.narrow import exponents, is_wide, narrow
from actjax.types import Context, Metric

_LINEAR = frozenset({"scale", "shift"})


class ClipBatch(NamedTuple):
    """Some clips as `PairStream.update` takes them.

    Attributes:
      x, y: [b, o, n] and [b, o, k] float32, or [b, n, f, t] and [b, k, rows, t].
      mask: [b, o] bool, or of images.
      clip_mask_b: [b] bool, False for clips that only fill up the batch.
      context: arrays [b, o, ...].
    """

    x: np.ndarray
    y: np.ndarray
    mask: np.ndarray | ImageMask
    clip_mask_b: np.ndarray
    context: Context


# ([b, ...] places on axis 0, bool what counts there or None) -> the values there in float32.
Taker = Callable[[np.ndarray, np.ndarray | None], np.ndarray]


class _Clips(NamedTuple):
    """Which observations each clip has, clips in the order of their ids.

    Attributes:
      order_o: the observations, clip after clip.
      start_c, length_c: where a clip begins in that order, and how many observations it has.
    """

    order_o: np.ndarray
    start_c: np.ndarray
    length_c: np.ndarray

    def rows(self, clips_b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """([b, longest] the clips' observations, [b, longest] bool, False behind a shorter clip's end)."""
        offset = np.arange(self.length_c.max())[None, :]
        places = np.minimum(self.start_c[clips_b, None] + offset, len(self.order_o) - 1)
        return self.order_o[places], offset < self.length_c[clips_b, None]


def _grouped(clip_ids_o: np.ndarray) -> _Clips:
    order_o = np.argsort(clip_ids_o, kind="stable")
    _, start_c, length_c = np.unique(clip_ids_o[order_o], return_index=True, return_counts=True)
    return _Clips(order_o, start_c, length_c)


def clip_batches(
    metric: Metric,
    x: np.ndarray | jax.Array,
    y: np.ndarray | jax.Array,
    mask: np.ndarray | None,
    context: Context,
    memory: int,
) -> Iterator[ClipBatch]:
    """Groups observations by clip and pads clips to one length."""
    grouped = _grouped(context.clip_ids_o)
    n, k, clips = x.shape[1], y.shape[1], len(grouped.start_c)
    size = _batch_size(clips, 4 * int(grouped.length_c.max()) * (n + k) + _scores_bytes(metric, n, k), memory)
    every = None if mask is None else mask[:, None]
    take_x, take_y = (_taker(metric, side, every, 1) for side in (x, y))
    take_z = None if context.nuisance_oq is None else _taker(None, context.nuisance_oq, every, 1)
    for clips_b, real_b in _in_batches(clips, size):
        rows, counts = grouped.rows(clips_b)
        counts = counts & real_b[:, None]
        if mask is not None:
            counts &= mask[rows]
        at = Context(
            clip_ids_o=np.broadcast_to(clips_b[:, None], rows.shape),
            folds_o=None if context.folds_o is None else context.folds_o[rows],
            nuisance_oq=None if take_z is None else take_z(rows, counts[..., None]),
        )
        yield ClipBatch(take_x(rows, counts[..., None]), take_y(rows, counts[..., None]), counts, real_b, at)


def image_batches(
    metric: Metric, x: np.ndarray | jax.Array, y: np.ndarray | jax.Array, mask: ImageMask, memory: int
) -> Iterator[ClipBatch]:
    """Takes clips' images in batches."""
    per_clip = 4 * (math.prod(x.shape[1:]) + math.prod(y.shape[1:]))
    size = _batch_size(x.shape[0], per_clip + _scores_bytes(metric, x.shape[1], y.shape[1]), memory)
    cells_x = None if mask.x is None else np.asarray(mask.x)[:, None]
    cells_y = np.asarray(mask.frames_bt)[:, None, None, :]
    cells_y = cells_y if mask.y is None else cells_y & np.asarray(mask.y)[:, None]
    take_x, take_y = _taker(metric, x, cells_x, (2, 3)), _taker(metric, y, cells_y, (2, 3))
    for clips_b, real_b in _in_batches(x.shape[0], size):
        of_clips = ImageMask(
            mask.frames_bt[clips_b],
            None if mask.x is None else mask.x[clips_b],
            None if mask.y is None else mask.y[clips_b],
        )
        at = Context(clip_ids_o=np.broadcast_to(clips_b[:, None], (size, mask.frames_bt.shape[1])))
        x_there = take_x(clips_b, None if cells_x is None else cells_x[clips_b])
        yield ClipBatch(x_there, take_y(clips_b, cells_y[clips_b]), of_clips, real_b, at)


def _in_batches(clips: int, size: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """([size] int32 the clips of a batch, [size] bool, False where the last batch repeats a clip)."""
    for first in range(0, clips, size):
        places = np.arange(first, first + size, dtype=np.int32)
        yield np.minimum(places, clips - 1), places < clips


def _taker(
    metric: Metric | None,
    side: np.ndarray | jax.Array,
    every: np.ndarray | None,
    axis: int | tuple[int, ...],
) -> Taker:
    """What takes values of a side as the metric sees them.

    Offsets and scales are each clip's, but clips that are pooled share a scale. Areas are averaged before
    images are compared, which keeps no order.

    Args:
      metric: None for nuisances.
      side: [o, v] or [b, v, f, t].
      every: bool of the side's rank, what counts; None for all.
      axis: of what is taken, the axes along which an item's offset and scale are looked for.
    """
    images = side.ndim == 4
    invariant_to = _LINEAR if metric is None else frozenset(metric.invariant_to)
    if images and "order" in invariant_to:
        invariant_to = (invariant_to | _LINEAR) - {"order"}
    shared = None
    pooled = metric is None or (metric.within == "pooled" and metric.observes == "vector")
    if is_wide(side.dtype) and pooled and "scale" in invariant_to:
        shared = exponents(np.asarray(side), every, (0, 2, 3) if images else 0)
        shared = shared if images else shared[None]

    def take(places: np.ndarray, counts: np.ndarray | None) -> np.ndarray:
        return narrow(np.asarray(side[places]), counts, invariant_to, axis, shared)

    return take


def _scores_bytes(metric: Metric, n: int, k: int) -> int:
    """What the scores of one clip take, for metrics that are averaged over clips."""
    return 4 * n * k * len(metric.outputs) if metric.within == "per_clip" else 0


def _batch_size(clips: int, bytes_per_clip: int, memory: int) -> int:
    """Clips in a batch: a multiple of the devices, within an eighth of the memory."""
    devices = parallel.local_device_count()
    most = min(64, at_least_one(memory, 8 * bytes_per_clip))
    return max(devices, min(most, clips) // devices * devices)
