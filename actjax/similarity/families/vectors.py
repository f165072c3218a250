"""Building blocks of metrics on vectors of observations: centring, norms, scaled inner products."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from actjax.similarity.arithmetic.deviations import deviations
from actjax.similarity.arithmetic.inner import inner, inner_near_one
from actjax.similarity.arithmetic.scale import unit_scale


class Scaled(NamedTuple):
    """A vector and the factor by which the inner product, instead of the vector, is scaled.

    Scaling n x k results costs less than scaling n x o inputs.

    Attributes:
      vector: [o], zero where the mask is False; the largest of its values is near 1 in size.
      scale: scalar, NaN if the vector is zero.
    """

    vector: jax.Array
    scale: jax.Array


def masked(values_o: jax.Array, mask_o: jax.Array) -> jax.Array:
    """The values with zeros where the mask is False."""
    return jnp.where(mask_o, values_o, jnp.zeros_like(values_o))


def centred(values_o: jax.Array, mask_o: jax.Array) -> jax.Array:
    """The values minus their mean over the mask, zero outside of it and for a constant."""
    return deviations(values_o, mask_o).values


def unit_scaled(vector_o: jax.Array) -> Scaled:
    """The vector with the factor that gives it length 1; NaN for a zero vector.

    The vector is brought near 1 by a power of two first: squares of very large or small values leave float32.
    """
    return unit_length(vector_o * unit_scale(vector_o))


def unit_length(vector_o: jax.Array) -> Scaled:
    """The vector, none of whose values is beyond 1, with the factor that gives it length 1; NaN for zero."""
    squares = inner(vector_o, vector_o)
    return Scaled(vector_o, jnp.where(squares > 0, 1 / jnp.sqrt(squares), jnp.nan))


def cosine_of(px: Scaled, py: Scaled) -> jax.Array:
    """The inner product of the two unit vectors, in [-1, 1]."""
    return jnp.clip(inner_near_one(px.vector, py.vector) * px.scale * py.scale, -1.0, 1.0)
