"""Keeps a workdir to one writer at a time, and removes what killed runs left in it unfinished."""

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

from actjax.workdir import checkpoint_files, lock, pieces

FOLDERS = ("", "scores/", "findings/", "report/", "benchmark/", "benchmark/*/")
# What runs that were killed leave: files not yet whole, checkpoints in the making.
_LEFTOVERS = (
    *(f"{folder}.*.part" for folder in FOLDERS),
    pieces.PATTERN,
    "scores/.observations-*",  # of a version that kept no pieces
    checkpoint_files.UNFINISHED,
)


@contextlib.contextmanager
def one_writer(workdir: Path) -> Iterator[None]:
    """Keeps other runs from writing into `workdir` meanwhile; removes what dead ones left unfinished.

    Raises:
      LockedError, OSError: another run writes there, or nobody can.
    """
    what, remedy = f"workdir {workdir}", "wait until it ends, or choose another --workdir"
    with lock.held(workdir / ".lock", what, remedy) as taken:
        if taken:
            _remove_leftovers(workdir)
        yield


def _remove_leftovers(workdir: Path) -> None:
    """Removes temporary files and folders; whoever holds the lock knows that nobody writes them now."""
    for pattern in _LEFTOVERS:
        for path in list(workdir.glob(pattern)):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)
