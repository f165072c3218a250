"""Traces a few training steps with JAX's profiler, for TensorBoard or Perfetto."""

import contextlib
from pathlib import Path

import jax

STEPS = 20
# Compilation and what is loaded at first would hide the steps.
AFTER = 2


class Profile:
    """A trace of STEPS steps of a run, from AFTER calls of the program on; without a folder, nothing."""

    def __init__(self, folder: Path | None) -> None:
        """Begins no trace yet; `folder` gets plugins/profile/<time>/."""
        self._folder, self._calls, self._until = folder, 0, 0

    def after_call(self, step: int, result: object) -> None:
        """Starts or ends the trace, where it is time to.

        Args:
          step: training steps done.
          result: of the call, which is waited for so that the trace holds whole steps.
        """
        if self._folder is None:
            return
        self._calls += 1
        if self._calls == AFTER:
            jax.block_until_ready(result)
            jax.profiler.start_trace(str(self._folder))
            self._until = step + STEPS
        elif self._until and step >= self._until:
            jax.block_until_ready(result)
            self.close()

    def close(self) -> None:
        """Ends a trace under way and says where it is."""
        if self._folder is not None and self._until:
            self._until = 0
            with contextlib.suppress(RuntimeError):  # none was started
                jax.profiler.stop_trace()
            print(f"train: trace in {self._folder}; tensorboard --logdir {self._folder}")
            self._folder = None
