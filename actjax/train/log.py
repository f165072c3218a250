"""Writes the numbers of a training run: metrics.jsonl, TensorBoard, trackers, the progress bar."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

import tqdm
from tensorboardX import SummaryWriter

from actjax import parallel, tracking
from actjax.workdir import curve


def every(step: int, interval: int, last: int) -> bool:
    """True after every `interval` steps and after the `last` one; steps done are counted from 1.

    The one place that decides "each N steps". An interval of 0 means the last step only.
    """
    return step == last or (interval > 0 and step > 0 and step % interval == 0)


class DivergedError(ValueError):
    """A loss that is not finite."""


class Log:
    """Writes scalars by step; only process 0 writes.

    Going on from a checkpoint at `start_step` first drops the lines written after it, so that no
    step stands twice in metrics.jsonl.
    """

    def __init__(self, workdir: Path, start_step: int, trackers: Sequence[str] = ()) -> None:
        """Opens `workdir`/metrics.jsonl, `workdir`/events and what else is told (see `tracking`)."""
        self._trackers: tracking.Trackers | None = None
        self._writer: SummaryWriter | None = None
        self._lines: TextIO | None = None
        if parallel.process_index() != 0:
            return
        workdir = Path(workdir)
        workdir.mkdir(parents=True, exist_ok=True)
        self._trackers = tracking.Trackers(trackers, workdir)
        self._lines = curve.open_at(workdir, start_step)
        self._writer = SummaryWriter(str(workdir / "events"), purge_step=start_step + 1, flush_secs=10)

    def write(self, step: int, split: str, values: dict[str, float]) -> None:
        """One line of the curve and as many TensorBoard scalars `split/name`.

        Raises:
          DivergedError: the loss is not finite.
        """
        if self._lines is not None and self._writer is not None and self._trackers is not None:
            self._lines.write(curve.line(step, split, values))
            for name, value in values.items():
                self._writer.add_scalar(f"{split}/{name}", value, step)
            self._trackers.scalars(step, {f"{split}/{name}": value for name, value in values.items()})
        if not math.isfinite(values["loss"]):
            raise DivergedError(f"the {split} loss is {values['loss']} at step {step}")

    def close(self) -> None:
        """Closes all of them."""
        for one in (self._lines, self._writer, self._trackers):
            if one is not None:
                one.close()


def progress_bar(show: bool, total: int, start: int) -> tqdm.tqdm:
    """A bar over training steps; only process 0 shows it."""
    hidden = not show or parallel.process_index() != 0
    return tqdm.tqdm(
        total=total, initial=start, desc="train", unit="step", disable=hidden, dynamic_ncols=True
    )
