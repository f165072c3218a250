"""Times works by medians of runs that end when the device has finished."""

import sys
import time
from collections.abc import Callable, Hashable, Mapping
from typing import Any, NamedTuple

import jax
import numpy as np

# A work of no arguments; what it returns may still be on its way on a device.
Work = Callable[[], Any]


class Timing(NamedTuple):
    """How long a work takes.

    Attributes:
      first_s: seconds of the first call, with what it compiles.
      median_s: median seconds of the calls after it.
      runs: how many these were.
    """

    first_s: float
    median_s: float
    runs: int


def synchronise(result: Any) -> Any:
    """Waits until the result is there, and returns it.

    What holds no array of JAX or NumPy comes from PyTorch, whose works may also return nothing: then all that
    PyTorch has under way on a GPU is waited for.
    """
    leaves = jax.tree.leaves(jax.block_until_ready(result))
    if not any(isinstance(leaf, jax.Array | np.ndarray) for leaf in leaves):
        torch = sys.modules.get("torch")
        if torch is not None and torch.cuda.is_available():
            torch.cuda.synchronize()
    return result


def median(work: Work, *, least: int = 5, most: int = 30, seconds: float = 0.5) -> Timing:
    """Times a work once cold, then until it has run `least` times and for `seconds`, at most `most` times.

    A work that takes more than a second runs three times more, one that takes more than five once more.
    """
    first_s = _seconds(work)
    warm = [_seconds(work)]
    least = 1 if warm[0] > 5 else 3 if warm[0] > 1 else least
    while len(warm) < least or (len(warm) < most and sum(warm) < seconds):
        warm.append(_seconds(work))
    # A first warm call may still fill caches.
    counted = warm[1:] if len(warm) > 1 else warm
    return Timing(first_s, float(np.median(counted)), len(counted))


def alternating(
    works: Mapping[Hashable, Work], repeats: int
) -> tuple[dict[Hashable, float], dict[Hashable, float]]:
    """Wall and CPU seconds of each work: medians of runs in turn, after one of each that is not counted."""
    wall_s: dict[Hashable, list[float]] = {name: [] for name in works}
    cpu_s: dict[Hashable, list[float]] = {name: [] for name in works}
    for repeat in range(repeats + 1):
        for name, work in works.items():
            cpu_started = time.process_time()
            taken = _seconds(work)
            if repeat:
                wall_s[name].append(taken)
                cpu_s[name].append(time.process_time() - cpu_started)
    wall, cpu = ({name: float(np.median(runs)) for name, runs in side.items()} for side in (wall_s, cpu_s))
    return wall, cpu


def _seconds(work: Work) -> float:
    started = time.perf_counter()
    synchronise(work())
    return time.perf_counter() - started
