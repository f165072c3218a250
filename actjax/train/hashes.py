"""The hashes of a checkpoint's files, kept in its folder and compared before any file of it is parsed."""

from pathlib import Path

from actjax import files

# In each checkpoint's folder: every other file's name there -> its SHA-256.
NAME = "sha256.json"


def write(place: Path) -> None:
    """Keeps the hash of every file of the checkpoint in the folder `place`."""
    files.write_json(place / NAME, {name: files.file_digest(path) for name, path in _files(place).items()})


def check(place: Path, *, needed: bool, remedy: str) -> None:
    """Compares each file with its hash.

    Args:
      place: the checkpoint's folder.
      needed: refuses a checkpoint without hashes, too.
      remedy: what to do about a refusal.

    Raises:
      FileError: a file is missing, differs, or is none of the checkpoint's; the message names it.
    """
    hashes = files.read_json(place / NAME, remedy=remedy)
    if hashes is None:
        if needed:
            raise files.FileError(place, f"expected the hashes of its files, found none; {remedy}")
        return
    present = _files(place)
    for name in sorted(hashes.keys() | present.keys()):
        if name not in present:
            raise files.FileError(place / name, f"the checkpoint's file is missing; {remedy}")
        if name not in hashes:
            raise files.FileError(place / name, f"is no file of the checkpoint; {remedy}")
        files.regular_file(present[name])
        if files.file_digest(present[name]) != hashes[name]:
            raise files.FileError(place / name, f"damaged, it differs from the hash saved with it; {remedy}")


def _files(place: Path) -> dict[str, Path]:
    """Every file of a checkpoint but its hashes, by its name within the folder."""
    paths = {p.relative_to(place).as_posix(): p for p in place.rglob("*") if not p.is_dir()}
    return {name: path for name, path in sorted(paths.items()) if name != NAME}
