"""Measures what a stage takes: seconds in all, compiling, of CPUs, in its sections; the machine's memory."""

import contextlib
import contextvars
import dataclasses
import os
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from actjax import compilation

GIB = 2**30
_STATUS, _RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")
# Stages that found everything done are not worth a line.
LEAST_SECONDS = 0.5
_current: contextvars.ContextVar["Cost | None"] = contextvars.ContextVar("cost of the stage", default=None)


@dataclasses.dataclass
class Cost:
    """What a stage took.

    Attributes:
      seconds: of wall clock.
      compiling_seconds: of these, of all threads together, so that they may be more.
      cpu_seconds: of all cores together, of processes that it started and that have ended too.
      sections: name -> seconds, of what a stage says of itself; they need not add up.
      peak_gib: the largest resident memory of the process meanwhile; None where the system does not say.
    """

    seconds: float = 0.0
    compiling_seconds: float = 0.0
    cpu_seconds: float = 0.0
    sections: dict[str, float] = dataclasses.field(default_factory=dict)
    peak_gib: float | None = None

    def as_json(self) -> dict[str, Any]:
        """What the manifest keeps, rounded."""
        peak = None if self.peak_gib is None else round(self.peak_gib, 2)
        sections = {name: round(seconds, 1) for name, seconds in self.sections.items()}
        return {
            "seconds": round(self.seconds, 1),
            "compiling_seconds": round(self.compiling_seconds, 1),
            "cpu_seconds": round(self.cpu_seconds, 1),
            "sections": sections,
            "peak_gib": peak,
        }


@contextlib.contextmanager
def measured() -> Iterator[Cost]:
    """The cost of the block, complete at its end."""
    cost, programs, began, cpu = Cost(), compilation.Programs(), time.perf_counter(), _cpu_seconds()
    can_reset = _reset_peak()
    token = _current.set(cost)
    try:
        yield cost
    finally:
        _current.reset(token)
        programs.close()
        cost.seconds, cost.compiling_seconds = time.perf_counter() - began, programs.compiling_seconds
        cost.cpu_seconds = _cpu_seconds() - cpu
        cost.peak_gib = _peak_gib() if can_reset else None


@contextlib.contextmanager
def section(name: str) -> Iterator[None]:
    """Adds the block's time to a section of the stage that is being measured, if one is."""
    cost, began = _current.get(), time.perf_counter()
    try:
        yield
    finally:
        if cost is not None:
            cost.sections[name] = cost.sections.get(name, 0.0) + time.perf_counter() - began


def summary(stages: Mapping[str, Mapping[str, Any]]) -> str:
    """What the stages of a run took, in a line each, from `Cost.as_json`; "" where none took long."""
    lines = []
    for name, cost in stages.items():
        if cost["seconds"] < LEAST_SECONDS:
            continue
        of = [f"compiling {cost['compiling_seconds']:.0f}"] if cost["compiling_seconds"] >= 1 else []
        of += [f"{part} {seconds:.0f}" for part, seconds in cost["sections"].items() if seconds >= 1]
        peak = "" if cost["peak_gib"] is None else f", {cost['peak_gib']:.1f} GiB"
        within = f" ({', '.join(of)})" if of else ""
        lines.append(f"  {name}: {cost['seconds']:.0f} s{within}{peak}")
    return "\n".join(["time and largest memory:", *lines]) if lines else ""


def _cpu_seconds() -> float:
    """Of this process and of its children that have ended."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def _reset_peak() -> bool:
    """Starts the peak of resident memory anew, where the system can; whether it did."""
    if sys.platform != "linux":
        return False
    try:
        _RESET.write_text("5")
    except OSError:
        return False
    return True


def _peak_gib() -> float | None:
    with contextlib.suppress(OSError, ValueError, IndexError):
        for line in _STATUS.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024 / GIB
    return None
