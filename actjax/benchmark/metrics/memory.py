"""The memory that a work takes beyond what the process had before it."""

import threading
from pathlib import Path
from types import TracebackType

_EVERY_S = 0.01


class PeakMemory:
    """The process's largest resident size within a `with` block, above that at its start.

    Attributes:
      mib: it, after the block; NaN where the system does not tell.
    """

    mib = float("nan")

    def __enter__(self) -> "PeakMemory":
        self._stop, self._start = threading.Event(), _resident_bytes()
        self._most = self._start
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join()
        self.mib = (max(self._most, _resident_bytes()) - self._start) / 2**20

    def _watch(self) -> None:
        while not self._stop.wait(_EVERY_S):
            self._most = max(self._most, _resident_bytes())


def _resident_bytes() -> float:
    try:
        return float(Path("/proc/self/statm").read_text().split()[1]) * 4096
    except OSError:
        return float("nan")
