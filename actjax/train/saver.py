"""Saves checkpoints while training goes on."""

import concurrent.futures
from typing import Any

from actjax import parallel
from actjax.train.checkpoint import Checkpoints


class Saver:
    """One checkpoint at a time in a thread; several processes, who wait for each other, save at once.

    Leaving its `with` statement waits until the last one is on disk.
    """

    def __init__(self, checkpoints: Checkpoints, staying: Checkpoints) -> None:
        """Saves to `checkpoints`, and to `staying` what is kept; nobody else may use them meanwhile."""
        self._checkpoints, self._staying = checkpoints, staying
        self._thread = concurrent.futures.ThreadPoolExecutor(1)
        self._last: concurrent.futures.Future[None] | None = None

    def save(self, step: int, meta: dict[str, Any], *, keep: Any = None, **items: Any) -> None:
        """As `Checkpoints.save`, but may return before all is on disk; what is given must not change.

        Variables to `keep` are saved first: training that goes on from the step has kept them.

        Raises:
          OSError: this one or the one before could not be written.
        """
        self.wait()
        if parallel.process_count() > 1:
            self._save(step, meta, keep, items)
        else:
            self._last = self._thread.submit(self._save, step, meta, keep, items)

    def _save(self, step: int, meta: dict[str, Any], keep: Any, items: dict[str, Any]) -> None:
        if keep is not None:
            self._staying.save(step, {}, variables=keep)
        self._checkpoints.save(step, meta, **items)

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
            self._staying.close()
