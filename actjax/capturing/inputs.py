"""Clips on their way into a network: an array, or batches of them."""

import itertools
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from actjax import containers
from actjax.types import Batch


class Inputs:
    """Waves [clips, samples] or images [clips, bands, frames], batch by batch.

    Attributes:
      shape: of one clip.
      clips: how many there are; None where they come in batches.
    """

    def __init__(self, inputs: Any, batch_size: int):
        if batch_size < 1:
            raise ValueError(f"batch_size must be 1 or more, got {batch_size}")
        if hasattr(inputs, "ndim"):
            array = np.asarray(containers.opened(inputs).values)
            self.clips: int | None = len(array) if array.ndim else 0
            arrays = (array[i : i + batch_size] for i in range(0, self.clips, batch_size))
        elif isinstance(inputs, Iterable):
            self.clips, arrays = None, map(_clips_of, inputs)
        else:
            raise ValueError(f"expected waves or images, or batches of them, got {type(inputs).__name__}")
        first = next(arrays, None)
        told: Any = inputs if hasattr(inputs, "ndim") else first
        if (
            told is None
            or told.ndim not in (2, 3)
            or first is None
            or first.dtype.kind not in "fiu"
            or 0 in first.shape
        ):
            got = "nothing" if told is None else f"{told.dtype} of shape {list(told.shape)}"
            raise ValueError(
                f"expected waves [clips, samples] or images [clips, bands, frames] of numbers, got {got}"
            )
        self.shape: tuple[int, ...] = first.shape[1:]
        self._arrays = itertools.chain((first,), arrays)

    @property
    def are_waves(self) -> bool:
        """Says whether they are waves."""
        return len(self.shape) == 1

    def __iter__(self) -> Iterator[np.ndarray]:
        """Each batch as float32, once.

        Raises:
          ValueError: a batch of another shape, or values that are not finite.
        """
        for batch in self._arrays:
            if batch.shape[1:] != self.shape:
                raise ValueError(f"expected clips of shape {list(self.shape)}, got {list(batch.shape[1:])}")
            values = batch.astype(np.float32)
            if not np.isfinite(values).all():
                raise ValueError("expected finite waves or images, got NaN or infinity")
            yield values


def _clips_of(batch: Any) -> np.ndarray:
    """The clips of one batch, without rows that fill it up."""
    if isinstance(batch, Batch):
        return np.asarray(batch.audio)[np.asarray(batch.mask)]
    return np.asarray(containers.opened(batch).values)
