"""Multiplies float32 matrices whose sides are both split into float16 before, for short sides of many rows.

`actjax.kernels.split_product` splits the long side on the way, once for each block of columns. With many such
blocks it is faster to split it once, and to read parts instead: at 20,000 x 1,000 x 50,000 an H100 takes 15
ms instead of 21, of which splitting takes 3.
"""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from actjax.kernels import split_product
from actjax.kernels.split_product import Centred
from actjax.kernels.trial import computed

# A block of results, the observations of a sum of the matrix units, warps and stages.
_ROWS, _COLUMNS, _STEP, _WARPS, _STAGES = 128, 128, 64, 8, 3
# Rows of the short side from which on splitting the long side before gains.
_LEAST_ROWS = 3 * _COLUMNS
# What is split at a time, in bytes of float32.
_SPLIT_BYTES = 1 << 31


def gains(k: int) -> bool:
    """Whether a short side of k rows makes splitting the long side before worth its while."""
    return k > _LEAST_ROWS


def product(long_no: jax.Array, short_ko: jax.Array, *, near_one: bool = False) -> jax.Array:
    """[n, k]: `split_product.product`."""
    if near_one:
        scales = [jnp.ones((len(side),), jnp.float32) for side in (long_no, short_ko)]
    else:
        scales = [split_product.scale_to_one(jnp.max(jnp.abs(side), 1)) for side in (long_no, short_ko)]
    zeros_n = jnp.zeros((len(long_no),), jnp.float32)
    centred = centred_product(long_no, short_ko * scales[1][:, None], zeros_n, scales[0], None)
    return centred.products_nk / scales[0][:, None] / scales[1][None, :]


def centred_product(
    long_no: jax.Array,
    short_ko: jax.Array,
    origin_n: jax.Array,
    scale_n: jax.Array,
    mask_o: jax.Array | None,
) -> Centred:
    """`split_product.centred_product` with the observations on axis 1."""
    (n, o), k = long_no.shape, len(short_ko)
    splits, steps = split_product.splits(n, k, o)
    width = splits * steps * _STEP
    short = split_product.halves(jnp.pad(short_ko, ((0, -k % _COLUMNS), (0, width - o))))

    def of_rows(long: jax.Array, origin: jax.Array, scale: jax.Array) -> Centred:
        # A product by a power of two is exact, so that it may come first.
        values = long * scale[:, None] - (origin * scale)[:, None]
        values = values if mask_o is None else jnp.where(mask_o[None, :], values, 0.0)
        parts = split_product.halves(jnp.pad(values, ((0, -len(long) % _ROWS), (0, width - o))))
        products = _launched(parts, short, splits, steps)[: len(long), :k]
        return Centred(products, jnp.sum(values, 1), jnp.sum(values * values, 1))

    size = max(_ROWS, _SPLIT_BYTES // (4 * o) // _ROWS * _ROWS)
    if size >= n:
        return of_rows(long_no, origin_n, scale_n)

    def add(i: jax.Array, sums: Centred) -> Centred:
        # The last rows overlap those before.
        start = jnp.minimum(i * size, n - size)
        some = (jax.lax.dynamic_slice_in_dim(side, start, size) for side in (long_no, origin_n, scale_n))
        placed = zip(sums, of_rows(*some), strict=True)
        return Centred(*(jax.lax.dynamic_update_slice_in_dim(a, b, start, 0) for a, b in placed))

    shapes = (n, k), (n,), (n,)
    empty = Centred(*(jnp.zeros(shape, jnp.float32) for shape in shapes))
    return jax.lax.fori_loop(0, -(-n // size), add, empty)


@functools.cache
def holds() -> bool:
    """Whether the kernel compiles on this process's device, and gives the products; raises what stops it."""
    x, y = np.random.default_rng(0).standard_normal((2, 40, 328), np.float32)
    exact = x.astype(np.float64) @ y.T.astype(np.float64)
    return bool(np.abs(np.asarray(computed(product, x, y)) - exact).max() < 1e-3)


class _Parts(NamedTuple):
    """Sums of two, [v, o] float16 in whole blocks and steps."""

    high: jax.Array
    low: jax.Array


def _launched(
    long: tuple[jax.Array, jax.Array], short: tuple[jax.Array, jax.Array], splits: int, steps: int
) -> jax.Array:
    """[n, k] of all blocks."""
    # A JAX without Pallas has no kernels, and nothing else needs it.
    from jax.experimental import pallas as pl
    from jax.experimental.pallas import triton as gpu

    long, short = _Parts(*long), _Parts(*short)
    n, k = len(long.high), len(short.high)
    rows, columns = n // _ROWS, k // _COLUMNS
    shares = pl.pallas_call(
        functools.partial(_multiply, rows=rows, columns=columns, steps=steps),
        out_shape=jax.ShapeDtypeStruct((splits, n, k), jnp.float32),
        grid=(columns * rows * splits,),
        compiler_params=gpu.CompilerParams(num_warps=_WARPS, num_stages=_STAGES),
    )(*long, *short)
    return jnp.sum(shares, 0)


def _multiply(*refs: Any, rows: int, columns: int, steps: int) -> None:
    """One program: a block of results from a share of the observations."""
    from jax.experimental import pallas as pl
    from jax.experimental.pallas import triton as gpu

    number = pl.program_id(0)
    share = number // (columns * rows)
    at_n = pl.ds(number // columns % rows * _ROWS, _ROWS)
    at_k = pl.ds(number % columns * _COLUMNS, _COLUMNS)

    def add(step: jax.Array, sums: jax.Array) -> jax.Array:
        at_o = pl.ds((share * steps + step) * _STEP, _STEP)
        places = (at_n, at_n, at_k, at_k)
        high, low, short_high, short_low = (
            gpu.load(ref.at[at, at_o]) for ref, at in zip(refs[:4], places, strict=True)
        )

        def dot(a: jax.Array, b: jax.Array) -> jax.Array:
            return gpu.dot(a, b, trans_b=True)

        # A fresh sum of the matrix units, which cut off theirs, is added by ordinary float32.
        return sums + ((dot(low, short_high) + dot(high, short_low)) + dot(high, short_high))

    sums = jax.lax.fori_loop(0, steps, add, jnp.zeros((_ROWS, _COLUMNS), jnp.float32))
    gpu.store(refs[4].at[share, at_n, at_k], sums)
