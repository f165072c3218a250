"""Lists the prepared copies of a data set, one for each of its configs, and removes those that are named."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from actjax import lookup
from actjax.data.build.preparing import one_preparer

DESCRIPTION = "dataset_info.json"  # what every prepared copy has


class Copy(NamedTuple):
    """A prepared copy.

    Attributes:
      name: of its config and version, as on disk: "3s-12000hz-consecutive-1f2e/1.1.0".
      folder: where it lies.
      size_bytes: of all its files.
      asked: whether it is the one that this run's options ask for.
    """

    name: str
    folder: Path
    size_bytes: int
    asked: bool


def copies(builder: Any) -> list[Copy]:
    """The prepared copies of a builder's data set, in order of name."""
    asked = Path(builder.data_path)
    root = asked.parent.parent
    folders = sorted(path.parent for path in root.glob(f"*/*/{DESCRIPTION}"))
    return [
        Copy(str(folder.relative_to(root)), folder, _size_bytes(folder), folder == asked)
        for folder in folders
        if not folder.name.startswith((".", "incomplete"))
    ]


def listing(builder: Any) -> str:
    """What there is, one copy a line, and how to remove it."""
    there = copies(builder)
    root = Path(builder.data_path).parent.parent
    if not there:
        return f"data: nothing of {builder.name} is prepared in {root}"
    lines = [
        f"  {one.size_bytes / 2**20:8.1f} MiB  {one.name}{'  (asked for here)' * one.asked}" for one in there
    ]
    return "\n".join([f"data: {len(there)} prepared in {root}", *lines, "  remove with --clean=NAME,NAME"])


def remove(builder: Any, names: Sequence[str]) -> list[str]:
    """Removes copies by name, while nobody prepares the one asked for here; returns what was removed.

    Raises:
      UnknownNameError: there is no such copy; nothing is removed.
    """
    there = {one.name: one for one in copies(builder)}
    for name in names:
        if name not in there:
            raise lookup.UnknownNameError(f"no prepared copy {name!r}; {lookup.suggest(name, tuple(there))}")
    with one_preparer(builder):
        for name in dict.fromkeys(names):
            shutil.rmtree(there[name].folder)
            if not any(there[name].folder.parent.iterdir()):
                there[name].folder.parent.rmdir()
    return list(dict.fromkeys(names))


def _size_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
