"""Multiplies float32 matrices at the rate of float16: a kernel of a GPU that centres, splits and multiplies.

A float32 near 1 is the sum of two float16 to 22 bits, and three products of such parts give the accuracy of
float32 on matrix units. Those units cut off what their float32 sums cannot hold: one long sum is too small by
1e-4 of a correlation. Here a fresh sum of few observations is added by ordinary float32 each time. The long
side is read once, for 256 rows of the short side, and split on the way; the short side comes in parts.
"""

import concurrent.futures
import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from actjax.kernels import blocks
from actjax.kernels.trial import computed

_EXPONENT_BITS, _MANTISSA_BITS = 5, 10
# A block of results.
_ROWS, _COLUMNS = 128, 128
_WARPS, _STAGES = 8, 3
# Sums of so many steps are added to one float32: with 782 of them a correlation of 1 is off by 1.3e-6.
_MOST_STEPS = 200
# Steps that are worth a program of their own.
_LEAST_STEPS = 4


class _Shape(NamedTuple):
    """What suits a short side.

    Attributes:
      blocks: of columns that a program holds, for which it splits the long side once.
      step: observations whose products are one sum of the matrix units.
      programs: as many as keep all units of a GPU busy, one or two for each of an H100's.
    """

    blocks: int
    step: int
    programs: int


_NARROW, _WIDE = _Shape(1, 64, 256), _Shape(2, 32, 128)


class Centred(NamedTuple):
    """The products of a long side, less its origins, with a short one, and the long side's sums.

    Attributes:
      products_nk: [n, k] float32, not finite where a part is beyond float16.
      sum_n, squares_n: of the long side's values less the origins, over what the mask lets through.
    """

    products_nk: jax.Array
    sum_n: jax.Array
    squares_n: jax.Array


class Parts(NamedTuple):
    """k rows of a short side as sums of two float16, zeros up to whole blocks and steps."""

    high: jax.Array
    low: jax.Array
    k: int


def scale_to_one(size: jax.Array) -> jax.Array:
    """The power of two that brings a size into 1/2 .. 1; 1 for 0."""
    scale = jnp.ldexp(jnp.ones_like(size), -jnp.frexp(size)[1])
    return jnp.where(size > 0, scale, 1.0)


def halves(values: jax.Array) -> tuple[jax.Array, jax.Array]:
    """(high, low) float16 of float32 below 65,504: the sum differs by 2^-22 at most, or 2^-25 absolutely.

    By `reduce_precision`, which compilers keep: a conversion to float16 and back may be left out.
    """
    high = jax.lax.reduce_precision(values, _EXPONENT_BITS, _MANTISSA_BITS)
    return high.astype(jnp.float16), (values - high).astype(jnp.float16)


def product(long_no: jax.Array, short_ko: jax.Array, *, near_one: bool = False) -> jax.Array:
    """[n, k] the inner products of the rows of two finite matrices, errors of 1e-6 of the rows' lengths.

    With `near_one` the largest value of each row is near 1 in size already, which need not be looked for.
    """
    if near_one:
        ones_n = jnp.ones((len(long_no),), jnp.float32)
        (product_nk,) = _launched(long_no, _parts(long_no, short_ko, 1), _AboutLong(ones_n), 1)
        return product_nk
    scales = [scale_to_one(jnp.max(jnp.abs(side), 1)) for side in (long_no, short_ko)]
    parts = _parts(long_no, short_ko * scales[1][:, None], 1)
    (product_nk,) = _launched(long_no, parts, _AboutLong(scales[0]), 1)
    return product_nk / scales[0][:, None] / scales[1][None, :]


def centred_product(
    long: jax.Array,
    short: jax.Array,
    origin_n: jax.Array,
    scale_n: jax.Array,
    mask_o: jax.Array | np.ndarray | None,
    axis: int,
) -> Centred:
    """The products of a long side, less its origins and scaled, with a short one that is centred.

    Args:
      long: [n, o] float32, or [o, n] with axis 0.
      short: [k, o], or [o, k], near 1; its sums over observations are 0, and so is all outside of the mask.
      origin_n: what is taken off the long side, near its means.
      scale_n: powers of two that bring what is left near 1.
      mask_o: [o] bool, False where an observation of the long side does not count, whatever stands there;
        None where all count, which saves a wait for the mask in every step.
      axis: of the observations.
    """
    counts_o = None if mask_o is None else jnp.asarray(mask_o, jnp.int32)
    about_long = _AboutLong(scale_n, origin_n * scale_n, counts_o)
    return Centred(*_launched(long, _parts(long, short, axis), about_long, axis))


