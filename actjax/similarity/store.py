"""Observations on disk, for metrics that need all of them at once: appended in rows, read in columns.

The file is a sequence of blocks, each holding some observations column by column, so that a tile of
columns is read by one `pread` a block and resident memory stays bounded by the tile.
"""

import os
from collections.abc import Sequence
from pathlib import Path

import jax
import numpy as np

# A run keeps a store for each network and comparison, so all their blocks together must stay small.
_BLOCK_BYTES = 4 * 2**20


class ObservationStore:
    """A float32 matrix [o, columns] that grows by rows and is read by columns.

    Args:
      path: the file; an existing one is replaced, unless `blocks` says how to go on with it.
      columns: number of columns.
      block_bytes: memory for rows not yet written.
      blocks: what `saved` said of the rows to go on from; what was written after them is cut off.

    Raises:
      ValueError: columns is not positive.
      OSError: the file holds fewer rows than `blocks` says.
    """

    def __init__(
        self,
        path: str | os.PathLike,
        columns: int,
        *,
        block_bytes: int = _BLOCK_BYTES,
        blocks: Sequence[int] | None = None,
    ):
        if columns < 1:
            raise ValueError(f"expected at least 1 column, got {columns}")
        self.path, self.columns, self.rows = Path(path), columns, 0
        self._block = np.empty((max(1, block_bytes // (4 * columns)), columns), np.float32)
        self._filled = 0
        self._lengths = list(blocks or ())
        mode = "w+b" if blocks is None else "r+b"
        self._file = open(self.path, mode, buffering=0)  # noqa: SIM115 (closed by close)
        if blocks is not None:
            self.rows = sum(blocks)
            size, there = 4 * columns * self.rows, os.fstat(self._file.fileno()).st_size
            if there < size:
                self._file.close()
                raise OSError(f"expected {size} bytes of observations in {self.path}, found {there}")
            self._file.truncate(size)
            self._file.seek(size)

    def append(self, rows_oc: np.ndarray | jax.Array) -> None:
        """Adds rows [o, columns]; raises ValueError for another number of columns or a wider type."""
        rows = np.asarray(rows_oc)
        if not np.can_cast(rows.dtype, np.float32):
            raise ValueError(f"expected rows that float32 holds, got {rows.dtype}; see similarity.narrow")
        rows = rows.astype(np.float32, copy=False)
        if rows.ndim != 2 or rows.shape[1] != self.columns:
            raise ValueError(f"expected rows of {self.columns} columns, got shape {rows.shape}")
        self.rows += len(rows)
        while len(rows):
            fitting = rows[: len(self._block) - self._filled]
            self._block[self._filled : self._filled + len(fitting)] = fitting
            self._filled += len(fitting)
            rows = rows[len(fitting) :]
            if self._filled == len(self._block):
                self.flush()

    def flush(self) -> None:
        """Writes the rows that wait in memory."""
        if self._filled:
            data = np.ascontiguousarray(self._block[: self._filled].T).data.cast("B")
            while data:
                data = data[self._file.write(data) :]
            self._lengths.append(self._filled)
            self._filled = 0

    def saved(self) -> list[int]:
        """Writes the rows that wait to the disk itself; the lengths of all blocks, to go on from."""
        self.flush()
        os.fsync(self._file.fileno())
        return list(self._lengths)

    def read(self, start: int, stop: int) -> np.ndarray:
        """Columns start to stop of all rows, [stop - start, o]: one contiguous vector a column."""
        self.flush()
        out = np.empty((stop - start, self.rows), np.float32)
        row = offset = 0
        for length in self._lengths:
            data = _pread(self._file.fileno(), 4 * length * (stop - start), offset + 4 * length * start)
            out[:, row : row + length] = np.frombuffer(data, np.float32).reshape(stop - start, length)
            row += length
            offset += 4 * length * self.columns
        return out

    def close(self) -> None:
        """Closes the file, which stays."""
        self._file.close()

    def __enter__(self) -> "ObservationStore":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def _pread(descriptor: int, size: int, offset: int) -> bytes:
    """Exactly `size` bytes; one call may return at most 2 GiB."""
    pieces = []
    while size:
        piece = os.pread(descriptor, size, offset)
        if not piece:
            raise OSError(f"expected {size} more bytes at {offset}, the file ends before them")
        pieces.append(piece)
        size, offset = size - len(piece), offset + len(piece)
    return b"".join(pieces)
