"""Chooses between a CPU's way of a step and that of other devices."""

from collections.abc import Callable
from typing import Any

import jax
from jax.extend import backend


def dependent(*operands: Any, cpu: Callable[..., Any], default: Callable[..., Any]) -> Any:
    """`cpu(*operands)` in programs for a CPU, `default(*operands)` in all others.

    As `jax.lax.platform_dependent`, which traces both; where this process has no device but CPUs, the other
    way is not traced, which is a quarter of what tracing the programs of a score run takes.
    """
    if set(backend.backends()) == {"cpu"}:
        return cpu(*operands)
    return jax.lax.platform_dependent(*operands, cpu=cpu, default=default)
