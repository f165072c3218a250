"""What rows that are held fixed leave of others, by least squares."""

import jax
import jax.numpy as jnp

from actjax.similarity.arithmetic.inner import product

# Directions of the rows with a smaller share of the longest one's length are rounding.
RANK_TOLERANCE = 1e-5


def orthonormal(rows_oq: jax.Array) -> jax.Array:
    """[o, q] orthonormal columns that span the rows, zero ones where they are collinear."""
    largest = jnp.max(jnp.abs(rows_oq), 0)
    lengths = jnp.sqrt(jnp.sum((rows_oq / jnp.where(largest > 0, largest, 1.0)[None, :]) ** 2, 0)) * largest
    unit = rows_oq / jnp.where(lengths > 0, lengths, 1.0)[None, :]
    u, s, _ = jnp.linalg.svd(unit, full_matrices=False)
    return u * (s > RANK_TOLERANCE * jnp.max(s)).astype(u.dtype)[None, :]


def residuals(values: jax.Array, basis_oq: jax.Array, least: float) -> jax.Array:
    """[o] or [o, v] values minus their projection on the basis, an `orthonormal` one.

    A column with no more than the share `least` of its length left becomes zero: the rows explain it.
    Values are to be near 1, so that their squares stay within float32.
    """
    left = values
    # Twice: where little is left, the second pass removes the first one's rounding.
    for _ in range(2):
        left = left - product(basis_oq, product(basis_oq.T, left))
    some = jnp.sum(left**2, 0) > least**2 * jnp.sum(values**2, 0)
    return jnp.where(some, left, jnp.zeros_like(left))
