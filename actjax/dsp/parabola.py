"""Refine a peak of sampled values by the parabola through three neighbours."""

import jax
import jax.numpy as jnp


def vertex_shift(left: jax.Array, centre: jax.Array, right: jax.Array) -> jax.Array:
    """How far the vertex of the parabola lies from the centre, in samples, -1 .. 1; 0 where it lies beyond.

    Args:
      left, centre, right: values at -1, 0 and 1, of one shape.
    """
    curvature, slope = left + right - 2.0 * centre, (right - left) / 2.0
    inside = jnp.abs(slope) < jnp.abs(curvature)
    return jnp.where(inside, -slope / jnp.where(inside, curvature, 1.0), 0.0)
