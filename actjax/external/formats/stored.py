"""An array in a file, read in slices of its first axis, and what every format refuses alike."""

import dataclasses
import math
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, NoReturn

import numpy as np

from actjax.files import FileError, regular_file

# What one file or folder may hold of arrays, groups and attributes that are listed before they are read.
MEMBERS = 100_000


def _nothing_to_check() -> None:
    """Of a format without checksums."""


@dataclasses.dataclass(frozen=True, eq=False)
class Stored:
    """An array in a file.

    Attributes:
      path: the file, for messages.
      name: of the array in it.
      shape, dtype: of the array; dtype is str ("U") where strings have no fixed length.
      read: (start, stop) -> that slice of the first axis; (0, 0) of an array without axes gives its value.
      attributes: what the file says of this array beside its values.
      held: bytes that reading any slice holds beside that slice, a decoded chunk say.
      verify: reads what the file has of checksums over this array; FileError where one is wrong.
    """

    path: Path
    name: str
    shape: tuple[int, ...]
    dtype: np.dtype
    read: Callable[[int, int], np.ndarray]
    attributes: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    held: int = 0
    verify: Callable[[], None] = _nothing_to_check

    @property
    def size(self) -> int:
        """How many values it holds."""
        return math.prod(self.shape)

    @property
    def row_bytes(self) -> int:
        """Bytes of one entry of the first axis."""
        return math.prod(self.shape[1:]) * self.dtype.itemsize

    def check_size(self, rows: int, bound: int) -> None:
        """Refuses to hold so many entries of the first axis in more than `bound` bytes."""
        needed = rows * self.row_bytes + self.held
        if needed > bound:
            raise FileError(
                self.path,
                f"{rows} entries of {self.name!r}, {self.dtype} of shape {list(self.shape)}, need "
                f"{needed / 2**30:.3g} GiB, above the bound of {bound / 2**30:.3g} GiB (score.memory_gib)",
            )

    def all(self, bound: int) -> np.ndarray:
        """The whole array, if it and its checksum are what they should be and it fits into `bound` bytes."""
        self.check_size(self.shape[0] if self.shape else 1, bound)
        self.verify()
        values = self.read(0, self.shape[0] if self.shape else 0)
        if values.dtype.kind == "U" and values.size and (_letters(values) > sys.maxunicode).any():
            raise FileError(self.path, f"{self.name!r} holds strings of no letters that there are")
        return values

    def rows(self, index: np.ndarray) -> np.ndarray:
        """The entries of the first axis at `index`; neighbours are read at once."""
        breaks = np.flatnonzero(np.diff(index) != 1) + 1
        runs = np.split(np.asarray(index), breaks)
        pieces = [self.read(int(run[0]), int(run[-1]) + 1) for run in runs if len(run)]
        return pieces[0] if len(pieces) == 1 else np.concatenate(pieces)


def _letters(texts: np.ndarray) -> np.ndarray:
    """The numbers of the letters of fixed-length strings."""
    kind = np.dtype(np.uint32).newbyteorder(texts.dtype.byteorder)
    return np.ascontiguousarray(texts).reshape(-1).view(kind)


def plain(
    path: Path,
    name: str,
    offset: int,
    shape: tuple[int, ...],
    dtype: np.dtype,
    verify: Callable[[], None] = _nothing_to_check,
) -> Stored:
    """An array whose bytes lie in a file as they are.

    Slices are read, not memory-mapped: pages of a mapped file count as this process's memory, which is to
    stay bounded however large the file.

    Raises:
      FileError: the file ends before the array does.
    """
    row, size = math.prod(shape[1:]) * dtype.itemsize, regular_file(path)
    needed = offset + row * (shape[0] if shape else 1)
    if size < needed:
        raise FileError(path, f"{name!r} should end at byte {needed}, the file ends at {size}")

    def read(start: int, stop: int) -> np.ndarray:
        out = np.empty((stop - start, *shape[1:]) if shape else (), dtype)
        view = memoryview(out.reshape(-1).view(np.uint8).data)
        with open(path, "rb", buffering=0) as file:
            at = offset + start * row
            while view:
                got = os.preadv(file.fileno(), [view[: 2**30]], at)
                if not got:
                    raise FileError(path, f"ended while {name!r} was read")
                view, at = view[got:], at + got
        return out

    return Stored(path, name, shape, dtype, read, verify=verify)


def check_name(name: str, path: Path) -> str:
    """The name, unless it leads out of the file."""
    parts = PurePosixPath(name.replace("\\", "/")).parts
    drive = len(name) > 2 and name[1] == ":" and name[2] in "\\/"
    if name.startswith(("/", "\\")) or ".." in parts or drive or "\0" in name or not parts:
        raise FileError(path, f"holds an entry {name!r} that leads out of it: refused")
    return name


def check_inside(inner: Path, outer: Path) -> None:
    """Refuses a path that leads out of a folder by a link."""
    try:
        inside = inner.resolve(strict=True).is_relative_to(outer.resolve())
    except (OSError, RuntimeError):  # a link to nothing, or to itself
        inside = False
    if not inside:
        raise FileError(inner, f"leads out of {outer}: refused")


def checked_shape(shape: Any, path: Path, name: str) -> tuple[int, ...]:
    """A shape as a header declares it: a few whole numbers."""
    fine = isinstance(shape, (list, tuple)) and len(shape) <= 32
    if not fine or any(type(n) is not int or not 0 <= n < 2**62 for n in shape):
        raise FileError(path, f"{name!r} should have a shape of whole numbers, got {shape!r:.60}")
    return tuple(shape)


def refuse_pickled(name: str, path: Path) -> NoReturn:
    """Raises the error for an array that only unpickling could read."""
    raise FileError(
        path,
        f"array {name!r} is pickled (dtype object), which is never loaded: save numbers, and clip ids as "
        "np.array(ids, dtype=str)",
    )
