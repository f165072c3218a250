"""Keeps in manifest.json what atlas and report were made from, so that the same page is not made twice."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from actjax import files
from actjax.workdir import manifest

ENTRY = "pages"


def contents(paths: Iterable[Path]) -> list[tuple[str, str]]:
    """(name, SHA-256) of those files that are there, in the order of `paths`: what a page's key is made of.

    >>> contents([Path("nowhere")])
    []
    """
    return [(path.name, files.file_digest(path)) for path in paths if path.is_file()]


def is_made(workdir: Path, page: str, made_from: str) -> bool:
    """Whether the page of that name was made from this, and all its files are there.

    Raises:
      FileError: manifest.json is damaged.
    """
    entry, written = _entry(workdir).get(page), outputs(workdir, page)
    if not written or not isinstance(entry, dict) or entry.get("made_from") != made_from:
        return False
    return all(path.is_file() for path in written)


def outputs(workdir: Path, page: str) -> list[Path]:
    """The files that were written with the page, the page first; none where none was kept."""
    entry = _entry(workdir).get(page)
    names = entry.get("files") if isinstance(entry, dict) else None
    relative = [Path(str(name)) for name in names] if isinstance(names, list) else []
    inside = not any(path.is_absolute() or ".." in path.parts for path in relative)
    return [workdir / path for path in relative] if inside else []


def keep(workdir: Path, page: str, made_from: str, written: Iterable[Path]) -> None:
    """Keeps what the page was made from, and the names of its files within the workdir."""
    names = [path.relative_to(workdir).as_posix() for path in written]
    entry = {page: {"made_from": made_from, "files": names}}
    manifest.write(workdir, **{ENTRY: _entry(workdir) | entry})


def _entry(workdir: Path) -> dict[str, Any]:
    entry = manifest.read(workdir).get(ENTRY)
    return entry if isinstance(entry, dict) else {}
