"""Order statistics by bisection on the bits of float32: 32 counting passes, exact, no sort.

On a CPU this is several times faster than XLA's sort; it has static shapes and works under vmap.
"""

import jax
import jax.numpy as jnp


def order_statistic(values_o: jax.Array, mask_o: jax.Array, rank: jax.Array) -> jax.Array:
    """The valid value at place `rank` (int32, 0 = smallest) of the sorted ones; NaN if out of range."""
    keys = ordered_bits(values_o)

    def halve(_: jax.Array, bounds: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        low, high = bounds
        middle = low + ((high - low) >> 1)
        enough = jnp.sum(mask_o & (keys <= middle)) > rank
        return jnp.where(enough, low, middle + 1), jnp.where(enough, middle, high)

    start = (jnp.zeros((), jnp.uint32), jnp.full((), 0xFFFFFFFF, jnp.uint32))
    low, _ = jax.lax.fori_loop(0, 32, halve, start)
    inside = (rank >= 0) & (rank < jnp.sum(mask_o))
    return jnp.where(inside, from_ordered_bits(low), jnp.nan)


def masked_quantile(values_o: jax.Array, mask_o: jax.Array, q: float | jax.Array) -> jax.Array:
    """The q-th quantile of the valid values, interpolated linearly as NumPy's default does."""
    last = jnp.maximum(jnp.sum(mask_o) - 1, 0)
    position = jnp.asarray(q, values_o.dtype) * last.astype(values_o.dtype)
    lower = jnp.floor(position)
    place = lower.astype(jnp.int32)
    low = order_statistic(values_o, mask_o, place)
    high = order_statistic(values_o, mask_o, jnp.minimum(place + 1, last.astype(jnp.int32)))
    return low + (high - low) * (position - lower)


def masked_median(values_o: jax.Array, mask_o: jax.Array) -> jax.Array:
    """The median of the valid values; NaN if there are none."""
    return masked_quantile(values_o, mask_o, 0.5)


def ordered_bits(values: jax.Array) -> jax.Array:
    """uint32 that sort as the floats do, -0 and 0 alike."""
    # Not values + 0.0, which XLA takes for the values: -0 would come before 0.
    values = jnp.where(values == 0, 0.0, values.astype(jnp.float32))
    bits = jax.lax.bitcast_convert_type(values, jnp.uint32)
    sign = jnp.asarray(1 << 31, jnp.uint32)
    return jnp.where(bits >= sign, ~bits, bits | sign)


def from_ordered_bits(keys: jax.Array) -> jax.Array:
    """The floats of `ordered_bits`."""
    sign = jnp.asarray(1 << 31, jnp.uint32)
    return jax.lax.bitcast_convert_type(jnp.where(keys >= sign, keys ^ sign, ~keys), jnp.float32)
