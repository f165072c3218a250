"""Keeps what an unfinished stage has done, .pieces/<stage>-<key>/<process>/, until it ends: named pieces.

The key is a hash of all that the pieces depend on, so that none of another config, network or version of the
code is ever taken up. A piece is one file: its head's length, the head (JSON: a note, and names, types and
shapes of its arrays), the arrays' bytes, and the SHA-256 of all that.
"""

import contextlib
import hashlib
import json
import math
import shutil
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from actjax import files

NAME = ".pieces"
PATTERN = f"{NAME}/*/*/.*.part"
_SUFFIX, _HASH_BYTES, _LENGTH_BYTES = ".piece", 32, 8


class Piece(NamedTuple):
    """A piece that was read and found whole.

    Attributes:
      arrays: by name.
      note: what was said of them; what JSON can hold.
    """

    arrays: dict[str, np.ndarray]
    note: dict[str, Any]


class Pieces:
    """The pieces of one stage's work; each process of a run has its own."""

    def __init__(self, workdir: Path, stage: str, key: str, process_index: int = 0) -> None:
        """Opens them; removes the stage's pieces of other keys, which nobody can take up.

        Args:
          workdir: the run's folder, whose lock the run holds.
          stage: whose pieces.
          key: a hash of all that they depend on.
          process_index: of the process.
        """
        clear(workdir, stage, but=key)
        self.folder = workdir / NAME / f"{stage}-{key}" / str(process_index)
        self.folder.mkdir(parents=True, exist_ok=True)

    def names(self) -> list[str]:
        """The names of this process's pieces, sorted."""
        return sorted(path.name.removesuffix(_SUFFIX) for path in self.folder.glob(f"[!.]*{_SUFFIX}"))

    def write(
        self, name: str, arrays: Mapping[str, np.ndarray], note: Mapping[str, Any] | None = None
    ) -> Path:
        """Keeps a piece, whole or not at all, in place of one of that name."""
        whole = {key: np.ascontiguousarray(array).reshape(np.shape(array)) for key, array in arrays.items()}
        head = json.dumps(
            {"note": note or {}, "arrays": [[k, a.dtype.str, a.shape] for k, a in whole.items()]}
        ).encode()
        digest = hashlib.sha256()
        with files.written_whole(self._path(name)) as aside, open(aside, "wb") as file:
            for data in (len(head).to_bytes(_LENGTH_BYTES, "little"), head, *map(_bytes_of, whole.values())):
                digest.update(data)
                file.write(data)
            file.write(digest.digest())
        return self._path(name)

    def read(self, name: str) -> Piece | None:
        """The piece of that name; None where there is none, or a damaged one, which is removed, saying so."""
        path = self._path(name)
        if not path.exists():
            return None
        try:
            with files.reading(path, "a piece of an unfinished stage"):
                return _parsed(path.read_bytes())
        except files.FileError as why:
            print(f"{why}; done again", file=sys.stderr)
            path.unlink(missing_ok=True)
            return None

    def remove(self, name: str) -> None:
        """Removes a piece that is needed no more."""
        self._path(name).unlink(missing_ok=True)

    def close(self) -> None:
        """Removes all of them: the stage has ended."""
        shutil.rmtree(self.folder, ignore_errors=True)
        _remove_empty(self.folder.parent)

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}{_SUFFIX}"


class Pace:
    """Says when the next piece is due: often, as long as writing takes a small share of the time."""

    def __init__(self, least_seconds: float = 2.0, share: float = 0.03) -> None:
        """Pieces at least so many seconds apart, which take at most this share of the time."""
        self._least, self._share = least_seconds, share
        self._last, self._cost = time.monotonic(), 0.0

    def due(self) -> bool:
        """Whether a piece should be written now."""
        return time.monotonic() - self._last >= max(self._least, self._cost / self._share)

    def took(self, seconds: float) -> None:
        """Tells it that a piece was written just now, and how long that took."""
        self._last, self._cost = time.monotonic(), seconds


def clear(workdir: Path, stage: str, but: str = "") -> None:
    """Removes a stage's pieces, except those of the key `but`."""
    for folder in (workdir / NAME).glob(f"{stage}-*"):
        if folder.name != f"{stage}-{but}":
            shutil.rmtree(folder, ignore_errors=True)
            _remove_empty(folder.parent)


def has(workdir: Path, stage: str, key: str) -> bool:
    """Whether there are pieces of a stage under this key, of any process."""
    return any((workdir / NAME / f"{stage}-{key}").glob(f"*/[!.]*{_SUFFIX}"))


def _remove_empty(folder: Path) -> None:
    """Removes a folder, and the one above it, where nothing is in them; other processes may be faster."""
    with contextlib.suppress(OSError):
        for path in (folder, folder.parent) if folder.name != NAME else (folder,):
            path.rmdir()


def _bytes_of(array: np.ndarray) -> memoryview:
    content: Any = array.reshape(-1).view(np.uint8)
    return memoryview(content)


def _parsed(content: bytes) -> Piece:
    """The piece in a file's bytes; ValueError where it is not whole."""
    body = memoryview(content)[:-_HASH_BYTES]
    if len(content) < _LENGTH_BYTES + _HASH_BYTES or hashlib.sha256(body).digest() != content[-_HASH_BYTES:]:
        raise ValueError("its hash is another")
    start = _LENGTH_BYTES + int.from_bytes(body[:_LENGTH_BYTES], "little")
    head = json.loads(bytes(body[_LENGTH_BYTES:start]))
    arrays: dict[str, np.ndarray] = {}
    for name, kind, shape in head["arrays"]:
        dtype, count = np.dtype(kind), math.prod(shape)
        arrays[name] = np.frombuffer(body, dtype, count, start).reshape(shape).copy()
        start += count * dtype.itemsize
    return Piece(arrays, head["note"])
