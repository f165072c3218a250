"""A power of two for each item, so that similarities that do not depend on scale do not in float32 either.

Squares of values beyond 1e19 overflow float32 and those below 1e-19 vanish. Multiplication by a power of two
is exact, so bringing the largest value near 1 first changes no digit of anything else.
"""

import jax
import jax.numpy as jnp

_EXPONENT_BITS = 0x7F800000
_MANTISSA_BITS = 23


def unit_scale(
    values: jax.Array, mask: jax.Array | None = None, *, axis: int | tuple[int, ...] | None = None
) -> jax.Array:
    """The power of two that brings the largest valid |value| into 1 .. 4; 1 where there is none but 0.

    Args:
      values: float32, finite where valid.
      mask: bool, broadcastable to `values`; None where all are valid.
      axis: the axes of one item, all of them by default.

    Returns:
      float32, the shape of `values` with `axis` kept as 1, so that it multiplies them as it is.
    """
    size = jnp.abs(values)
    if mask is not None:
        size = jnp.where(mask, size, jnp.zeros_like(size))
    largest = jnp.max(size, axis=axis, keepdims=True)
    exponent = (jax.lax.bitcast_convert_type(largest, jnp.int32) & _EXPONENT_BITS) >> _MANTISSA_BITS
    # 254 - e is the exponent field of the inverse; 0 would be a subnormal, which XLA takes for 0.
    inverse = jnp.maximum(254 - exponent, 1) << _MANTISSA_BITS
    scale = jax.lax.bitcast_convert_type(inverse, jnp.float32)
    return jnp.where(exponent > 0, scale, jnp.ones_like(scale))


# The scale of an item that was 0 so far: any other is smaller, and the smaller one is taken in a merge.
NOTHING = 2.0**126


def item_scales(values: jax.Array, mask: jax.Array, axis: int) -> jax.Array:
    """`unit_scale` of every item beside the observations on `axis`; NOTHING for one that is 0 throughout."""
    inside = jnp.expand_dims(mask, 1 - axis)
    scale = jnp.squeeze(unit_scale(values, inside, axis=axis), axis)
    some = jnp.any(inside & (values != 0), axis)
    return jnp.where(some, scale, jnp.full_like(scale, NOTHING))
