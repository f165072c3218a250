"""Saves checkpoints while training goes on."""

import concurrent.futures
from typing import Any

from actjax import parallel
from actjax.train.checkpoint import Checkpoints


class Saver:
    """One checkpoint at a time in a thread; several processes, who wait for each other, save at once.

    Leaving its `with` statement waits until the last one is on disk.
    """

    def __init__(self, checkpoints: Checkpoints) -> None:
        """Saves to `checkpoints`, which nobody else may use meanwhile."""
        self._checkpoints = checkpoints
        self._thread = concurrent.futures.ThreadPoolExecutor(1)
        self._last: concurrent.futures.Future[None] | None = None

    def save(self, step: int, meta: dict[str, Any], **items: Any) -> None:
        """As `Checkpoints.save`, but may return before all is on disk; what is given must not change.

        Raises:
          OSError: this one or the one before could not be written.
        """
        self.wait()
        if parallel.process_count() > 1:
            self._checkpoints.save(step, meta, **items)
        else:
            self._last = self._thread.submit(self._checkpoints.save, step, meta, **items)

    def wait(self) -> None:
        """Waits until all is on disk.

        Raises:
          OSError: it could not be written.
        """
        last, self._last = self._last, None
        if last is not None:
            last.result()

    def __enter__(self) -> "Saver":
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.wait()
        finally:
            self._thread.shutdown()
