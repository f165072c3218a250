"""The geometry of an image's frames: their distances, and the subspace that they span."""

import jax
import jax.numpy as jnp
import numpy as np

from actjax.similarity.arithmetic.scale import unit_scale
from actjax.similarity.families.frames import centred_frames

# Fewer frames have no geometry worth comparing: short, autocorrelated clips agree by chance.
MIN_FRAMES = 16


def distances_squared(values_ft: jax.Array) -> jax.Array:
    """[t, t] squared Euclidean distances between frames, from differences.

    Unlike |a|^2 + |b|^2 - 2 ab this leaves equal frames at a distance of exactly 0, as rectified
    neurons have many, so that ties stay ties.
    """

    def add(row: jax.Array, total_tt: jax.Array) -> jax.Array:
        row_t = values_ft[row]
        return total_tt + (row_t[:, None] - row_t[None, :]) ** 2

    f, t = values_ft.shape
    return jax.lax.fori_loop(0, f, add, jnp.zeros((t, t), values_ft.dtype))


def frame_subspace(
    values_ft: jax.Array, mask_t: jax.Array, variance: float = 1.0
) -> tuple[jax.Array, jax.Array]:
    """An orthonormal basis of the centred rows' span, over frames.

    Args:
      values_ft: [f, t].
      mask_t: [t] bool.
      variance: keeps the leading directions up to this share of the variance.

    Returns:
      ([r, t] basis with zero rows beyond the rank, scalar rank). A direction counts if its singular value
      exceeds max(f, t) eps times the largest plus what the rounding of the input itself can make
      (eps |x| (sqrt f + sqrt t) / 2), eps = 1.2e-7. Rank NaN if there is none, and if m - 1 directions
      of m frames are spanned, because such a side correlates perfectly with any other.
    """
    f, t = values_ft.shape
    eps = float(np.finfo(np.float32).eps)
    values_ft = values_ft * unit_scale(values_ft, mask_t[None, :])
    centred_ft = centred_frames(values_ft, mask_t)
    unit = unit_scale(centred_ft)
    _, s, basis_rt = jnp.linalg.svd(centred_ft * unit, full_matrices=False)
    largest = jnp.max(jnp.where(mask_t[None, :], jnp.abs(values_ft), jnp.zeros_like(values_ft)))
    reach = largest * unit[0, 0]
    floor = eps * (max(f, t) * s[0] + reach * (f**0.5 + t**0.5) / 2)
    squares = s * s
    before = jnp.cumsum(squares) - squares
    keep = (s > floor) & ((variance >= 1) | (before < variance * jnp.sum(squares)))
    rank = jnp.sum(keep)
    defined = (s[0] > 0) & (rank > 0) & (rank < jnp.sum(mask_t) - 1)
    basis = jnp.where(keep[:, None], basis_rt, jnp.zeros_like(basis_rt))
    return basis, jnp.where(defined, rank.astype(jnp.float32), jnp.nan)
