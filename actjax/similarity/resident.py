"""Arrays of a call that live on an accelerator: copied there once, checked there, and scores that return."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

from actjax import parallel
from actjax.similarity.checks import Side
from actjax.similarity.narrow import is_wide

# Shares of the device's memory: what a call works in by default, and the largest side that is kept there.
_WORKING, _SIDE = 8, 4


def on_accelerator() -> bool:
    """Whether JAX computes elsewhere than on the CPU."""
    return jax.default_backend() != "cpu"


def default_memory() -> int:
    """The working memory of a call that says nothing about it, in bytes."""
    return max(2**30, _limit() // _WORKING) if on_accelerator() else 2**30


def resident(side: Side) -> Side:
    """The side with its values on the accelerator, if there is one, they fit, and need no narrowing.

    Metrics and tiles share the one copy, and the device reads it faster than the host does.
    """
    values = side.values
    if not on_accelerator() or not isinstance(values, np.ndarray):
        return side
    if is_wide(values.dtype) or not values.dtype.isnative or 4 * values.size > _limit() // _SIDE:
        return side
    if values.flags.f_contiguous and not values.flags.c_contiguous:
        return side._replace(values=jnp.asarray(values.T).T)
    return side._replace(values=jnp.asarray(values))


def all_finite(sides: Sequence[Side], mask_o: np.ndarray | None) -> jax.Array | None:
    """Whether all that counts is finite, not waited for; None where the host is to look itself."""
    if not on_accelerator() or not all(isinstance(side.values, jax.Array) for side in sides):
        return None
    return _all_finite([(side.values, side.present) for side in sides], mask_o)


@jax.jit
def _all_finite(sides: Sequence[tuple[jax.Array, jax.Array | None]], mask_o: jax.Array | None) -> jax.Array:
    every = jnp.asarray(True)
    for values, present in sides:
        finite = jnp.isfinite(values)
        finite = finite if present is None else finite | ~present
        every = every & jnp.all(finite if mask_o is None else finite | ~mask_o[:, None])
    return every


def writable(values: jax.Array) -> np.ndarray:
    """The values as an array that the caller may change, without a second copy where that can be."""
    array = np.asarray(values)
    try:
        array.flags.writeable = True
    except ValueError:
        return array.copy()
    return array


def _limit() -> int:
    """The device's memory in bytes; 0 where it does not say."""
    return parallel.device_bytes() or 0
