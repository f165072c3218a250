"""Readers with every fault that the fuzzer is to see; else nobody would know if it saw none."""

import pickle
import time
from pathlib import Path

import numpy as np
from kinds import Target, on_bytes
from stores import Canary


def make(folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "x.bin").write_bytes(pickle.dumps(Canary()))


def flip_last(rng: np.random.Generator, data: bytes) -> bytes:
    return data[:-1] + b"!"


def untidy(folder: Path) -> None:
    (folder.parent / "beside").write_text("x")


def opaque(folder: Path) -> None:
    if (folder / "x.bin").read_bytes().endswith(b"!"):
        raise ValueError("something is wrong")


def keyed(folder: Path) -> None:
    if (folder / "x.bin").read_bytes().endswith(b"!"):
        raise KeyError("x.bin")


def greedy(folder: Path) -> None:
    if (folder / "x.bin").read_bytes().endswith(b"!"):
        try:
            np.empty(2**33, np.uint8)
        except MemoryError as error:
            raise ValueError("x.bin cannot be read") from error


def trusting(folder: Path) -> None:
    pickle.loads((folder / "x.bin").read_bytes()[:-1] + b".")


def endless(folder: Path) -> None:
    if (folder / "x.bin").read_bytes().endswith(b"!"):
        time.sleep(60)


def crashing(folder: Path) -> None:
    if (folder / "x.bin").read_bytes().endswith(b"!"):
        import ctypes

        ctypes.string_at(0)


def blind(folder: Path) -> bytes:
    return (folder / "x.bin").read_bytes()


def fine(folder: Path) -> None:
    if (folder / "x.bin").read_bytes().endswith(b"!"):
        raise ValueError("x.bin: expected a full stop")


def targets() -> dict[str, Target]:
    readers = (fine, untidy, opaque, keyed, greedy, trusting, blind, endless, crashing)
    change = on_bytes(flip_last)
    return {read.__name__: Target("x.bin", make, change, read, read is blind) for read in readers}
