"""What a kind of file is to the fuzzer, and how its files are changed."""

import hashlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from mutations import choose, one_of


class Target(NamedTuple):
    """A kind of file.

    Attributes:
      files: what in the folder is mutated, as a glob pattern; a folder where `change` takes one.
      make: writes a small good one into a folder.
      change: (rng, path) changes it.
      read: reads the folder as users reach it; what it returns is hashed where `checked` is set.
      checked: the format has a checksum, so flipped bytes never come back as values.
    """

    files: str
    make: Callable[[Path], None]
    change: Callable[[np.random.Generator, Path], None]
    read: Callable[[Path], Any]
    checked: bool = False


def on_bytes(*mutators: Callable[[np.random.Generator, bytes], bytes]) -> Callable:
    """A change of a file by mutations of its bytes."""
    mutate = one_of(*mutators)

    def change(rng: np.random.Generator, path: Path) -> None:
        path.write_bytes(mutate(rng, path.read_bytes()))

    return change


def either(*changes: Callable) -> Callable:
    """One of several changes."""

    def change(rng: np.random.Generator, path: Path) -> None:
        choose(rng, changes)(rng, path)

    return change


def in_folder(change: Callable) -> Callable:
    """Changes one file somewhere in a folder, or takes it away."""

    def mutate(rng: np.random.Generator, folder: Path) -> None:
        path = choose(rng, sorted(p for p in folder.rglob("*") if p.is_file()))
        if rng.random() < 0.1:
            path.unlink()
        else:
            change(rng, path)

    return mutate


def digest(values: Iterable[Any]) -> str:
    """A hash of arrays, in order."""
    found = hashlib.sha256()
    for value in map(np.asarray, values):
        found.update(f"{value.dtype}{value.shape}".encode() + value.tobytes())
    return found.hexdigest()
