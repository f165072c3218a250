"""Where a training run's clips come from: from the devices where they fit there, else from the loader."""

import dataclasses
import functools
import os
from collections.abc import Iterable, Iterator
from typing import Any

from actjax import parallel
from actjax.data import resident
from actjax.data.plan import Plan
from actjax.data.source import Source
from actjax.train.supply import Supply
from actjax.types import Batch


@dataclasses.dataclass(eq=False)
class TrainingClips:
    """Two splits in batches, as `loop.fit` takes them; both ways give the same batches.

    Attributes:
      train, validation: the splits.
      batch_size: clips a step, over all processes.
      seed: of the order of the training clips.
      num_steps: of the run.
      shared: of another network of the same splits, whose clips on the devices serve this one too.
    """

    train: Source
    validation: Source
    batch_size: int
    seed: int
    num_steps: int
    shared: "TrainingClips | None" = None

    def train_batches(self, start_step: int) -> Iterable[Batch] | Supply:
        """Training clips from a step on, without end, in another order in each epoch."""
        if self._on_devices is None:
            return _loaded(
                self.train,
                batch_size=self.batch_size,
                seed=self.seed,
                epochs=None,
                start_step=start_step,
                workers=_reading_processes(),
            )
        plan = Plan(len(self.train), self.batch_size, seed=self.seed, epochs=None, **_share())
        return Supply(resident.rows(plan, start_step), self._on_devices[0], resident.gather)

    def eval_batches(self) -> Iterable[Batch] | Supply:
        """Every validation clip once."""
        if self._on_devices is None:
            return _loaded(self.validation, batch_size=self.batch_size)
        plan = Plan(len(self.validation), self.batch_size, **_share())
        return Supply(resident.rows(plan), self._on_devices[1], resident.gather)

    @functools.cached_property
    def _on_devices(self) -> tuple[resident.Clips, resident.Clips] | None:
        """Both splits on the devices; None where they do not fit, or too few steps would use them."""
        if self.shared is not None:
            return self.shared._on_devices
        if self.num_steps * self.batch_size < len(self.train):
            return None
        needed = sum(map(resident.audio_bytes, (self.train, self.validation)))
        room = resident.room_bytes()
        if needed > room:
            if parallel.process_index() == 0:
                print(
                    f"train: {needed / 2**30:,.3g} GiB of clips do not fit into the {room / 2**30:,.3g} GiB "
                    f"({resident.SHARE:.0%}) of a device's memory that are for them: read batch by batch"
                )
            return None
        train, validation = (parallel.hold(resident.read(source)) for source in (self.train, self.validation))
        return train, validation


def _loaded(source: Source, **options: Any) -> Iterator[Batch]:
    """This process's share of the loader's batches."""
    from actjax.data import (
        loader,
    )  # opens prepared data with TensorFlow Datasets, which others can do without

    return loader.batches(source, **options, **_share())


def _share() -> dict[str, int]:
    """Which clips of each batch are this process's, as the loader and its plan take it."""
    return {"process_index": parallel.process_index(), "process_count": parallel.process_count()}


def _reading_processes() -> int:
    """Processes that read for an accelerator; for a CPU two threads read fast enough."""
    return 0 if parallel.on_cpu() else min(8, (os.cpu_count() or 1) // 2)
