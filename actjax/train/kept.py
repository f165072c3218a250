"""Keeps the weights of some evaluations of a training run: of which, where, and how they are read."""

from pathlib import Path
from typing import Any

from actjax.train.checkpoint import Checkpoints
from actjax.workdir import checkpoint_files


def keeps(keep: str, evaluation: int, last: bool) -> bool:
    """Whether the weights of an evaluation stay.

    >>> [n for n in range(1, 12) if keeps("log", n, last=n == 11)]
    [1, 2, 4, 8, 11]

    Args:
      keep: "none", "log" or "all" (see TrainOptions).
      evaluation: its number, from 1 on.
      last: whether training ends with it.
    """
    return keep == "all" or (keep == "log" and (last or evaluation & (evaluation - 1) == 0))


def expected_steps(keep: str, eval_every: int, num_steps: int) -> list[int]:
    """The steps whose weights a run keeps that does not end early; none where it evaluates once an epoch."""
    if not eval_every:
        return []
    steps = sorted({*range(eval_every, num_steps + 1, eval_every), num_steps})
    return [step for n, step in enumerate(steps, 1) if keeps(keep, n, step == num_steps)]


def open_kept(workdir: Path) -> Checkpoints:
    """What a workdir keeps: checkpoints of one item, "variables"; all of them stay."""
    return Checkpoints(checkpoint_files.path_of(workdir, "kept"), most=None)


def read(workdir: Path, step: int) -> dict[str, Any]:
    """The variables after that step.

    Raises:
      FileError: they are damaged.
      FileNotFoundError: they were not kept.
    """
    checkpoints = open_kept(workdir)
    try:
        return checkpoints.read(step, "variables").items["variables"]
    finally:
        checkpoints.close()
