"""Makes batches of clips from a caller's arrays, in float32: observations by clip, or images."""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from actjax import parallel
from actjax.similarity.grid import ImageMask
from actjax.similarity.host.threads import at_least_one
from actjax.similarity.narrow import exponents, is_wide, narrow
from actjax.types import Context, Metric

_LINEAR = frozenset({"scale", "shift"})


def clip_batches(metric: Metric, x, y, mask, context: Context, memory: int) -> Iterator[Any]:
    """Groups observations by clip and pads clips to one length: batches of [b, o, ...] arrays."""
    clip_ids = context.clip_ids_o
    order = np.argsort(clip_ids, kind="stable")
    ids, starts, lengths = np.unique(clip_ids[order], return_index=True, return_counts=True)
    longest = int(lengths.max())
    per_clip = 4 * longest * (x.shape[1] + y.shape[1]) + _scores_bytes(metric, x.shape[1], y.shape[1])
    size = _batch_size(len(ids), per_clip, memory)
    places = np.minimum(starts[:, None] + np.arange(longest)[None, :], len(order) - 1)
    present = np.arange(longest)[None, :] < lengths[:, None]
    every = None if mask is None else mask[:, None]
    take_x, take_y = (_taker(metric, side, every, 1) for side in (x, y))
    take_z = None if context.nuisance_oq is None else _taker(None, context.nuisance_oq, every, 1)
    for start in range(0, len(ids), size):
        rows = np.zeros((size, longest), np.int64)
        counts = np.zeros((size, longest), bool)
        part = slice(start, min(start + size, len(ids)))
        b = part.stop - part.start
        rows[:b], counts[:b] = order[places[part]], present[part]
        if mask is not None:
            counts &= mask[rows]
        clip_of = np.zeros((size, longest), np.int32)
        clip_of[:b] = np.arange(part.start, part.stop)[:, None]
        taken = [None if take is None else take(rows, counts[..., None]) for take in (take_x, take_y, take_z)]
        folds = None if context.folds_o is None else context.folds_o[rows]
        at = Context(clip_ids_o=clip_of, folds_o=folds, nuisance_oq=taken[2])
        yield *taken[:2], counts, np.arange(size) < b, at


def image_batches(metric: Metric, x, y, mask: ImageMask, memory: int) -> Iterator[Any]:
    """Batches of clips' images, the last one padded."""
    per_clip = 4 * (math.prod(x.shape[1:]) + math.prod(y.shape[1:]))
    per_clip += _scores_bytes(metric, x.shape[1], y.shape[1])
    size = _batch_size(x.shape[0], per_clip, memory)
    cells_x = None if mask.x is None else mask.x[:, None]
    cells_y = mask.frames_bt[:, None, None, :]
    cells_y = cells_y if mask.y is None else cells_y & mask.y[:, None]
    take_x, take_y = _taker(metric, x, cells_x, (2, 3)), _taker(metric, y, cells_y, (2, 3))
    for start in range(0, x.shape[0], size):
        clips = np.minimum(np.arange(start, start + size), x.shape[0] - 1)
        real = np.arange(start, start + size) < x.shape[0]
        ids = np.broadcast_to(clips[:, None].astype(np.int32), (size, mask.frames_bt.shape[1]))
        own = ImageMask(*(None if part is None else part[clips] for part in mask))
        sides = (
            take(clips, None if cells is None else cells[clips])
            for take, cells in ((take_x, cells_x), (take_y, cells_y))
        )
        yield *sides, own, real, Context(clip_ids_o=ids)


def _taker(metric: Metric | None, side: Any, every: Any, axis: int | tuple[int, ...]) -> Any:
    """(places, what counts there) -> the values at these places of axis 0 in float32.

    Offsets and scales are each clip's own; but clips that are pooled share a scale. Areas are averaged
    before images are compared, which keeps no order. `metric` is None for nuisances, `every` what counts.
    """
    images = side.ndim == 4
    invariant_to = _LINEAR if metric is None else frozenset(metric.invariant_to)
    if images and "order" in invariant_to:
        invariant_to = (invariant_to | _LINEAR) - {"order"}
    shared = None
    pooled = metric is None or (metric.within == "pooled" and metric.observes == "vector")
    if is_wide(side.dtype) and pooled and "scale" in invariant_to:
        shared = exponents(side, every, (0, 2, 3) if images else 0)
        shared = shared if images else shared[None]

    def take(places: np.ndarray, counts: Any) -> np.ndarray:
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
