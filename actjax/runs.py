"""One run: its config, what that says, its folders and its data set."""

import dataclasses
import functools
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import ml_collections

from actjax import lookup, parallel
from actjax.data import loader
from actjax.data.loader import Source
from actjax.data.source import ALL
from actjax.defaults import Config
from actjax.setup import Setup, resolve
from actjax.types import Batch


class StageLeftOut(ValueError):
    """A stage that these settings do not allow, while the others go on without it; one line."""


@dataclasses.dataclass(frozen=True)
class Run:
    """One run; `open_run` makes it.

    Attributes:
      config: as it was given; stages record it in the workdir.
      setup: what the config says, decoded.
      workdir: where results go.
      config_path: the config's file, for stages that read its `get_sweep`.
      data_dir: where prepared data sets live; TFDS's default when None.
      judge: asked after each evaluation in training, (step, what was measured) -> whether it goes on.
      profile: whether some training steps are traced.
    """

    config: Config
    setup: Setup
    workdir: Path
    config_path: str | None = None
    data_dir: str | None = None
    judge: Callable[[int, Mapping[str, float]], bool] | None = None
    profile: bool = False

    @functools.cached_property
    def builder(self) -> Any:
        """The data set's TFDS builder, prepared or not."""
        return make_builder(self.config, self.data_dir)

    def open_source(self, split: str) -> Source:
        """Opens the clips of a split of the prepared data set.

        Raises:
          FileNotFoundError: it is not prepared.
          ValueError: it has no such split.
        """
        return loader.open_source(self.builder, split)

    def check_split(self) -> None:
        """Raises ValueError unless the data set, prepared or not, has the split that is scored."""
        split, known = self.setup.scored.split, tuple(self.builder.jobs())
        if split not in (*known, ALL):
            raise ValueError(f"score.split = {split!r}: {self.builder.name} has {', '.join(known)}, or all")


def open_run(
    config: Config,
    workdir: str | Path,
    *,
    config_path: str | None = None,
    data_dir: str | None = None,
) -> Run:
    """Checks and decodes a config, once for all stages; raises as `setup.resolve` does."""
    setup = resolve(config)
    return Run(ml_collections.FrozenConfigDict(config), setup, Path(workdir), config_path, data_dir)


def make_builder(config: Config, data_dir: str | None) -> Any:
    """Makes the builder of `config.data`, whose own options come before the config's."""
    data = config.data
    [(name, options)] = lookup.parse_specs(data.name)
    accepted = lookup.options_of("dataset", name)
    shared = {"config": data.config, "clip_seconds": data.clip_seconds, "sample_rate_hz": data.sample_rate_hz}
    shared |= {"seed": data.seed, "data_dir": data_dir}
    return lookup.load("dataset", name, **{k: v for k, v in shared.items() if k in accepted} | options)


def batches(
    source: Source,
    batch_size: int,
    *,
    seed: int | None = None,
    epochs: int | None = 1,
    start_step: int = 0,
) -> Iterator[Batch]:
    """Reads this process's share of the batches of a source; see `loader.batches`."""
    return loader.batches(
        source,
        batch_size=batch_size,
        seed=seed,
        epochs=epochs,
        process_index=parallel.process_index(),
        process_count=parallel.process_count(),
        start_step=start_step,
    )
