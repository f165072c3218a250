"""Chooses between a CPU's way of a step and that of other devices."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import jax
from jax.extend import backend

# How many have said that all programs of this process are for its first device's kind.
_saying = 0


@contextlib.contextmanager
def one_kind() -> Iterator[None]:
    """While this is open all programs of this process are for the kind of its first device.

    Whoever says so places nothing on devices of another kind, such as the host's CPU beside a GPU.
    """
    global _saying
    _saying += 1
    try:
        yield
    finally:
        _saying -= 1


def dependent(*operands: Any, cpu: Callable[..., Any], default: Callable[..., Any]) -> Any:
    """`cpu(*operands)` in programs for a CPU, `default(*operands)` in all others.

    As `jax.lax.platform_dependent`, which traces both. One alone is traced where this process has no device
    but CPUs, and under `one_kind`: a quarter of what tracing the programs of a score run takes.
    """
    if set(backend.backends()) == {"cpu"}:
        return cpu(*operands)
    if _saying:
        return (cpu if jax.devices()[0].platform == "cpu" else default)(*operands)
    return jax.lax.platform_dependent(*operands, cpu=cpu, default=default)
