"""Finds values at places of sorted rows without sorting: a kernel of a GPU that holds a row in registers.

The bits of the value are decided one after the other, from the sign's down, by counting what is smaller: 32
passes over a row that is read once.
"""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from actjax.kernels.trial import computed

# The longest row that registers hold, and how many of its values a thread takes.
MOST = 1 << 16
_A_THREAD, _WARP = 64, 32
_ALL_BUT_SIGN, _SIGN = 0x7FFFFFFF, -(2**31)


def kth_values(values_no: jax.Array, places_n: jax.Array) -> jax.Array:
    """[n] the value at each row's place, 0 for the smallest; float32 without NaN, rows of at most `MOST`."""
    # A JAX without Pallas has no kernels, and nothing else needs it.
    from jax.experimental import pallas as pl
    from jax.experimental.pallas import triton as gpu

    n, o = values_no.shape
    size = 1 << max(o - 1, 1).bit_length()
    warps = min(32, max(1, size // (_A_THREAD * _WARP)))
    return pl.pallas_call(
        functools.partial(_bisect, o=o, size=size),
        out_shape=jax.ShapeDtypeStruct((n,), jnp.float32),
        grid=(n,),
        compiler_params=gpu.CompilerParams(num_warps=warps, num_stages=1),
    )(values_no, places_n.astype(jnp.int32))


@functools.cache
def holds() -> bool:
    """Whether the kernel compiles on this process's device, and finds the values; raises what stops it."""
    rows = np.random.default_rng(0).standard_normal((3, 1500)).astype(np.float32)
    places = np.array([0, 700, 1499], np.int32)
    values = computed(kth_values, rows, places)
    return bool((np.asarray(values) == np.sort(rows, 1)[np.arange(3), places]).all())


def _bisect(values_ref: Any, places_ref: Any, out_ref: Any, *, o: int, size: int) -> None:
    from jax.experimental import pallas as pl
    from jax.experimental.pallas import triton as gpu

    row = pl.program_id(0)
    place = gpu.load(places_ref.at[row])
    inside = jnp.arange(size) < o
    values = gpu.load(values_ref.at[row, pl.ds(0, size)], mask=inside, other=jnp.inf)
    # int32 that sort as the floats do; -0 and 0 alike.
    bits = jax.lax.bitcast_convert_type(values + 0.0, jnp.int32)
    keys = jnp.where(bits < 0, bits ^ _ALL_BUT_SIGN, bits)

    def decide(i: jax.Array, low: jax.Array) -> jax.Array:
        middle = low + jnp.where(i == 0, jnp.int32(_SIGN), jnp.int32(1) << (31 - i))
        return jnp.where(jnp.sum((keys < middle).astype(jnp.int32)) <= place, middle, low)

    low = jax.lax.fori_loop(0, 32, decide, jnp.int32(_SIGN))
    kth = jnp.where(low < 0, low ^ _ALL_BUT_SIGN, low)
    gpu.store(out_ref.at[row], jax.lax.bitcast_convert_type(kth, jnp.float32))
