"""Numbers of observations in two words of 32 bits: exact up to 2^64, without JAX's 64-bit mode.

float32 counts to 2^24, int32 to 2^31; a stream of long clips passes both.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

_WORD = 4294967296.0


class Count(NamedTuple):
    """low + 2^32 high, uint32 arrays of one shape."""

    low: jax.Array
    high: jax.Array


def zero(shape: tuple[int, ...] = ()) -> Count:
    """Nothing counted yet."""
    return Count(jnp.zeros(shape, jnp.uint32), jnp.zeros(shape, jnp.uint32))


def of(number: jax.Array | np.ndarray | int) -> Count:
    """A whole number of any integer type, at least 0."""
    low = jnp.asarray(number).astype(jnp.uint32)
    return Count(low, jnp.zeros_like(low))


def of_mask(mask: jax.Array | np.ndarray, axis: int | tuple[int, ...] | None = None) -> Count:
    """How many are True."""
    return of(jnp.sum(mask, axis, dtype=jnp.int32))


def add(a: Count, b: Count) -> Count:
    """a + b, elementwise."""
    low = a.low + b.low
    return Count(low, a.high + b.high + (low < b.low).astype(jnp.uint32))


def less(a: Count, b: Count) -> Count:
    """a - b, elementwise, where b is at most a."""
    return Count(a.low - b.low, a.high - b.high - (a.low < b.low).astype(jnp.uint32))


def spread(count: Count, shape: tuple[int, ...]) -> Count:
    """Broadcast to a shape."""
    return Count(*(jnp.broadcast_to(word, shape) for word in count))


def reaches(count: Count, least: int) -> jax.Array:
    """Whether at least `least` (1 to 2^32 - 1) are counted."""
    return (count.high > 0) | (count.low >= np.uint32(least))


def as_float(count: Count) -> jax.Array:
    """float32, to seven digits."""
    return count.high.astype(jnp.float32) * _WORD + count.low.astype(jnp.float32)


def on_host(tree: Any) -> Any:
    """The tree as NumPy arrays, each Count in it as int64."""

    def fetch(leaf: Any) -> np.ndarray:
        if isinstance(leaf, Count):
            low, high = (np.asarray(word).astype(np.int64) for word in leaf)
            return (high << 32) + low
        return np.asarray(leaf)

    return jax.tree.map(fetch, jax.device_get(tree), is_leaf=lambda leaf: isinstance(leaf, Count))
