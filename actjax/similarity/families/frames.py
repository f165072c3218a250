"""Frame-by-frame matrices of an image: products, distances, and their centrings under a mask."""

import jax
import jax.numpy as jnp

from actjax.similarity.arithmetic.deviations import deviations
from actjax.similarity.arithmetic.inner import product
from actjax.similarity.arithmetic.scale import unit_scale

# What U-centring leaves of a matrix by rounding alone is at most 2.3e-7 of its length (16 to 1,366 frames).
ROUNDING = 1e-6


def centred_frames(values_ft: jax.Array, mask_t: jax.Array) -> jax.Array:
    """[f, t] each row minus its mean over valid frames, zero at invalid ones."""
    return deviations(values_ft, mask_t).values


def unit_frames(values_ft: jax.Array, mask_t: jax.Array) -> jax.Array:
    """[f, t] `centred_frames`, at a power of two that brings the largest deviation into 1 .. 4.

    Fourth powers of what is left then stay within float32, at whatever scale the image came.
    """
    values_ft = values_ft * unit_scale(values_ft, mask_t[None, :])
    centred_ft = centred_frames(values_ft, mask_t)
    return centred_ft * unit_scale(centred_ft)


def frame_products(values_ft: jax.Array, mask_t: jax.Array) -> jax.Array:
    """[t, t] inner products of the frames at a scale of their own, rows centred first (no centring of K
    can see that)."""
    x = unit_frames(values_ft, mask_t)
    return product(x.T, x)


def squared_distances(values_ft: jax.Array, mask_t: jax.Array) -> jax.Array:
    """[t, t] squared Euclidean distances at a scale of their own; meaningless at invalid frames."""
    gram = frame_products(values_ft, mask_t)
    squares = jnp.diagonal(gram)
    return jnp.maximum(squares[:, None] + squares[None, :] - 2 * gram, 0.0)


def double_centred(matrix_tt: jax.Array, mask_t: jax.Array) -> jax.Array:
    """Row, column and grand means over valid frames removed; zero at invalid ones."""
    valid_tt = mask_t[:, None] & mask_t[None, :]
    count = jnp.maximum(jnp.sum(mask_t), 1).astype(matrix_tt.dtype)
    matrix = jnp.where(valid_tt, matrix_tt, jnp.zeros_like(matrix_tt))
    rows = jnp.sum(matrix, 1) / count
    centred = matrix - rows[:, None] - rows[None, :] + jnp.sum(rows) / count
    return jnp.where(valid_tt, centred, jnp.zeros_like(matrix_tt))


def u_centred(matrix_tt: jax.Array, mask_t: jax.Array) -> jax.Array:
    """U-centring of Székely and Rizzo (2014): the inner product of two such is unbiased.

    m (m - 3) times the unbiased HSIC estimate of Song et al. (2012), for m valid frames. Zero throughout
    where nothing but rounding is left, as for a map that is active in a single frame.
    """
    off = mask_t[:, None] & mask_t[None, :] & ~jnp.eye(mask_t.shape[0], dtype=bool)
    m = jnp.maximum(jnp.sum(mask_t), 4).astype(matrix_tt.dtype)
    matrix = jnp.where(off, matrix_tt, jnp.zeros_like(matrix_tt))
    rows = jnp.sum(matrix, 1)
    centred = matrix - (rows[:, None] + rows[None, :]) / (m - 2) + jnp.sum(rows) / ((m - 1) * (m - 2))
    centred = jnp.where(off, centred, jnp.zeros_like(matrix_tt))
    left = jnp.linalg.norm(centred) > ROUNDING * jnp.linalg.norm(matrix)
    return jnp.where(left, centred, jnp.zeros_like(matrix_tt))
