"""Filters stretches of spectra and folds them: a kernel of a GPU for constant-Q transforms.

Every filter takes a stretch of the clip's spectrum from a place that depends on the clip's tuning.
Neighbouring filters take nearly the same stretch, and neighbouring clips the same filters: programs that run
side by side find both in the cache, and what is read from afar is little more than the spectra.
"""

import functools
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from actjax.kernels.trial import computed

# Filters of a program, and warps.
_FILTERS, _WARPS = 4, 4


def spectrum_folds(
    sides_b2f: jax.Array, first_bk: jax.Array, responses: Sequence[np.ndarray], slots: int
) -> jax.Array:
    """[b, k, 2, slots] float32: stretches of spectra times responses, folded to `slots` bins.

    Args:
      sides_b2f: the real and the imaginary sides of spectra; beyond their f bins they are 0.
      first_bk: int32, the bin where each filter's stretch starts, which may be negative.
      responses: [filters, width] each, k filters together.
      slots: of a fold.
    """
    # A JAX without Pallas has no kernels, and nothing else needs it.
    from jax.experimental import pallas as pl
    from jax.experimental.pallas import triton as gpu

    clips, _, bins = sides_b2f.shape
    response, start_k, folds_k = _laid_out(responses, slots)
    filters = len(start_k)
    return pl.pallas_call(
        functools.partial(_fold, bins=bins, filters=filters, slots=slots),
        out_shape=jax.ShapeDtypeStruct((clips, filters * 2 * slots), jnp.float32),
        grid=(clips, -(-filters // _FILTERS)),
        compiler_params=gpu.CompilerParams(num_warps=_WARPS, num_stages=1),
    )(
        sides_b2f.reshape(clips, -1),
        first_bk,
        jnp.asarray(response),
        jnp.asarray(start_k),
        jnp.asarray(folds_k),
    ).reshape(clips, filters, 2, slots)


@functools.cache
def holds() -> bool:
    """Whether the kernel compiles on this process's device, and gives the sums; raises what stops it."""
    rng = np.random.default_rng(0)
    sides = rng.standard_normal((2, 2, 90)).astype(np.float32)
    responses = [rng.standard_normal((3, 17)), rng.standard_normal((2, 40))]
    first = np.array([[-4, 0, 3, 60, 47], [1, 2, 33, 44, 55]], np.int32)
    expected = np.zeros((2, 5, 2, 12))
    padded = np.pad(sides, ((0, 0), (0, 0), (4, 40)))
    for filter_, row in enumerate([*responses[0], *responses[1]]):
        for clip in range(2):
            stretch = padded[clip, :, first[clip, filter_] + 4 :][:, : len(row)] * row
            whole = np.pad(stretch, ((0, 0), (0, -len(row) % 12)))
            expected[clip, filter_] = whole.reshape(2, -1, 12).sum(axis=1)
    fold = functools.partial(spectrum_folds, responses=responses, slots=12)
    return bool(np.allclose(computed(fold, sides, first), expected, atol=1e-4))


def _laid_out(responses: Sequence[np.ndarray], slots: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(all responses in a row, each filter filled up to whole folds; where each filter starts; its folds)."""
    rows, folds = [], []
    for response in responses:
        count = -(-response.shape[1] // slots)
        rows += list(np.pad(response, ((0, 0), (0, count * slots - response.shape[1]))))
        folds += [count] * len(response)
    starts = np.concatenate([[0], np.cumsum(folds)[:-1]]) * slots
    return np.concatenate(rows).astype(np.float32), starts.astype(np.int32), np.asarray(folds, np.int32)


def _fold(
    sides_ref: Any,
    first_ref: Any,
    response_ref: Any,
    start_ref: Any,
    folds_ref: Any,
    out_ref: Any,
    *,
    bins: int,
    filters: int,
    slots: int,
) -> None:
    """One program: a few filters of a clip. Programs side by side take the same filters of other clips."""
    from jax.experimental import pallas as pl
    from jax.experimental.pallas import triton as gpu

    clip = pl.program_id(0)
    number = pl.program_id(1) * _FILTERS + jnp.arange(_FILTERS, dtype=jnp.int32)
    there = number < filters
    first = gpu.load(first_ref.at[clip, number], mask=there, other=0)[:, None]
    start = gpu.load(start_ref.at[number], mask=there, other=0)[:, None]
    folds = gpu.load(folds_ref.at[number], mask=there, other=0)
    slot = jnp.arange(1 << (slots - 1).bit_length(), dtype=jnp.int32)[None, :]

    def add(turn: jax.Array, sums: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        within = turn * slots + slot
        place = first + within
        counts = (slot < slots) & (turn < folds)[:, None]
        response = gpu.load(response_ref.at[start + within], mask=counts, other=0.0)
        counts = counts & (place >= 0) & (place < bins)
        real = gpu.load(sides_ref.at[clip, place], mask=counts, other=0.0)
        imaginary = gpu.load(sides_ref.at[clip, bins + place], mask=counts, other=0.0)
        return sums[0] + real * response, sums[1] + imaginary * response

    sums = (jnp.zeros((_FILTERS, slot.shape[1]), jnp.float32),) * 2
    sums = jax.lax.fori_loop(0, jnp.max(folds), add, sums)
    out = 2 * slots * number[:, None] + slot
    for side, values in enumerate(sums):
        gpu.store(out_ref.at[clip, out + side * slots], values, mask=there[:, None] & (slot < slots))
