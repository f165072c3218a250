"""Ranks the values of rows by looking them up in the sorted rows: a kernel of a GPU, one program a row.

Sorting numbers alone takes a GPU half of the time that sorting them with their places does, and a sorted row
stays in the cache of the unit that looks its values up.
"""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from actjax.kernels.trial import computed

# The longest row whose sorted values, two rows a unit, stay in an H100's cache of 256 KiB.
MOST = 1 << 15
# Values that are looked up at a time, and threads of a warp.
_CHUNK, _A_THREAD, _WARP = 4096, 4, 32
_SIGN, _INFINITY = -(2**31), 0x7F800000


def twice_ranks(keys_no: jax.Array, sorted_no: jax.Array) -> jax.Array:
    """[n, o] twice the mean rank of each key of a row, from 1; any for infinity.

    Args:
      keys_no: uint32, bits of float32 that are ordered as the floats are, in any order.
      sorted_no: the same rows, sorted; at most `MOST` keys each.

    Returns:
      uint16 where these hold twice the number of keys, else int32.
    """
    # A JAX without Pallas has no kernels, and nothing else needs it.
    from jax.experimental import pallas as pl
    from jax.experimental.pallas import triton as gpu

    n, o = keys_no.shape
    chunk = min(_CHUNK, 1 << max(o - 1, 1).bit_length())
    return pl.pallas_call(
        functools.partial(_look_up, o=o, chunk=chunk),
        out_shape=jax.ShapeDtypeStruct((n, o), jnp.uint16 if 2 * o < 1 << 16 else jnp.int32),
        grid=(n,),
        compiler_params=gpu.CompilerParams(num_warps=max(1, chunk // (_A_THREAD * _WARP)), num_stages=1),
    )(*(jax.lax.bitcast_convert_type(side, jnp.int32) for side in (keys_no, sorted_no)))


@functools.cache
def holds() -> bool:
    """Whether the kernel compiles on this process's device, and finds the ranks; raises what stops it."""
    rng = np.random.default_rng(0)
    keys = np.stack([rng.integers(0, distinct, 1500, np.uint32) for distinct in (5, 300, 1 << 31)])
    ascending = np.sort(keys, 1)
    expected = [
        np.searchsorted(row, of_row, "left") + np.searchsorted(row, of_row, "right") + 1
        for row, of_row in zip(ascending, keys, strict=True)
    ]
    return bool((np.asarray(computed(twice_ranks, keys, ascending)) == np.stack(expected)).all())


def _look_up(keys_ref: Any, sorted_ref: Any, twice_ref: Any, *, o: int, chunk: int) -> None:
    from jax.experimental import pallas as pl
    from jax.experimental.pallas import triton as gpu

    row = pl.program_id(0)

    def sorted_at(place: jax.Array, asked: jax.Array | None = None) -> jax.Array:
        """Keys in the order of int32; any that are not asked for."""
        other = None if asked is None else -1
        return gpu.load(sorted_ref.at[row, place], mask=asked, other=other) ^ jnp.int32(_SIGN)

    def of_chunk(number: jax.Array, nothing: jax.Array) -> jax.Array:
        at = pl.ds(number * chunk, chunk)
        inside = number * chunk + jnp.arange(chunk) < o
        # What is read or written once does not push the sorted row out of the cache.
        key = gpu.load(keys_ref.at[row, at], mask=inside, other=-1, eviction_policy="evict_first")
        key = key ^ jnp.int32(_SIGN)
        less = jnp.zeros((chunk,), jnp.int32)
        for half in _halves(o):
            less = jnp.where(sorted_at(less + (half - 1)) < key, less + half, less)
        ties = inside & (less + 1 < o) & (key < jnp.int32(_INFINITY))
        ties = ties & (sorted_at(less + 1, ties) == key)
        # The end of what ties is looked for where anything does.
        turns = jnp.max(ties.astype(jnp.int32)) * o.bit_length()

        def further(i: jax.Array, more: jax.Array) -> jax.Array:
            farther = more + (jnp.int32(1) << (o.bit_length() - 1 - i))
            asked = ties & (less + farther < o)
            return jnp.where(asked & (sorted_at(less + farther, asked) == key), farther, more)

        more = jax.lax.fori_loop(0, turns, further, jnp.zeros((chunk,), jnp.int32))
        twice = (2 * less + more + 2).astype(twice_ref.dtype)
        gpu.store(twice_ref.at[row, at], twice, mask=inside, eviction_policy="evict_first")
        return nothing

    jax.lax.fori_loop(0, -(-o // chunk), of_chunk, jnp.int32(0))


def _halves(o: int) -> list[int]:
    """Steps of a search among o places, every one of which it can reach, and none beyond.

    Powers of two would have all threads of a warp read from one bank of the cache at a time.
    """
    left, halves = o, []
    while left > 1:
        halves.append(left // 2)
        left -= left // 2
    return halves
