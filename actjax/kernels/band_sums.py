"""Sums narrow bands of spectra with weights: a kernel of a GPU that reads a band's bins alone.

A product with a mel bank of 128 bands multiplies 257 bins, of which a band has four on average. The sums come
out bands first, as features hold them, where a product's result is turned in a pass of its own.
"""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from actjax.kernels.trial import computed

# The most bins of a band for which its sum takes less time than a product.
MOST = 24
# Frames of a program, its bands, which are nearly as wide as each other, and warps.
_FRAMES, _BANDS, _WARPS = 32, 32, 2


def band_sums(power_btf: jax.Array, bank: np.ndarray) -> jax.Array:
    """[b, k, t] float32, the product of [b, t, f] with a `narrow` bank [k, f]."""
    # A JAX without Pallas has no kernels, and nothing else needs it.
    from jax.experimental import pallas as pl
    from jax.experimental.pallas import triton as gpu

    clips, frames, bins = power_btf.shape
    first_k, weights_wk, widest_of = _stretches(bank)
    bands = len(first_k)
    return pl.pallas_call(
        functools.partial(_sum, frames=frames, bins=bins, bands=bands),
        out_shape=jax.ShapeDtypeStruct((clips, bands * frames), jnp.float32),
        grid=(clips, -(-frames // _FRAMES), len(widest_of)),
        compiler_params=gpu.CompilerParams(num_warps=_WARPS, num_stages=1),
    )(
        power_btf.reshape(clips, -1),
        *(jnp.asarray(table) for table in (first_k, weights_wk.reshape(-1), widest_of)),
    ).reshape(clips, bands, frames)


def narrow(bank: np.ndarray) -> bool:
    """Whether every band of [k, f] lies within `MOST` neighbouring bins."""
    return _widest(bank) <= MOST


@functools.cache
def holds() -> bool:
    """Whether the kernel compiles on this process's device, and gives the product; raises what stops it."""
    rng = np.random.default_rng(0)
    power = rng.gamma(1.0, size=(2, 37, 20)).astype(np.float32)
    bank = np.triu(np.tril(rng.gamma(1.0, size=(9, 20)), 8), 4)
    sums = computed(functools.partial(band_sums, bank=bank), power)
    return bool(np.allclose(sums, np.einsum("btf,kf->bkt", power, bank), rtol=1e-5))


def _widest(bank: np.ndarray) -> int:
    """The most bins from a band's first to its last one, at least 1."""
    last = bank.shape[1] - np.argmax(bank[:, ::-1] > 0, axis=1)
    return int(np.max(np.where(bank.any(axis=1), last - np.argmax(bank > 0, axis=1), 1)))


def _stretches(bank: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(first bin [k], weights [w, k] from there on, the most bins of a band for each program's bands).

    As many weights for every band as the widest has.
    """
    widest = _widest(bank)
    first = np.minimum(np.argmax(bank > 0, axis=1), bank.shape[1] - widest)
    bins = first[None, :] + np.arange(widest)[:, None]
    weights = bank[np.arange(len(bank))[None, :], bins].astype(np.float32)
    count = widest - np.argmax(weights[::-1] > 0, axis=0)
    widest_of = np.maximum.reduceat(count, np.arange(0, len(bank), _BANDS))
    return first.astype(np.int32), weights, widest_of.astype(np.int32)


def _sum(
    power_ref: Any,
    first_ref: Any,
    weights_ref: Any,
    widest_ref: Any,
    out_ref: Any,
    *,
    frames: int,
    bins: int,
    bands: int,
) -> None:
    """One program: some frames of a clip, some bands. Neighbouring threads read for neighbouring bands."""
    from jax.experimental import pallas as pl
    from jax.experimental.pallas import triton as gpu

    clip = pl.program_id(0)
    frame = pl.program_id(1) * _FRAMES + jnp.arange(_FRAMES, dtype=jnp.int32)
    band = pl.program_id(2) * _BANDS + jnp.arange(_BANDS, dtype=jnp.int32)
    inside = (frame < frames)[:, None] & (band < bands)[None, :]
    first = gpu.load(first_ref.at[band], mask=band < bands, other=0)
    place = frame[:, None] * bins + first[None, :]

    def add(following: jax.Array, total: jax.Array) -> jax.Array:
        weight = gpu.load(weights_ref.at[following * bands + band], mask=band < bands, other=0.0)
        power = gpu.load(power_ref.at[clip, place + following], mask=inside, other=0.0)
        return total + weight[None, :] * power

    zeros = jnp.zeros((_FRAMES, _BANDS), jnp.float32)
    total = jax.lax.fori_loop(0, gpu.load(widest_ref.at[pl.program_id(2)]), add, zeros)
    gpu.store(out_ref.at[clip, band[None, :] * frames + frame[:, None]], total, mask=inside)
