"""Searches spectra around the multiples of a frequency: a kernel of a GPU, one warp a frame.

The neighbourhoods of all multiples are equally wide, and most are narrow: a few dozen bins are read where a
search that is not told its frame's frequency reads all of them.
"""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from actjax.kernels.trial import computed

# Bins of a neighbourhood that are looked at together.
_STRETCH = 32


def largest_near(power_btf: jax.Array, spacing_bt: jax.Array, count: int) -> jax.Array:
    """[b, t, count] int32: the largest bin within a third of the spacing around each of its multiples.

    The first of the largest ones; f where there is none. Powers are float32 and not negative.
    """
    # A JAX without Pallas has no kernels, and nothing else needs it.
    from jax.experimental import pallas as pl
    from jax.experimental.pallas import triton as gpu

    clips, frames, bins = power_btf.shape
    return pl.pallas_call(
        functools.partial(_search, bins=bins, count=count),
        out_shape=jax.ShapeDtypeStruct((clips * frames, count), jnp.int32),
        grid=(clips * frames,),
        compiler_params=gpu.CompilerParams(num_warps=1, num_stages=1),
    )(power_btf.reshape(-1, bins), spacing_bt.reshape(-1)).reshape(clips, frames, count)


@functools.cache
def holds() -> bool:
    """Whether the kernel compiles on this process's device, and finds the bins; raises what stops it."""
    power = np.random.default_rng(0).gamma(1.0, size=(1, 3, 400)).astype(np.float32)
    spacing = np.array([[7.3, 61.0, 250.0]], np.float32)
    bins = computed(functools.partial(largest_near, count=5), power, spacing)
    position = np.arange(400) / spacing[0][:, None]
    near = np.abs(position - np.round(position)) <= 1 / 3
    for number in range(1, 6):
        there = np.where(near & (np.round(position) == number), power[0], -1.0)
        expected = np.where(there.max(axis=1) < 0, 400, there.argmax(axis=1))
        if not (np.asarray(bins)[0, :, number - 1] == expected).all():
            return False
    return True


def _search(power_ref: Any, spacing_ref: Any, out_ref: Any, *, bins: int, count: int) -> None:
    """One program: one frame."""
    from jax.experimental import pallas as pl
    from jax.experimental.pallas import triton as gpu

    frame = pl.program_id(0)
    spacing = gpu.load(spacing_ref.at[frame])
    number = 1 + jnp.arange(1 << max(count - 1, 0).bit_length(), dtype=jnp.int32)
    multiple = number.astype(jnp.float32)[:, None]
    lowest = jnp.floor((multiple - 1 / 3) * spacing).astype(jnp.int32) - 1
    following = jnp.arange(_STRETCH, dtype=jnp.int32)[None, :]
    width = jnp.floor(2 / 3 * spacing).astype(jnp.int32) + 4

    def look(turn: jax.Array, best: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        largest, place = best
        index = lowest + turn * _STRETCH + following
        position = index.astype(jnp.float32) / spacing
        # Half of an odd spacing is never within a third of it, so that how halves are rounded is no matter.
        nearest = jnp.floor(position + 0.5)
        mine = (nearest == multiple) & (jnp.abs(position - nearest) <= 1 / 3) & (index < bins)
        there = gpu.load(power_ref.at[frame, index], mask=mine, other=-1.0)
        larger = there > largest
        return jnp.where(larger, there, largest), jnp.where(larger, index, place)

    none = (
        jnp.full((len(number), _STRETCH), -1.0, jnp.float32),
        jnp.full((len(number), _STRETCH), bins, jnp.int32),
    )
    largest, place = jax.lax.fori_loop(0, (width + _STRETCH - 1) // _STRETCH, look, none)
    top = jnp.max(largest, axis=1, keepdims=True)
    first = jnp.min(jnp.where(largest == top, place, bins), axis=1)
    gpu.store(out_ref.at[frame, number - 1], first, mask=number <= count)
