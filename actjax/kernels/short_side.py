"""Centres, scales and splits the short side of a product in one kernel of a GPU: a program for each row.

XLA takes eight kernels for it, and starting one costs the host as much as the device needs for it.
"""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from actjax.kernels.trial import computed

# The longest rows, and the fewest, for which one program a row keeps a GPU busy.
MOST, LEAST_ROWS = 1 << 17, 64
# Observations at a time.
_AT_ONCE, _WARPS = 4096, 8
_MANTISSA_BITS = 23


class Prepared(NamedTuple):
    """A short side.

    Attributes:
      high, low: [rows, width] float16, whose sum is near 1 and adds up to 0 over each row; 0 beyond its ends.
      first_k, mean_k, scale_k: the rows' first values, the means of what lies above them, powers of two.
      sum_k, squares_k: of the scaled deviations.
    """

    high: jax.Array
    low: jax.Array
    first_k: jax.Array
    mean_k: jax.Array
    scale_k: jax.Array
    sum_k: jax.Array
    squares_k: jax.Array


def suits(k: int, o: int) -> bool:
    """Whether rows are many and short enough."""
    return k >= LEAST_ROWS and o <= MOST


def prepared(short_ko: jax.Array, rows: int, width: int) -> Prepared:
    """The side [k, o] float32 in parts of at least that size, all of whose observations count."""
    # A JAX without Pallas has no kernels, and nothing else needs it.
    from jax.experimental import pallas as pl
    from jax.experimental.pallas import triton as gpu

    k = len(short_ko)
    halves = [jax.ShapeDtypeStruct((rows, width), jnp.float16)] * 2
    of_rows = [jax.ShapeDtypeStruct((rows,), jnp.float32)] * 5
    high, low, *known = pl.pallas_call(
        functools.partial(_prepare, k=k, o=short_ko.shape[1], width=width),
        out_shape=[*halves, *of_rows],
        grid=(rows,),
        compiler_params=gpu.CompilerParams(num_warps=_WARPS, num_stages=2),
    )(short_ko)
    return Prepared(high, low, *(values[:k] for values in known))


@functools.cache
def holds() -> bool:
    """Whether the kernel compiles on this process's device, and splits; raises what stops it."""
    rows = np.random.default_rng(0).standard_normal((3, 5000)).astype(np.float32) + 3
    side = computed(functools.partial(prepared, rows=4, width=5120), rows)
    parts = np.asarray(side.high, np.float64) + np.asarray(side.low)
    deviations = np.asarray(side.scale_k)[:, None] * (rows - rows.mean(1, keepdims=True, dtype=np.float64))
    near = np.abs(parts - np.pad(deviations, ((0, 1), (0, 120)))).max() < 1e-5
    return bool(near and np.allclose(side.squares_k, (deviations**2).sum(1), rtol=1e-5))


def _prepare(short_ref: Any, high_ref: Any, low_ref: Any, *refs: Any, k: int, o: int, width: int) -> None:
    from jax.experimental import pallas as pl
    from jax.experimental.pallas import triton as gpu

    row = pl.program_id(0)
    # Rows behind the last are zeros.
    from_row = jnp.minimum(row, k - 1)
    first = gpu.load(short_ref.at[from_row, 0 * row])

    def above_first(i: jax.Array) -> tuple[jax.Array, jax.Array]:
        inside = (i * _AT_ONCE + jnp.arange(_AT_ONCE) < o) & (row < k)
        values = gpu.load(short_ref.at[from_row, pl.ds(i * _AT_ONCE, _AT_ONCE)], mask=inside, other=0.0)
        return jnp.where(inside, values - first, 0.0), inside

    def add(i: jax.Array, sums: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        values, _ = above_first(i)
        return sums[0] + values, sums[1] + jnp.abs(values)

    zeros = jnp.zeros((_AT_ONCE,), jnp.float32)
    sums = jax.lax.fori_loop(0, -(-o // _AT_ONCE), add, (zeros, zeros))
    mean, scale = jnp.sum(sums[0]) / o, _scale_to_one(jnp.sum(sums[1]) / o)

    def split(i: jax.Array, sums: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        values, inside = above_first(i)
        values = jnp.where(inside, (values - mean) * scale, 0.0)
        high = values.astype(jnp.float16)
        at = row, pl.ds(i * _AT_ONCE, _AT_ONCE)
        there = i * _AT_ONCE + jnp.arange(_AT_ONCE) < width
        gpu.store(high_ref.at[at], high, mask=there)
        gpu.store(low_ref.at[at], (values - high.astype(jnp.float32)).astype(jnp.float16), mask=there)
        return sums[0] + values, sums[1] + values * values

    sums = jax.lax.fori_loop(0, -(-width // _AT_ONCE), split, (zeros, zeros))
    for ref, value in zip(refs, (first, mean, scale, jnp.sum(sums[0]), jnp.sum(sums[1])), strict=True):
        gpu.store(ref.at[row], value)


def _scale_to_one(size: jax.Array) -> jax.Array:
    """`split_product.scale_to_one`, bit by bit."""
    exponent = jax.lax.bitcast_convert_type(size, jnp.int32) >> _MANTISSA_BITS
    # 253 - e is the exponent of the inverse of the power of two above the size.
    inverse = jnp.maximum(253 - exponent, 1) << _MANTISSA_BITS
    return jnp.where(size > 0, jax.lax.bitcast_convert_type(inverse, jnp.float32), 1.0)
