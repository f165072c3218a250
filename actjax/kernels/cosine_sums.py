"""Transforms power spectra to few lags at the rate of float16: a kernel of a GPU.

The inverse transform of a power spectrum is a sum of cosines, of which few lags need few. As a product with
them it reads the powers, where a transform works on as many samples of both signs. Bins as far from both ends
are taken together: cosines of even lags are equal there, those of odd ones opposite.

A float32 near 1 is the sum of two float16 to 22 bits, and each step's sum is a fresh one, as
`actjax.kernels.split_product` explains.
"""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from actjax.kernels.trial import computed

# The most lags for which products take less time than a transform.
MOST = 512
# Rows of a program, pairs of bins of a step, lags of either parity in blocks, warps and stages.
_ROWS, _STEP, _BLOCKS, _WARPS, _STAGES = 64, 32, (64, 32), 4, 2
_COLUMNS = sum(_BLOCKS)


def cosine_sums(power_nk: jax.Array, lags: int, lowest_n2: jax.Array | None = None) -> jax.Array:
    """[n, lags] float32, the first lags of the inverse transforms, of 2 (k - 1) samples, of powers [n, k].

    Args:
      power_nk: float32, not negative.
      lags: any number, those beyond k - 1 being the lags before, mirrored.
      lowest_n2: what to take in place of the two lowest bins; None for these bins.
    """
    # A JAX without Pallas has no kernels, and nothing else needs it.
    from jax.experimental import pallas as pl
    from jax.experimental.pallas import triton as gpu

    rows, bins = power_nk.shape
    high, low = _cosines(bins, lags)
    plan = _Plan(rows, bins, lags, high.shape[1], high.shape[2] // _STEP, lowest_n2 is not None)
    replacing = [] if lowest_n2 is None else [lowest_n2]
    return pl.pallas_call(
        functools.partial(_sum, plan=plan),
        out_shape=jax.ShapeDtypeStruct((rows, lags), jnp.float32),
        grid=(-(-rows // _ROWS), high.shape[1] // _COLUMNS),
        compiler_params=gpu.CompilerParams(num_warps=_WARPS, num_stages=_STAGES),
    )(power_nk, *(jnp.asarray(table.reshape(-1, high.shape[2])) for table in (high, low)), *replacing)


@functools.cache
def holds() -> bool:
    """Whether the kernel compiles on this process's device, and gives the sums; raises what stops it."""
    rng = np.random.default_rng(0)
    power, lowest = (rng.gamma(0.3, size=(70, bins)).astype(np.float32) for bins in (101, 2))
    power[:, 0] *= 1e6
    replaced = np.concatenate([lowest, power[:, 2:]], axis=1).astype(np.float64)
    expected = np.fft.irfft(replaced, axis=1)[:, :100]
    sums = computed(lambda power_nk, lowest_n2: cosine_sums(power_nk, 100, lowest_n2), power, lowest)
    return bool(np.abs(sums - expected).max() < 1e-5 * expected.max())


class _Plan(NamedTuple):
    """Sizes of the whole and of a table, steps of a program, and whether the lowest bins are replaced."""

    rows: int
    bins: int
    lags: int
    columns: int
    steps: int
    replaces: bool


@functools.lru_cache(maxsize=16)
def _cosines(bins: int, lags: int) -> tuple[np.ndarray, np.ndarray]:
    """(high, low) float16 [parity of lags, lags, pairs of bins]: half the sums' weights times the samples."""
    columns = -(-((lags + 1) // 2) // _COLUMNS) * _COLUMNS
    pairs = (bins + 1) // 2
    lag = 2 * np.arange(columns)[None, :, None] + np.arange(2)[:, None, None]
    pair = np.arange(-(-pairs // _STEP) * _STEP)
    weight = np.where(pair == 0, 0.5, 1.0) * (pair < pairs)
    if bins % 2:  # the middle bin is its own partner
        weight = np.where(pair == pairs - 1, 0.5 * weight, weight)
    cosine = np.cos(np.pi * (lag * pair % (2 * (bins - 1))) / (bins - 1)) * weight
    high = cosine.astype(np.float16)
    return high, (cosine - high).astype(np.float16)


def _sum(power_ref: Any, high_ref: Any, low_ref: Any, *refs: Any, plan: _Plan) -> None:
    """One program: some rows, a block of lags of either parity."""
    from jax.experimental import pallas as pl
    from jax.experimental.pallas import triton as gpu

    row = pl.program_id(0) * _ROWS + jnp.arange(_ROWS, dtype=jnp.int32)[:, None]
    start = pl.program_id(1) * _COLUMNS
    load = functools.partial(_powers, power_ref, refs[0], row, plan)
    size = _size(load, plan)
    scale = 1.0 / size

    def add(turn: jax.Array, sums: tuple[jax.Array, ...]) -> tuple[jax.Array, ...]:
        pair = turn * _STEP + jnp.arange(_STEP, dtype=jnp.int32)[None, :]
        within = pair < (plan.bins + 1) // 2
        near, far = load(pair, within) * scale, load(plan.bins - 1 - pair, within) * scale
        added = iter(sums)
        return tuple(
            next(added) + _fresh_sum(values, (high_ref, low_ref), pl.ds(first + start + offset, width), turn)
            for first, values in ((0, near + far), (plan.columns, near - far))
            for offset, width in _offsets()
        )

    zeros = tuple(jnp.zeros((_ROWS, width), jnp.float32) for _ in range(2) for _, width in _offsets())
    sums = iter(jax.lax.fori_loop(0, plan.steps, add, zeros))
    for parity in range(2):
        for offset, width in _offsets():
            lag = 2 * (start + offset + jnp.arange(width, dtype=jnp.int32)[None, :]) + parity
            values = next(sums) * (size / (plan.bins - 1))
            gpu.store(refs[-1].at[row, lag], values, mask=(row < plan.rows) & (lag < plan.lags))


def _offsets() -> list[tuple[int, int]]:
    """(first column, width) of the blocks."""
    return [(sum(_BLOCKS[:i]), width) for i, width in enumerate(_BLOCKS)]


def _powers(
    power_ref: Any, lowest_ref: Any, row: jax.Array, plan: _Plan, bin_: jax.Array, counts: jax.Array
) -> jax.Array:
    """The powers of rows at bins where they count, the lowest ones replaced; 0 elsewhere."""
    from jax.experimental.pallas import triton as gpu

    counts = (row < plan.rows) & counts
    if not plan.replaces:
        return gpu.load(power_ref.at[row, bin_], mask=counts, other=0.0)
    power = gpu.load(power_ref.at[row, bin_], mask=counts & (bin_ >= 2), other=0.0)
    return power + gpu.load(lowest_ref.at[row, bin_], mask=counts & (bin_ < 2), other=0.0)


def _size(load: Any, plan: _Plan) -> jax.Array:
    """[rows, 1] the power of two that is at most each row's largest value, and more than half of it."""

    def look(turn: jax.Array, largest: jax.Array) -> jax.Array:
        bin_ = turn * _STEP + jnp.arange(_STEP, dtype=jnp.int32)[None, :]
        return jnp.maximum(largest, load(bin_, bin_ < plan.bins))

    tiny = jnp.full((_ROWS, _STEP), np.finfo(np.float32).tiny, jnp.float32)
    largest = jnp.max(jax.lax.fori_loop(0, -(-plan.bins // _STEP), look, tiny), axis=1, keepdims=True)
    # The exponent alone, of which the reciprocal is a normal number too.
    largest = jnp.minimum(largest, 2.0**126)
    bits = jax.lax.bitcast_convert_type(largest, jnp.int32) & jnp.int32(0x7F800000)
    return jax.lax.bitcast_convert_type(bits, jnp.float32)


def _fresh_sum(values: jax.Array, tables: tuple[Any, Any], columns: Any, turn: jax.Array) -> jax.Array:
    """The products of a step with a block of lags, in sums of the matrix units that float32 is to add."""
    from jax.experimental import pallas as pl
    from jax.experimental.pallas import triton as gpu

    high = values.astype(jnp.float16)
    low = (values - high.astype(jnp.float32)).astype(jnp.float16)
    of_high, of_low = (gpu.load(ref.at[columns, pl.ds(turn * _STEP, _STEP)]) for ref in tables)
    dot = functools.partial(gpu.dot, trans_b=True)
    return (dot(low, of_high) + dot(high, of_low)) + dot(high, of_high)
