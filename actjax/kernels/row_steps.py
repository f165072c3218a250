"""Ranks rows by sorting short steps of their values with the places: a kernel of a GPU, one program a row.

A step is a value in 16 bits, in the order of the values, which few others of a row share. A GPU sorts steps
with their places sooner than whole values without; then the values of one step are compared with each other,
and ranks are put to their places.
"""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from actjax.kernels.trial import computed

# The longest row whose places are 16 bits, and twice the ranks as well.
MOST = (1 << 15) - 1
# Values at a time, and threads of a warp.
_CHUNK, _A_THREAD, _WARP = 1024, 2, 32
# So many more of one step are compared.
MOST_OF_A_STEP = 24
# Steps of one side of the centre, and the last of all, which is infinity's.
_SIDE, _LAST = 1 << 15, (1 << 16) - 1
_MANTISSA_BITS, _BITS_OF_ONE = 23, 0x3F800000
_SAMPLE = 64


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
        compiler_params=gpu.CompilerParams(num_warps=max(1, chunk // (_A_THREAD * _WARP)), num_stages=1),
    )(*pairs, values_no, zeros_n2)
    return twice_no, jnp.any(more_n > 0)


@functools.cache
def holds() -> bool:
    """Whether the kernel compiles on this process's device, and finds the ranks; raises what stops it."""
    values = np.random.default_rng(0).standard_normal((4, 1500)).astype(np.float32)
    values[1] = np.maximum(values[1], 0)
    values[2] = values[2] ** 9
    values[3] = np.round(values[3])
    expected = [
        np.searchsorted(np.sort(row), row, "left") + np.searchsorted(np.sort(row), row, "right") + 1
        for row in values[:3]
    ]
    twice, unsettled = computed(twice_ranks, values[:3])
    _, many_tie = computed(twice_ranks, values[3:])
    return bool((np.asarray(twice) == np.stack(expected)).all() and not unsettled and many_tie)


def _steps(values_no: jax.Array) -> jax.Array:
    """[n, o] uint16 in the order of the values; zeros, and infinities, share one with nothing else.

    A step is about 1 - 1 / (1 + d) at d spreads from the centre, a straight line in each octave of 1 + d. It
    is found by whole numbers, since quotients of a GPU are not always in the order of what is divided.
    """
    sample = jnp.sort(values_no[:, :: max(1, values_no.shape[1] // _SAMPLE)], 1)
    size = jnp.sum(sample < jnp.inf, 1, dtype=jnp.int32, keepdims=True)

    def quartile(quarters: int) -> jax.Array:
        place = jnp.minimum(size * quarters // 4, jnp.maximum(size - 1, 0))
        return jnp.take_along_axis(sample, place, 1)

    centre, spread, whole = quartile(2), quartile(3) - quartile(1), quartile(4) - quartile(0)
    spread = jnp.where(spread > 0, spread, whole)
    # A centre or a spread that is none makes long steps, not wrong ones.
    centre = jnp.where(jnp.abs(centre) < jnp.inf, centre, 0.0)
    a_spread = jnp.where((spread > 1e-36) & (spread < 1e36), 1 / spread, 1.0)

    def step(values: jax.Array) -> jax.Array:
        off = (values - centre) * a_spread
        bits = jax.lax.bitcast_convert_type(1 + jnp.abs(off), jnp.int32) - _BITS_OF_ONE
        octave = jnp.minimum(bits >> _MANTISSA_BITS, 31)
        share = (bits & ((1 << _MANTISSA_BITS) - 1)) >> (_MANTISSA_BITS - 14)
        farther = _SIDE - ((_SIDE - share) >> octave)
        return jnp.clip(jnp.where(off < 0, _SIDE - 1 - farther, _SIDE + farther), 1, _LAST - 2)

    zero, steps = step(jnp.zeros_like(centre)), step(values_no)
    signed = jnp.where(values_no < 0, jnp.minimum(steps, zero - 1), jnp.maximum(steps, zero + 1))
    steps = jnp.where(values_no == 0, zero, signed)
    return jnp.where(values_no < jnp.inf, steps, _LAST).astype(jnp.uint16)


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
