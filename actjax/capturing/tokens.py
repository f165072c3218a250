"""The order in which an axis of a network's output runs through time and frequency."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

# Tokens before the first frame: a class token, and a second one for distillation.
MOST_LEADING = 2
# The least share of the places' variance that an order explains, and how much less a simpler one may explain.
EXPLAINED, SIMPLER = 0.9, 0.01
# Frames beyond these quantiles see the edges of the wave, which shifts their places.
INNER = (0.15, 0.85)


class Order(NamedTuple):
    """Index = leading + (chunk x bands + band) x frames + frame, and time = chunk x frames + frame.

    A sequence has one chunk of one band; patches of a spectrogram row by row have one chunk of several bands;
    a spectrogram folded into a square has several chunks.
    """

    leading: int
    chunks: int
    bands: int
    frames: int

    @property
    def times(self) -> int:
        """Counts the frames of the whole axis."""
        return self.chunks * self.frames

    def frame_of(self) -> np.ndarray:
        """[indices] the frame of each index, -1 of leading ones."""
        frame = np.arange(self.times).reshape(self.chunks, 1, self.frames)
        every = np.broadcast_to(frame, (self.chunks, self.bands, self.frames)).reshape(-1)
        return np.concatenate([np.full(self.leading, -1), every])

    def arrange(self, values: np.ndarray, axis: int) -> np.ndarray:
        """Splits the axis into (bands, times) at its place."""
        moved = np.moveaxis(values, axis, 0)[self.leading :]
        split = moved.reshape(self.chunks, self.bands, self.frames, *moved.shape[1:])
        folded = np.moveaxis(split, 1, 0).reshape(self.bands, self.times, *moved.shape[1:])
        return np.moveaxis(folded, (0, 1), (axis, axis + 1))


class Fit(NamedTuple):
    """An order, and the line through its frames: frame i is centred at first + i x step samples."""

    order: Order
    first: float
    step: float
    explained: float


def find_order(places: np.ndarray, weights: np.ndarray) -> Fit | None:
    """Finds the order of an axis from where in time each index listens; None if it follows none.

    Args:
      places: [indices] in samples of the wave; finite where weights are above 0.
      weights: [indices] 0 for those that listen nowhere.
    """
    fits = [fit for order in _orders(len(places)) if (fit := _fit(order, places, weights)) is not None]
    best = max((fit.explained for fit in fits), default=0.0)
    if best < EXPLAINED:
        return None
    return next(fit for fit in fits if fit.explained >= best - SIMPLER)


def _orders(count: int) -> Iterator[Order]:
    """Every order of an axis of that length, the simplest first."""
    for leading in range(MOST_LEADING + 1):
        tokens = count - leading
        if tokens >= 2:
            yield Order(leading, 1, 1, tokens)
    for leading in range(MOST_LEADING + 1):
        tokens = count - leading
        for chunks in _divisors(tokens):
            for bands in _divisors(tokens // chunks):
                frames = tokens // chunks // bands
                if bands > 1 and frames > 1:
                    yield Order(leading, chunks, bands, frames)


def _divisors(count: int) -> list[int]:
    return [d for d in range(1, count + 1) if count % d == 0]


def _fit(order: Order, places: np.ndarray, weights: np.ndarray) -> Fit | None:
    """Fits a line through the inner frames of an order; None if it does not run forwards."""
    frame = order.frame_of()
    use = (frame >= 0) & (weights > 0)
    if len(np.unique(frame[use])) < 2:
        return None
    low, high = np.quantile(frame[use], INNER)
    inner = use & (frame >= low) & (frame <= high)
    chosen = inner if len(np.unique(frame[inner])) >= 3 else use
    at, to, weight = frame[chosen].astype(float), places[chosen], weights[chosen]
    weight = weight / weight.sum()
    x, y = at - weight @ at, to - weight @ to
    step = (weight @ (x * y)) / (weight @ (x * x))
    if not step > 0:
        return None
    left = weight @ (y - step * x) ** 2
    first = weight @ to - step * (weight @ at)
    return Fit(order, float(first), float(step), float(1.0 - left / max(weight @ y**2, 1e-30)))
