"""Building blocks of metrics on vectors of observations: centring, norms, scaled inner products."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from actjax.similarity._precision import PRECISION


class Scaled(NamedTuple):
    """A vector and the factor by which the inner product, instead of the vector, is scaled.

    Scaling n x k results costs less than scaling n x o inputs.

    Attributes:
      vector: [o], zero where the mask is False.
      scale: scalar, NaN if the vector is zero.
    """

    vector: Any
    scale: Any


def masked(values_o: jax.Array, mask_o: jax.Array) -> jax.Array:
    """The values with zeros where the mask is False."""
    return jnp.where(mask_o, values_o, jnp.zeros_like(values_o))


def centred(values_o: jax.Array, mask_o: jax.Array) -> jax.Array:
    """The values minus their mean over the mask, zero outside of it.

    A first valid value is subtracted before the mean is taken: a mean of 10,000 deviations then costs
    no digits, and a constant gives exact zeros.
    """
    count = jnp.maximum(jnp.sum(mask_o), 1).astype(values_o.dtype)
    shifted = masked(values_o - values_o[jnp.argmax(mask_o)], mask_o)
    return masked(shifted - jnp.sum(shifted) / count, mask_o)


def unit_scaled(vector_o: jax.Array) -> Scaled:
    """The vector with the factor that gives it length 1; NaN for a zero vector."""
    squares = jnp.vdot(vector_o, vector_o, precision=PRECISION)
    return Scaled(vector_o, jnp.where(squares > 0, 1 / jnp.sqrt(squares), jnp.nan))


def cosine_of(px: Scaled, py: Scaled) -> jax.Array:
    """The inner product of the two unit vectors, in [-1, 1]."""
    return jnp.clip(jnp.vdot(px.vector, py.vector, precision=PRECISION) * px.scale * py.scale, -1.0, 1.0)
