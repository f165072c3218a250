"""Normalises YIN's differences by their running means: a kernel of a GPU that sums along lags in registers.

Elsewhere two products with a triangle do what a warp adds up in a few steps.
"""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from actjax.kernels.trial import computed

# The most lags that a warp holds.
MOST = 1024
# Rows of a program, a warp each.
_ROWS = 4


def lag_differences(acf_nl: jax.Array, samples_ns: jax.Array, shortest: int) -> jax.Array:
    """[n, lags from the shortest on] float32: d_l over the mean of d_1 .. d_l; 1 where that is not positive.

    Args:
      acf_nl: [n, 1 + longest] autocorrelations of frames from lag 0 on; d_l is twice what lag l lacks of lag
        0, less the energy of the first l samples.
      samples_ns: [n, longest] these samples.
      shortest: lag that is wanted.
    """
    # A JAX without Pallas has no kernels, and nothing else needs it.
    from jax.experimental import pallas as pl
    from jax.experimental.pallas import triton as gpu

    rows, longest = samples_ns.shape
    return pl.pallas_call(
        functools.partial(_normalise, rows=rows, shortest=shortest, longest=longest),
        out_shape=jax.ShapeDtypeStruct((rows, longest - shortest + 1), jnp.float32),
        grid=(-(-rows // _ROWS),),
        compiler_params=gpu.CompilerParams(num_warps=_ROWS, num_stages=1),
    )(acf_nl, samples_ns)


@functools.cache
def holds() -> bool:
    """Whether the kernel compiles on this process's device, and gives the ratios; raises what stops it."""
    rng = np.random.default_rng(0)
    acf, samples = (rng.standard_normal((6, size)).astype(np.float32) for size in (71, 70))
    acf[1:, 0], acf[0] = 200.0, 0.0
    ratios = computed(functools.partial(lag_differences, shortest=5), acf, samples)
    difference = 2.0 * (acf[:, :1] - acf[:, 1:]).astype(np.float64) - np.cumsum(samples**2.0, axis=1)
    mean = np.cumsum(difference, axis=1) / np.arange(1, 71)
    expected = np.where(mean > 0, difference / mean, 1.0)[:, 4:]
    return bool(np.allclose(ratios, expected, rtol=1e-4))


def _normalise(
    acf_ref: Any, samples_ref: Any, out_ref: Any, *, rows: int, shortest: int, longest: int
) -> None:
    """One program: some rows, all lags."""
    from jax.experimental import pallas as pl
    from jax.experimental.pallas import triton as gpu

    row = pl.program_id(0) * _ROWS + jnp.arange(_ROWS, dtype=jnp.int32)[:, None]
    lag = 1 + jnp.arange(1 << (longest - 1).bit_length(), dtype=jnp.int32)[None, :]
    inside = (row < rows) & (lag <= longest)
    whole = gpu.load(acf_ref.at[row, jnp.zeros_like(row)], mask=row < rows, other=0.0)
    repeated = gpu.load(acf_ref.at[row, lag], mask=inside, other=0.0)
    sample = gpu.load(samples_ref.at[row, lag - 1], mask=inside, other=0.0)
    difference = jnp.where(inside, 2.0 * (whole - repeated) - jnp.cumsum(sample * sample, axis=1), 0.0)
    mean = jnp.cumsum(difference, axis=1) / lag.astype(jnp.float32)
    positive = mean > 0
    ratio = jnp.where(positive, difference / jnp.where(positive, mean, 1.0), 1.0)
    gpu.store(out_ref.at[row, lag - shortest], ratio, mask=inside & (lag >= shortest))
