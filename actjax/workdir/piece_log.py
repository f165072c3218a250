"""Keeps the results of many short works among a stage's pieces, by key, several of them in one piece."""

import threading
import time
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from actjax.workdir.pieces import Pace, Piece, Pieces


class PieceLog:
    """Results by key; those of an earlier call of the program, and what is added, by any thread."""

    def __init__(self, pieces: Pieces, title: str) -> None:
        """Reads what is there.

        Args:
          pieces: of the stage.
          title: of these results; the pieces' names begin with it.
        """
        self._pieces, self._title, self._pace = pieces, title, Pace()
        self._waiting: dict[str, Piece] = {}
        self._writing = threading.RLock()
        self._done: dict[str, Piece] = {}
        names = [name for name in pieces.names() if name.startswith(f"{title}-")]
        for name in names:
            piece = pieces.read(name)
            self._done |= _apart(piece) if piece else {}
        self._count = 1 + max((int(name.removeprefix(f"{title}-")) for name in names), default=-1)

    def keys(self) -> list[str]:
        """Of the results of an earlier call, sorted."""
        return sorted(self._done)

    def retain(self, keys: Iterable[str]) -> None:
        """Forgets the others of an earlier call."""
        wanted = set(keys)
        self._done = {key: result for key, result in self._done.items() if key in wanted}

    def take(self, key: str) -> Piece | None:
        """The result of an earlier call; None where there is none."""
        return self._done.pop(key, None)

    def add(self, key: str, arrays: Mapping[str, np.ndarray], note: Mapping[str, Any] | None = None) -> None:
        """Keeps a result; on disk in a while."""
        with self._writing:
            self._waiting[key] = Piece(dict(arrays), dict(note or {}))
            if self._pace.due():
                self.flush()

    def flush(self) -> None:
        """Writes what waits."""
        with self._writing:
            if not self._waiting:
                return
            began, waiting = time.monotonic(), self._waiting
            arrays = {f"{i}/{k}": v for i, one in enumerate(waiting.values()) for k, v in one.arrays.items()}
            note = {"results": [[key, one.note] for key, one in waiting.items()]}
            self._pieces.write(f"{self._title}-{self._count:06d}", arrays, note)
            self._waiting = {}
            self._count += 1
            self._pace.took(time.monotonic() - began)


def _apart(piece: Piece) -> dict[str, Piece]:
    """The results in a piece."""
    results = {}
    for i, (key, note) in enumerate(piece.note["results"]):
        start = f"{i}/"
        of_key = {k.removeprefix(start): v for k, v in piece.arrays.items() if k.startswith(start)}
        results[key] = Piece(of_key, note)
    return results
