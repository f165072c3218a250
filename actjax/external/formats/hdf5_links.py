"""What lies in an HDF5 file and where: groups and data sets behind links that do not lead out of the file."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from actjax import lookup
from actjax.external.formats import stored
from actjax.files import FileError

# How many groups may lie in one another, and links lead to links.
DEPTH = 64


def data_sets(path: Path, group: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """(path, data set) of all below a group, in order of their names.

    Raises:
      FileError: a link out of the file, to nothing, or back to a group that holds it; too many entries.
    """
    seen = 0
    waiting = [(prefix, group, (_place(group),))]
    while waiting:
        name, item, above = waiting.pop()
        if not hasattr(item, "keys"):
            yield name, item
            continue
        seen += len(item)
        if seen > stored.MEMBERS:
            raise FileError(path, f"holds more than {stored.MEMBERS} entries")
        inner = []
        for key in item:
            below = stored.check_name(f"{name}/{key}" if name else key, path)
            inside = _linked(path, item, key, below)
            if inside is None:
                continue
            if _place(inside) in above or len(above) > DEPTH:
                raise FileError(path, f"its entry {below!r} lies in itself, or too deep: remove it")
            inner.append((below, inside, (*above, _place(inside))))
        waiting += reversed(inner)


def child(path: Path, group: Any, name: str) -> Any:
    """What lies at a path below a group; FileError where there is nothing, or a link leads out."""
    for key in filter(None, name.split("/")):
        inside = _linked(path, group, key, name) if hasattr(group, "keys") and key in group else None
        if inside is None:
            raise FileError(path, f"names an entry {name!r} that it does not hold")
        group = inside
    return group


def _linked(path: Path, group: Any, key: str, name: str, followed: int = 0) -> Any:
    """The group or data set behind a link; None for a named type, which holds no values.

    Soft links are followed here, step by step: the library would follow external ones on their way.
    """
    h5py = lookup.package("h5py", f"reading {path}")
    link = group.get(key, getlink=True)
    if isinstance(link, h5py.ExternalLink):
        raise FileError(path, f"holds an entry {name!r} that leads out of it: refused")
    if not isinstance(link, h5py.SoftLink):
        entry = group[key]
        return None if isinstance(entry, h5py.Datatype) else entry
    entry = group.file if link.path.startswith("/") else group
    for step in filter(None, link.path.split("/")):
        if step == ".":
            continue
        inner = entry.get(step, getlink=True, default=None) if hasattr(entry, "keys") else None
        if inner is None or followed >= DEPTH:
            raise FileError(
                path, f"its entry {name!r} is a link to {link.path!r}, where nothing is: remove it"
            )
        entry = _linked(path, entry, step, name, followed + 1)
    return entry


def _place(item: Any) -> int:
    """Where an object lies in its file: the same for all links to it."""
    h5py = lookup.package("h5py", "reading HDF5 files")
    return h5py.h5o.get_info(item.id).addr
