"""One trial of a sweep: a variant's run, through all its stages, and what it came to."""

import dataclasses
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from actjax import experiment, failures, runs
from actjax.search.space import Search
from actjax.train.log import DivergedError
from actjax.workdir import lock, recorded_config, sweep_state

# How long a trial waits for the lock of one whose host has died; see workdir/lock.py.
LOCK_SECONDS = lock.STALE_SECONDS + 60.0


class Trial(NamedTuple):
    """A variant of a sweep.

    Attributes:
      name: of its folder.
      changes: option -> value.
      run: in that folder.
    """

    name: str
    changes: Mapping[str, Any]
    run: runs.Run


class Judging:
    """Which trials are stopped early; kept in the sweep's folder after every decision."""

    def __init__(self, workdir: Path, search: Search | None) -> None:
        """Goes on from what is kept."""
        self._workdir, self._search, self._state = workdir, search, sweep_state.read(workdir)
        self._lock = threading.Lock()

    def goes_on(self, trial: str, step: int, value: float) -> bool:
        """Whether a trial is trained further; `value` is of its last evaluation, larger is better."""
        asha = self._search.asha if self._search else None
        if asha is None:
            return True
        with self._lock:
            if trial in self._state.stopped:
                return False
            going_on = asha.goes_on(self._state.rungs, trial, step, value)
            if not going_on:
                self._state.stopped[trial] = step
            sweep_state.write(self._workdir, self._state)
        return going_on

    def note_failure(self, trial: str, why: str | None) -> None:
        """Notes why a trial failed; None that it did not."""
        with self._lock:
            if why is None and trial not in self._state.failed:
                return
            self._state.failed.pop(trial, None)
            if why is not None:
                self._state.failed[trial] = why
            sweep_state.write(self._workdir, self._state)

    def is_stopped(self, trial: str) -> bool:
        """Whether it was stopped early."""
        return trial in self._state.stopped

    def status(self, trial: str, done: bool) -> str:
        """A word for the table."""
        if trial in self._state.failed:
            return "failed"
        return "stopped" if self.is_stopped(trial) else "done" if done else "left"


def run_trial(run: runs.Run, name: str, goes_on: Callable[[str, int, float], bool] | None) -> list[Path]:
    """Runs a trial's stages; a trial that is stopped in training is tested and goes no further.

    Raises:
      what the stages raise.
    """
    if goes_on is None:
        return experiment.run_stages(run, experiment.stages_of_all(run.config))
    sign = -1.0 if run.config.train.monitor == "loss" else 1.0
    going_on: list[bool] = [True]

    def judge(step: int, measured: Mapping[str, float]) -> bool:
        going_on[0] = goes_on(name, step, sign * measured[run.config.train.monitor])
        return going_on[0]

    judged = dataclasses.replace(run, judge=judge)
    stages = experiment.stages_of_all(run.config)
    first = tuple(stage for stage in stages if stage in ("data", "train", "import"))
    outputs = experiment.run_stages(judged, first)
    return outputs + (experiment.run_stages(run, stages) if going_on[0] else [])


def is_of_trial(error: BaseException) -> bool:
    """Whether an error is this trial's alone, so that the others go on: a divergence, or a bug."""
    mistake = isinstance(error, ValueError | OSError | ImportError)
    return isinstance(error, DivergedError) or not mistake


def waiting_for_lock(work: Callable[[], list[Path]]) -> list[Path]:
    """The work's result; waits while another run's lock, of a host that died say, is in the way."""
    until = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            return work()
        except lock.LockedError:
            if time.monotonic() > until:
                raise
            time.sleep(2.0)


def said(error: BaseException) -> str:
    """An error in one line for the table."""
    return failures.said(error)[:300]


def is_done(run: runs.Run) -> bool:
    """Whether all stages of a trial have run once."""
    recorded = recorded_config.read(run.workdir)
    return "report" in recorded
