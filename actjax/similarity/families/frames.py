"""Frame-by-frame matrices of an image: products, distances, and their centrings under a mask."""

import jax
import jax.numpy as jnp

from actjax.similarity.arithmetic.deviations import deviations
from actjax.similarity.arithmetic.inner import product
from actjax.similarity.arithmetic.scale import unit_scale
from actjax.similarity.families.vectors import Scaled

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
    where nothing but rounding is left.
    """
    inside_tt, m = _off_diagonal(mask_t), frames_that_count(mask_t, matrix_tt.dtype)
    matrix = jnp.where(inside_tt, matrix_tt, jnp.zeros_like(matrix_tt))
    shares_t = jnp.sum(matrix, 1) / (m - 2)
    centred = matrix - (shares_t[:, None] + shares_t[None, :] - jnp.sum(shares_t) / (m - 1))
    centred = jnp.where(inside_tt, centred, jnp.zeros_like(matrix_tt))
    left = jnp.linalg.norm(centred) > ROUNDING * jnp.linalg.norm(matrix)
    return jnp.where(left, centred, jnp.zeros_like(matrix_tt))


def u_centred_products(values_ft: jax.Array, mask_t: jax.Array) -> Scaled:
    """[t * t] the frames' products U-centred, at length 1; NaN where `u_centred` gives 0."""
    return centred_products(unit_frames(values_ft, mask_t), mask_t)


def centred_products(x_ft: jax.Array, mask_t: jax.Array) -> Scaled:
    """`u_centred_products` of what `unit_frames` returns.

    With centred rows, K = x'x has row sums of nearly 0. Without its diagonal d they are x_t' sum_s x_s - d_t,
    so that what U-centring takes away is known before K is:

        K'_ts = K_ts - a_t - a_s + A / (m - 1),  a = row sums / (m - 2),  A = sum_t a_t
        |what it takes away|^2 = (m - 2) (2 sum_t a_t^2 - A^2 / (m - 1))
    """
    sums_t = product(jnp.sum(x_ft, 1), x_ft) - jnp.sum(x_ft**2, 0)
    m = frames_that_count(mask_t, x_ft.dtype)
    valid_t = mask_t.astype(x_ft.dtype)
    a_t = jnp.where(mask_t, sums_t / (m - 2), 0.0)
    # What U-centring takes away has rank two: two more rows of the frames take it away in their product.
    offset_t = jnp.where(mask_t, jnp.sum(a_t) / (m - 1) - a_t, 0.0)
    centred = product(jnp.vstack([x_ft, valid_t, offset_t]).T, jnp.vstack([x_ft, -a_t, valid_t]))
    frame = jnp.arange(len(mask_t))
    centred = centred.at[frame, frame].set(0.0, indices_are_sorted=True, unique_indices=True)
    taken = (m - 2) * (2 * jnp.sum(a_t**2) - jnp.sum(a_t) ** 2 / (m - 1))
    # Column after column: a CPU adds them side by side, but all cells at once one after the other.
    square = jnp.sum(jnp.sum(centred**2, 0))
    left = square > ROUNDING**2 * (square + taken)
    scale = jnp.where(left, 1 / jnp.sqrt(jnp.where(left, square, 1.0)), jnp.nan)
    return Scaled(centred.ravel(), scale)


def _off_diagonal(mask_t: jax.Array) -> jax.Array:
    """[t, t] bool, True for two different valid frames."""
    return mask_t[:, None] & mask_t[None, :] & ~jnp.eye(mask_t.shape[0], dtype=bool)


def frames_that_count(mask_t: jax.Array, dtype: jnp.dtype) -> jax.Array:
    """The number of valid frames, at least 4."""
    return jnp.maximum(jnp.sum(mask_t), 4).astype(dtype)
