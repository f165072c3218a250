"""Rows of the table: what one is made of, how it is measured, and how it is kept as a line of JSON."""

import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from actjax.benchmark import timing

NAME = "results.jsonl"
_RATES = {"clips_per_s": "clips/s", "fed_clips_per_s": "clips/s fed", "pairs_per_s": "pairs/s"}


class Peer(NamedTuple):
    """Another way to the same values.

    Attributes:
      name: for the table.
      build: makes its works, each with how many times it would be done for the whole; None where the
        library is not installed.
    """

    name: str
    build: Callable[[], Sequence[tuple[timing.Work, float]]] | None


class Job(NamedTuple):
    """One row, ready to be timed.

    Attributes:
      work: what is timed.
      shape: its size, for the table.
      memory_bytes: the least that must be read and written.
      bus_bytes: the least that must go to the device, and come from it.
      operations: multiplications and additions, whole.
      sorted_keys: how many values must be brought into order.
      half_products: how many products of half-precision numbers are as good as the one of float32: three,
        or one where these are exact (sides of 0 and 1).
      clips: how many a run treats, for the rate.
      pairs: of a neuron and a row, likewise.
      error: the largest error of a result of `work`, on a sample.
      against: what the error is measured against.
      peers: in their order in the table.
    """

    work: timing.Work
    shape: str
    memory_bytes: float = 0.0
    bus_bytes: tuple[float, float] = (0.0, 0.0)
    operations: float = 0.0
    sorted_keys: int = 0
    half_products: int = 3
    clips: int = 0
    pairs: int = 0
    error: Callable[[Any], float] | None = None
    against: str = "float64"
    peers: Sequence[Peer] = ()


# A row that is not one job: it measures itself and returns what goes into its line.
Measured = Mapping[str, Any]
Build = Callable[[], Job | Measured]


class Section(NamedTuple):
    """Rows that stand together.

    Attributes:
      name: on the command line.
      title: in the table.
      builds: whether sizes are tiny -> the name of each row and what makes it.
      alone: whether it wants a process of its own, to see the memory that it takes.
    """

    name: str
    title: str
    builds: Callable[[bool], Mapping[str, Build]]
    alone: bool = False


def measure(build: Build) -> dict[str, Any]:
    """What a row's line says: milliseconds, error, peers; or, under "failed", what went wrong."""
    try:
        job = build()
        return _timed(job) if isinstance(job, Job) else dict(job)
    except Exception as failure:
        # Whatever one row runs into, from memory that is full to a missing operation, leaves the others.
        return {"failed": f"{type(failure).__name__}: {_one_line(failure)}"}


def append(folder: Path, line: Mapping[str, Any]) -> None:
    """Adds a line to the results, whole or not at all."""
    with (folder / NAME).open("a") as file:
        file.write(json.dumps(line, allow_nan=True) + "\n")


def read(folder: Path) -> list[dict[str, Any]]:
    """All lines; one that a killed process left half written does not count."""
    path = folder / NAME
    return list(_lines(path.read_text().splitlines())) if path.exists() else []


def latest(lines: Sequence[Mapping[str, Any]]) -> dict[tuple[str, str], Mapping[str, Any]]:
    """(section, row) -> its last line; rows that were cut short by the time are not there yet."""
    last = {(line["section"], line["row"]): line for line in lines if "row" in line}
    return {key: line for key, line in last.items() if not line.get("cut_short")}


def say(line: Mapping[str, Any]) -> str:
    """One line for the terminal."""
    head = f"{line['section']}: {line['row']}"
    if "failed" in line:
        return f"{head}: failed, {line['failed']}"
    rates = [f"{line[key]:.4g} {unit}" for key, unit in _RATES.items() if key in line]
    rates += [f"{line['rate']:.4g} {line['unit']}"] if "rate" in line else []
    peers = [
        f"{name} {ms:.4g} ms" if isinstance(ms, float) else f"{name}: {ms}"
        for name, ms in line.get("peers", {}).items()
    ]
    error = [f"error {line['error']}"] if "error" in line else []
    said = [f"{line['ms']:.4g} ms", *rates, *error, *peers]
    return f"{head}: {', '.join(said)}"


def _timed(job: Job) -> dict[str, Any]:
    # Peers go first: PyTorch gives its memory back, JAX keeps what it has once taken.
    peers = {peer.name: _peer_ms(peer) for peer in job.peers}
    taken = timing.median(job.work)
    line = {
        "shape": job.shape,
        "ms": 1e3 * taken.median_s,
        "runs": taken.runs,
        "first_s": taken.first_s,
        "memory_bytes": job.memory_bytes,
        "bus_bytes": job.bus_bytes,
        "operations": job.operations,
        "sorted_keys": job.sorted_keys,
        "half_products": job.half_products,
        "peers": peers,
    }
    if job.clips:
        line["clips_per_s"] = job.clips / taken.median_s
    if job.pairs:
        line["pairs_per_s"] = job.pairs / taken.median_s
    if job.error is not None:
        line |= _error(job)
    return line


def _error(job: Job) -> dict[str, Any]:
    assert job.error is not None
    try:
        return {"error": float(job.error(job.work())), "against": job.against}
    except Exception as failure:
        return {"error": f"{type(failure).__name__}: {_one_line(failure)}", "against": job.against}


def _peer_ms(peer: Peer) -> float | str:
    """Milliseconds of the whole, or why there are none."""
    if peer.build is None:
        return "not installed"
    try:
        seconds = [timing.median(work, most=10).median_s * times for work, times in peer.build()]
    except Exception as failure:
        return f"{type(failure).__name__}: {_one_line(failure)}"
    finally:
        _free_torch()
    return 1e3 * float(np.sum(seconds))


def _free_torch() -> None:
    """Gives PyTorch's unused memory on a GPU back to the device."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()


def _lines(texts: Sequence[str]) -> Iterator[dict[str, Any]]:
    for text in texts:
        try:
            yield json.loads(text)
        except json.JSONDecodeError:
            continue


def _one_line(failure: BaseException) -> str:
    return " ".join(str(failure).split())[:300]
