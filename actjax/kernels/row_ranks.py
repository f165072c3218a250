"""Ranks rows by sorting short steps of their values with the places: a kernel of a GPU, one program a row.

A step is a value in 16 bits, in the order of the values, which few others of a row share. A GPU sorts steps
with their places sooner than whole values without; then the values of one step are compared with each other,
and ranks are put to their places.
"""

import functools
import itertools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from actjax.kernels.trial import computed

# The longest row whose places are 16 bits, and twice the ranks as well.
MOST = (1 << 15) - 1
# Values at a time, one a thread, and threads of a warp.
_CHUNK, _WARP = 1024, 32
# So many more of one step are compared.
MOST_OF_A_STEP = 24
# Steps are those of segments and of two tails, each twice `_OF_TAIL`, and infinity's, the last of all.
_SAMPLE, _OF_TAIL, _LAST = 256, 4096, (1 << 16) - 1
# Segments end at these shares of the sample; of 20,000 values each step has about a third of one.
_WHOLE, _QUANTILES = 128, (0, 1, 2, 4, 8, 16, 32, 64, 96, 112, 120, 124, 126, 127, 128)
_OF_SEGMENTS = (1024, 1536, 2560, 4096, 6144, 9216, 9216, 6144, 4096, 2560, 1536, 1024)
# The bits of 1.0, and the shift that leaves 128 steps an octave.
_BITS_OF_ONE, _OCTAVE_SHIFT = 0x3F800000, 16
# What is farther apart than this, or nearer, would leave float32.
_LARGE, _LEAST_WIDTH = 1e38, 1e-36


