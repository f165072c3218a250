"""Arrays that lie in chunks: read as if they were whole."""

import itertools
import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

Index = tuple[int, ...]


class Chunked:
    """Reads slices of the first axis of an array in chunks; the last chunks are held for the next slice.

    Args:
      shape, chunks: of the array and of one chunk.
      dtype: of the values.
      decode: index of a chunk -> its values, of shape `chunks`; None where it was never written.
      missing: what stands for a chunk that was never written.
      keep: how many bytes of decoded chunks may be held.
    """

    def __init__(
        self,
        shape: Index,
        chunks: Index,
        dtype: np.dtype,
        decode: Callable[[Index], np.ndarray | None],
        missing: Any,
        keep: int,
    ):
        self.shape, self.chunks, self.dtype, self.decode = shape, chunks, dtype, decode
        self.missing, self.keep = missing, keep
        self._held: dict[Index, np.ndarray] = {}

    def __call__(self, start: int, stop: int) -> np.ndarray:
        """The slice; of an array without axes the value."""
        if not self.shape:
            value = self.decode(())
            return np.full((), self.missing, self.dtype) if value is None else value
        # Strings of no fixed length: each chunk's array is as wide as its longest.
        texts = self.dtype == np.dtype("U")
        out = np.empty((stop - start, *self.shape[1:]), object if texts else self.dtype)
        step = self.chunks[0]
        for first in range(start // step, -(-stop // step)):
            inner = [range(n) for n in grid(self.shape, self.chunks)[1:]]
            # Places in the array, of which the slice begins at `start`.
            low, high = max(first * step, start), min((first + 1) * step, stop)
            for later in itertools.product(*inner):
                spans = [(i * c, min((i + 1) * c, n)) for i, c, n in self._axes(later)]
                to = (slice(low - start, high - start), *(slice(a, b) for a, b in spans))
                of = (slice(low - first * step, high - first * step), *(slice(0, b - a) for a, b in spans))
                chunk = self._chunk((first, *later), last=stop >= (first + 1) * step)
                out[to] = self.missing if chunk is None else chunk[of]
        return out.astype(str) if texts else out

    def _axes(self, later: Index) -> Iterator[tuple[int, int, int]]:
        return zip(later, self.chunks[1:], self.shape[1:], strict=True)

    def _chunk(self, index: Index, last: bool) -> np.ndarray | None:
        """One chunk; held if the next slice needs it too."""
        if index in self._held:
            return self._held.pop(index) if last else self._held[index]
        chunk = self.decode(index)
        if chunk is not None and not last:
            self._held = {i: one for i, one in self._held.items() if i[0] == index[0]}
            if (len(self._held) + 1) * chunk.nbytes <= self.keep:
                self._held[index] = chunk
        return chunk


def grid(shape: Index, chunks: Index) -> Index:
    """How many chunks an array has along each axis."""
    return tuple(-(-n // c) for n, c in zip(shape, chunks, strict=True))


def count(shape: Index, chunks: Index) -> int:
    """How many chunks an array has."""
    return math.prod(grid(shape, chunks))


def never_written(name: str, missing: int, total: int) -> str:
    """What is said of an array of which some chunks are not there."""
    return (
        f"{missing} of the {total} chunks of {name!r} were never written: write them all (Zarr leaves out "
        "chunks of nothing but the fill value, unless config={'write_empty_chunks': True}), or make the "
        "fill value NaN if they are undefined"
    )
