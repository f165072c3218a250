"""Names the folders of checkpoints; keeps the hashes of their files, compared before any file is parsed."""

from pathlib import Path

from actjax import files

# In each checkpoint's folder: every other file's name there -> its SHA-256.
NAME = "sha256.json"
# What a run that was killed leaves of a checkpoint in the making.
UNFINISHED = "checkpoints/**/*.orbax-checkpoint-tmp*"


def path_of(workdir: Path, network: str = "") -> Path:
    """The folder of the trained network's checkpoints, or of another network's, which lies within it."""
    return workdir / "checkpoints" / network


def write(place: Path) -> Path:
    """Keeps the hash of every file of the checkpoint in the folder `place`."""
    hashes = {name: files.file_digest(path) for name, path in _hashed_files(place).items()}
    return files.write_json(place / NAME, hashes)


def read(place: Path, remedy: str = "") -> dict[str, str] | None:
    """The kept hashes by file; None where there are none.

    Raises:
      FileError: they are damaged.
    """
    return files.read_json(place / NAME, remedy=remedy)


def check(place: Path, *, needed: bool, remedy: str) -> None:
    """Compares each file with its hash.

    Args:
      place: the checkpoint's folder.
      needed: refuses a checkpoint without hashes, too.
      remedy: what to do about a refusal.

    Raises:
      FileError: a file is missing, differs, or is none of the checkpoint's; the message names it.
    """
    hashes = read(place, remedy)
    if hashes is None:
        if needed:
            raise files.FileError(place, f"expected the hashes of its files, found none; {remedy}")
        return
    paths = _hashed_files(place)
    for name in sorted(hashes.keys() | paths.keys()):
        if name not in paths:
            raise files.FileError(place / name, f"the checkpoint's file is missing; {remedy}")
        if name not in hashes:
            raise files.FileError(place / name, f"is no file of the checkpoint; {remedy}")
        files.regular_file(paths[name])
        if files.file_digest(paths[name]) != hashes[name]:
            raise files.FileError(place / name, f"damaged, it differs from the hash saved with it; {remedy}")


def _hashed_files(place: Path) -> dict[str, Path]:
    """Every file of a checkpoint but its hashes, by its name within the folder."""
    paths = {path.relative_to(place).as_posix(): path for path in place.rglob("*") if not path.is_dir()}
    return {name: path for name, path in sorted(paths.items()) if name != NAME}