def twice_ranks(values_no: jax.Array) -> tuple[jax.Array, jax.Array]:
    """[n, o] twice the mean rank of each value of a row, from 1, and whether any step has too many values.

    Args:
      values_no: float32, at most `MOST` a row; infinity has any rank.

    Returns:
      [n, o] uint16, and bool: whether the ranks of any row do not hold.
    """
    # A JAX without Pallas has no kernels, and nothing else needs it.
    from jax.experimental import pallas as pl
    from jax.experimental.pallas import triton as gpu

    n, o = values_no.shape
    chunk = min(_CHUNK, 1 << max(o - 1, 1).bit_length())
    places_no = jnp.broadcast_to(jnp.arange(o, dtype=jnp.uint16), (n, o))
    pairs = jax.lax.sort((_steps(values_no), places_no), dimension=1, num_keys=1, is_stable=False)
    zeros_n2 = jnp.stack([jnp.sum(values_no < 0, 1, jnp.int32), jnp.sum(values_no == 0, 1, jnp.int32)], 1)
    twice_no, more_n = pl.pallas_call(
        functools.partial(_compare, o=o, chunk=chunk),
        out_shape=[jax.ShapeDtypeStruct((n, o), jnp.uint16), jax.ShapeDtypeStruct((n,), jnp.int32)],
        grid=(n,),
        compiler_params=gpu.CompilerParams(num_warps=max(1, chunk // _WARP), num_stages=1),
    )(*pairs, values_no, zeros_n2)
    return twice_no, jnp.any(more_n > 0)


@functools.cache
def holds() -> bool:
    """Whether the kernel compiles on this process's device, and finds the ranks; raises what stops it."""
    values = np.random.default_rng(0).standard_normal((4, 1500)).astype(np.float32)
    values[1] = np.maximum(values[1], 0)
    values[2] = np.exp(3 * values[2])
    values[3] = np.round(values[3])
    values[0, ::7] = np.inf
    expected = [
        np.searchsorted(np.sort(row), row, "left") + np.searchsorted(np.sort(row), row, "right") + 1
        for row in values[:3]
    ]
    twice, unsettled = computed(twice_ranks, values[:3])
    _, many_tie = computed(twice_ranks, values[3:])
    right = (np.asarray(twice) == np.stack(expected)) | np.isinf(values[:3])
    return bool(right.all() and not unsettled and many_tie)


def _steps(values_no: jax.Array) -> jax.Array:
    """[n, o] uint16 in the order of the values; zeros, and infinities, share one with nothing else.

    Straight lines between quantiles of a sample, and two tails: linear, then logarithmic. Sums, products and
    ends of floats keep the order, which quotients of a GPU do not always.
    """
    least, *knots, largest = jnp.split(_sampled_quantiles(values_no), len(_QUANTILES), 1)
    slopes = [_slope(following - here, 0.0) for here, following in itertools.pairwise(knots)]
    # Nearly all values of a row may be one.
    whole = _slope(largest - least, 1.0)
    of_tails = [jnp.where(slope > 0, slope, whole) for slope in (slopes[0], slopes[-1])]

    def step(values: jax.Array) -> jax.Array:
        values = jnp.clip(values, -_LARGE, _LARGE)
        line = jnp.zeros_like(values)
        for here, slope, steps in zip(knots[:-1], slopes, _OF_SEGMENTS, strict=True):
            line = line + jnp.clip((values - here) * slope, 0, 1) * steps
        above, below = (values - knots[-1]) * of_tails[1], (knots[0] - values) * of_tails[0]
        line = line + (jnp.clip(above, 0, 1) - jnp.clip(below, 0, 1)) * _OF_TAIL
        steps = _tail(above) - _tail(below) + line.astype(jnp.int32) + 2 * _OF_TAIL
        return jnp.clip(steps, 1, _LAST - 2)

    zero, steps = step(jnp.zeros_like(knots[0])), step(values_no)
    signed = jnp.where(values_no < 0, jnp.minimum(steps, zero - 1), jnp.maximum(steps, zero + 1))
    steps = jnp.where(values_no == 0, zero, signed)
    return jnp.where(values_no < jnp.inf, steps, _LAST).astype(jnp.uint16)


def _sampled_quantiles(values_no: jax.Array) -> jax.Array:
    """[n, quantiles] of some finite values of each row; 0 where none is finite."""
    sample = jax.lax.sort(values_no[:, :: max(1, values_no.shape[1] // _SAMPLE)], is_stable=False)
    size = jnp.sum(sample < jnp.inf, 1, dtype=jnp.int32, keepdims=True)
    places = jnp.clip(size * jnp.asarray([_QUANTILES]) // _WHOLE, 0, jnp.maximum(size - 1, 0))
    quantiles = jnp.take_along_axis(sample, places, 1, mode="promise_in_bounds")
    return jnp.where(size > 0, jnp.clip(quantiles, -_LARGE, _LARGE), 0.0)


def _slope(width: jax.Array, of_none: float) -> jax.Array:
    return jnp.where(width > _LEAST_WIDTH, 1 / width, of_none)


def _tail(distance: jax.Array) -> jax.Array:
    """int32 steps beyond a distance of 1, the same number in each octave."""
    bits = jax.lax.bitcast_convert_type(jnp.maximum(distance, 1.0), jnp.int32) - _BITS_OF_ONE
    return jnp.minimum(bits >> _OCTAVE_SHIFT, _OF_TAIL - 1)


def _compare(*refs: Any, o: int, chunk: int) -> None:
    """One program: a row's ranks, and 1 where a step has more values than are compared."""
    from jax.experimental import pallas as pl
    from jax.experimental.pallas import triton as gpu

    steps_ref, places_ref, values_ref, zeros_ref, twice_ref, more_ref = refs
    row = pl.program_id(0)
    negative, zero = (gpu.load(zeros_ref.at[row, jnp.int32(i)]) for i in range(2))

    def of_chunk(number: jax.Array, more: jax.Array) -> jax.Array:
        at = number * chunk + jnp.arange(chunk)
        inside = at < o

        def short(ref: Any, at: jax.Array, asked: jax.Array) -> jax.Array:
            return gpu.load(ref.at[row, at], mask=asked, other=0).astype(jnp.int32)

        def value_of(at: jax.Array, asked: jax.Array) -> jax.Array:
            return gpu.load(values_ref.at[row, short(places_ref, at, asked)], mask=asked, other=0.0)

        step, value = short(steps_ref, at, inside), value_of(at, inside)
        settled = (value == 0) | (step == _LAST)

        def nearer(known: tuple[jax.Array, ...]) -> tuple[jax.Array, ...]:
            away, less, equal, _ = known
            some = jnp.zeros((chunk,), jnp.int32)
            for near in (at - away, at + away):
                within = inside & (near >= 0) & (near < o) & ~settled
                same = within & (short(steps_ref, near, within) == step)
                other = value_of(near, same)
                # Those of one step count as less by their values, not by where they were sorted to.
                less = less - (same & (near < at)).astype(jnp.int32)
                less = less + (same & (other < value)).astype(jnp.int32)
                equal = equal + (same & (other == value)).astype(jnp.int32)
                some = some | same.astype(jnp.int32)
            return away + 1, less, equal, jnp.max(some)

        start = jnp.int32(1), at, jnp.zeros((chunk,), jnp.int32), jnp.int32(1)
        _, less, equal, left = jax.lax.while_loop(
            lambda known: (known[0] <= MOST_OF_A_STEP) & (known[3] > 0), nearer, start
        )
        twice = jnp.where(value == 0, 2 * negative + zero + 1, 2 * less + equal + 2)
        place = jnp.where(inside, short(places_ref, at, inside), at)
        gpu.store(twice_ref.at[row, place], twice.astype(twice_ref.dtype), mask=inside)
        return jnp.maximum(more, left)

    gpu.store(more_ref.at[row], jax.lax.fori_loop(0, -(-o // chunk), of_chunk, jnp.int32(0)))
