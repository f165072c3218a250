"""Blocks of a kernel's matrices: which items and observations they hold, and how they are loaded."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp


class Some(NamedTuple):
    """A stretch of items or observations: its first place, its length, and [length] whether each exists."""

    start: jax.Array
    size: int
    inside: jax.Array


def some(start: jax.Array, size: int, of: int) -> Some:
    """The stretch that begins at a place of a side of `of` items."""
    return Some(start, size, start + jnp.arange(size) < of)


def load(ref: Any, items: Some, observations: Some, axis: int) -> jax.Array:
    """A block of a side, laid out as the side is; 0 beyond its ends."""
    from jax.experimental.pallas import triton as gpu

    inside = plane(items.inside, observations.inside, axis)
    return gpu.load(ref.at[_block(items, observations, axis)], mask=inside, other=0.0)


def load_whole(ref: Any, items: Some, observations: Some) -> jax.Array:
    """A block of the short side, which lies within it."""
    from jax.experimental.pallas import triton as gpu

    return gpu.load(ref.at[_block(items, observations, 1)])


def _block(items: Some, observations: Some, axis: int) -> tuple[Any, ...]:
    from jax.experimental import pallas as pl

    at = pl.ds(items.start, items.size), pl.ds(observations.start, observations.size)
    return at if axis == 1 else at[::-1]


def load_items(ref: Any, items: Some) -> jax.Array:
    """What is known of each item; 0 where it does not exist."""
    from jax.experimental import pallas as pl
    from jax.experimental.pallas import triton as gpu

    nothing = 0 if jnp.issubdtype(ref.dtype, jnp.integer) else 0.0
    return gpu.load(ref.at[pl.ds(items.start, items.size)], mask=items.inside, other=nothing)


def plane(of_item: jax.Array, of_observation: jax.Array, axis: int) -> jax.Array:
    """Whether both hold, for each item and observation, laid out as a side is."""
    if axis == 1:
        return of_item[:, None] & of_observation[None, :]
    return of_observation[:, None] & of_item[None, :]