def centred_product_of_parts(
    long: jax.Array, parts: Parts, origin_n: jax.Array, scale_n: jax.Array, axis: int
) -> Centred:
    """`centred_product` where all observations count, with parts of the sizes of `room`."""
    return Centred(*_launched(long, parts, _AboutLong(scale_n, origin_n * scale_n), axis))


def room(n: int, k: int, o: int) -> tuple[int, int]:
    """(rows, observations) of whole blocks and steps that hold a short side."""
    shape = _WIDE if k > _COLUMNS else _NARROW
    shares, steps = splits(n, k, o, shape)
    columns = _COLUMNS * shape.blocks
    return -(-k // columns) * columns, shares * steps * shape.step


@functools.cache
def holds() -> bool:
    """Whether the kernels compile on this process's device, and give the products; raises what stops them."""
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((40, 328), np.float32), rng.standard_normal((140, 328), np.float32)
    y -= y.mean(1, keepdims=True)
    exact = x.astype(np.float64) @ y.T.astype(np.float64)
    # Few rows of the short side, and more than one block of them.
    tried: list[Any] = [(product, x, y[:40]), (product, x, y)]
    origin, scale, everywhere = np.zeros(40, np.float32), np.ones(40, np.float32), np.ones(328, bool)
    for axis in (0, 1):
        sides = (x, y) if axis else (np.ascontiguousarray(x.T), np.ascontiguousarray(y.T))
        for mask_o in (everywhere, None):
            along = functools.partial(centred_product, axis=axis, mask_o=mask_o)
            tried.append((along, *sides, origin, scale))
    with concurrent.futures.ThreadPoolExecutor(len(tried)) as pool:
        results = list(pool.map(lambda one: computed(*one), tried))
    products = [getattr(one, "products_nk", one) for one in results]
    return all(bool(np.abs(np.asarray(each) - exact[:, : each.shape[1]]).max() < 1e-3) for each in products)


class _AboutLong(NamedTuple):
    """What is known of the long side.

    Attributes:
      scale_n: powers of two.
      scaled_origin_n: what is taken off the values times their scales, for a product that centres.
      counts_o: [o] int32, 0 where an observation does not count; None where all do.
    """

    scale_n: jax.Array
    scaled_origin_n: jax.Array | None = None
    counts_o: jax.Array | None = None


def _parts(long: jax.Array, short: jax.Array, axis: int) -> Parts:
    """The short side's parts; it is then loaded without asking where it ends."""
    # A GPU's matrix units take rows of both sides faster than columns.
    short = short if axis == 1 else short.T
    k, o = short.shape
    rows, width = room(long.shape[1 - axis], k, o)
    return Parts(*halves(jnp.pad(short, ((0, rows - k), (0, width - o)))), k)


def _launched(long: jax.Array, parts: Parts, about_long: _AboutLong, axis: int) -> tuple[jax.Array, ...]:
    """(products, and where it centres the long side's sums) of all blocks; long: as there."""
    # A JAX without Pallas has no kernels, and nothing else needs it.
    from jax.experimental import pallas as pl
    from jax.experimental.pallas import triton as gpu

    n, o = long.shape if axis == 1 else long.shape[::-1]
    k, shape = parts.k, _WIDE if parts.k > _COLUMNS else _NARROW
    shares, steps = splits(n, k, o, shape)
    centres, masks = about_long.scaled_origin_n is not None, about_long.counts_o is not None
    shapes = [(shares, n, k)] + [(shares, n)] * (2 * centres)
    plan = _Plan(n, k, o, steps, axis, centres, masks, shape)
    partial_sums = pl.pallas_call(
        functools.partial(_multiply, plan=plan),
        out_shape=[jax.ShapeDtypeStruct(shape, jnp.float32) for shape in shapes],
        grid=(-(-k // plan.columns) * -(-n // _ROWS) * shares,),
        compiler_params=gpu.CompilerParams(num_warps=_WARPS, num_stages=_STAGES),
    )(long, parts.high, parts.low, *(each for each in about_long if each is not None))
    return tuple(jnp.sum(values, 0) for values in partial_sums)


def splits(n: int, k: int, o: int, shape: _Shape = _NARROW) -> tuple[int, int]:
    """(programs that share the observations of a block, steps of each)."""
    of_results, steps = -(-n // _ROWS) * -(-k // (_COLUMNS * shape.blocks)), -(-o // shape.step)
    most = max(1, steps // _LEAST_STEPS)
    programs = min(most, max(-(-steps // _MOST_STEPS), shape.programs // of_results))
    return programs, -(-steps // programs)


class _Plan(NamedTuple):
    """Sizes of a product, steps of a program, the axis of the observations, whether it centres and masks."""

    n: int
    k: int
    o: int
    steps: int
    axis: int
    centres: bool
    masks: bool
    shape: _Shape

    @property
    def columns(self) -> int:
        """Of a program."""
        return _COLUMNS * self.shape.blocks


class _Program(NamedTuple):
    """What one program computes: some of the long side, blocks of the short one, a share of observations."""

    some_n: blocks.Some
    blocks_k: list[blocks.Some]
    share: jax.Array


def _program(plan: _Plan) -> _Program:
    from jax.experimental import pallas as pl

    columns, rows = -(-plan.k // plan.columns), -(-plan.n // _ROWS)
    number = pl.program_id(0)
    some_n = blocks.some(number // columns % rows * _ROWS, _ROWS, plan.n)
    starts = [number % columns * plan.columns + block * _COLUMNS for block in range(plan.shape.blocks)]
    return _Program(
        some_n, [blocks.some(start, _COLUMNS, plan.k) for start in starts], number // (columns * rows)
    )


def _multiply(long_ref: Any, high_ref: Any, low_ref: Any, scale_ref: Any, *refs: Any, plan: _Plan) -> None:
    """One program: blocks of results from a share of the observations."""
    axis, step_size, program = plan.axis, plan.shape.step, _program(plan)
    scale = jnp.expand_dims(blocks.load_items(scale_ref, program.some_n), axis)
    origin = jnp.expand_dims(blocks.load_items(refs[0], program.some_n), axis) if plan.centres else 0.0

    def add(step: jax.Array, sums: tuple[Any, ...]) -> tuple[Any, ...]:
        some_o = blocks.some((program.share * plan.steps + step) * step_size, step_size, plan.o)
        # A product by a power of two is exact, so that multiply-add rounds as a difference would.
        values = blocks.load(long_ref, program.some_n, some_o, axis) * scale
        if plan.centres:
            counts = blocks.load_items(refs[1], some_o) != 0 if plan.masks else some_o.inside
            values = jnp.where(blocks.plane(program.some_n.inside, counts, axis), values - origin, 0.0)
        high = values.astype(jnp.float16)
        low = (values - high.astype(jnp.float32)).astype(jnp.float16)
        products = []
        for block, some_k in zip(sums[0], program.blocks_k, strict=True):
            short_high, short_low = (blocks.load_whole(ref, some_k, some_o) for ref in (high_ref, low_ref))
            products.append(block + _fresh_sum(high, low, short_high, short_low, axis))
        if not plan.centres:
            return (tuple(products),)
        return tuple(products), sums[1] + jnp.sum(values, axis), sums[2] + jnp.sum(values * values, axis)

    zeros = jnp.zeros((_ROWS,), jnp.float32)
    empty = (jnp.zeros((_ROWS, _COLUMNS), jnp.float32),) * plan.shape.blocks
    sums = jax.lax.fori_loop(0, plan.steps, add, (empty, *[zeros] * (2 * plan.centres)))
    _store(refs[plan.centres + plan.masks :], program, sums)


def _store(refs: tuple[Any, ...], program: _Program, sums: tuple[Any, ...]) -> None:
    """Writes the products, and the long side's sums where there are any."""
    from jax.experimental import pallas as pl
    from jax.experimental.pallas import triton as gpu

    some_n = program.some_n
    at_n = pl.ds(some_n.start, _ROWS)
    for some_k, block in zip(program.blocks_k, sums[0], strict=True):
        at = refs[0].at[program.share, at_n, pl.ds(some_k.start, _COLUMNS)]
        gpu.store(at, block, mask=blocks.plane(some_n.inside, some_k.inside, 1))
    for ref, values in zip(refs[1:], sums[1:], strict=True):
        # The programs of all column blocks write the same numbers.
        gpu.store(ref.at[program.share, at_n], values, mask=some_n.inside)


def _fresh_sum(
    high: jax.Array, low: jax.Array, short_high: jax.Array, short_low: jax.Array, axis: int
) -> jax.Array:
    """The products of a step, in sums of the matrix units that ordinary float32 is to add."""
    from jax.experimental.pallas import triton as gpu

    dot = functools.partial(gpu.dot, trans_a=axis == 0, trans_b=True)
    return (dot(low, short_high) + dot(high, short_low)) + dot(high, short_high)
