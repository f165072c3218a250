"""Keeps the sections of a benchmark, a metric's or a feature's say, so that one that was killed goes on.

Benchmarks draw and lay out everything anew when they go on, in the same order; what a section came to is
taken from the pieces. So whatever does not measure time comes out as it would have in one go.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from actjax.workdir.piece_log import PieceLog

Arrays = Mapping[str, np.ndarray]


class Sections:
    """The sections of a benchmark by name: those that a stopped call of the program left, and new ones."""

    def __init__(self, log: PieceLog | None = None) -> None:
        """Those in a log; without one nothing is kept."""
        self._log = log

    def names(self) -> list[str]:
        """Of those that are done."""
        return [] if self._log is None else self._log.keys()

    def value(self, name: str, compute: Callable[[], Any]) -> Any:
        """What JSON can hold of a section, computed unless it is done."""
        return self.arrays(name, lambda: ({}, compute()))[1]

    def arrays(self, name: str, compute: Callable[[], tuple[Arrays, Any]]) -> tuple[Arrays, Any]:
        """The same of arrays and a value that JSON can hold; as it comes out of JSON, done before or not."""
        done = None if self._log is None else self._log.take(name)
        if done is not None:
            return done.arrays, done.note["value"]
        arrays, computed = compute()
        value = json.loads(json.dumps(computed, default=_plain))
        if self._log is not None:
            self._log.add(name, arrays, {"value": value})
        return arrays, value


def _plain(value: Any) -> Any:
    """A number of NumPy's as Python's."""
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"a section holds what JSON can: got {type(value).__name__}")
