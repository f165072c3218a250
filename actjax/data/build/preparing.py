"""Lets one run at a time prepare a data set: another one waits, and finds it made."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import tensorflow_datasets as tfds

from actjax.workdir import lock

# How long a run waits for another one that prepares the same data set.
WAIT_SECONDS = 12 * 3600.0


def beside(builder: tfds.core.DatasetBuilder, what: str) -> Path:
    """A hidden path beside a builder's data, of this config and version alone.

    The data lie at .../<config>/<version>, and while they are made at .../<config>/<another name>.
    """
    config_folder = Path(builder.data_path).parent
    return config_folder.parent / f".{what}-{config_folder.name}-{builder.version}"


@contextlib.contextmanager
def one_preparer(builder: tfds.core.DatasetBuilder) -> Iterator[None]:
    """Keeps other runs from preparing a builder's data while the block runs; waits for them first.

    Raises:
      LockedError: another run prepares them for longer than WAIT_SECONDS.
      OSError: the folder cannot be written to.
    """
    what, remedy = f"the data set {builder.info.full_name}", "wait until it is made"
    with lock.held(beside(builder, "lock"), what, remedy, wait_seconds=WAIT_SECONDS):
        yield
