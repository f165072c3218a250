"""Keeps sweep.json: which trials of a sweep were stopped or failed, and how good they were at each rung."""

import dataclasses
from pathlib import Path
from typing import Any

from actjax import files

NAME = "sweep.json"
_REMEDY = "delete it and run --stage=sweep again"


@dataclasses.dataclass
class SweepState:
    """What a sweep knows beside its trials' own workdirs.

    Attributes:
      rungs: step -> trial -> its value there, larger is better.
      stopped: trial -> the step at which it was stopped.
      failed: trial -> the error that it ended in.
    """

    rungs: dict[int, dict[str, float]] = dataclasses.field(default_factory=dict)
    stopped: dict[str, int] = dataclasses.field(default_factory=dict)
    failed: dict[str, str] = dataclasses.field(default_factory=dict)


def write(workdir: Path, state: SweepState) -> Path:
    """Writes it."""
    return files.write_json(workdir / NAME, dataclasses.asdict(state))


def read(workdir: Path) -> SweepState:
    """The state; that of a sweep which has not begun where there is no file.

    Raises:
      FileError: it is damaged.
    """
    path = workdir / NAME
    entries = files.read_json(path, {}, remedy=_REMEDY)
    known: dict[str, Any] = dict.fromkeys(("rungs", "stopped", "failed"), dict)
    files.fields(path, entries, {}, known, remedy=_REMEDY)
    with files.reading(path, "the state of a sweep", _REMEDY):
        rungs = {
            int(step): {str(trial): float(value) for trial, value in of_step.items()}
            for step, of_step in entries.get("rungs", {}).items()
        }
        stopped = {str(trial): int(step) for trial, step in entries.get("stopped", {}).items()}
        failed = {str(trial): str(why) for trial, why in entries.get("failed", {}).items()}
    return SweepState(rungs, stopped, failed)
