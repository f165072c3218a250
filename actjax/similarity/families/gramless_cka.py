"""Debiased linear CKA of many maps without their Gram matrices, which cost most where maps have few bands."""

import jax
import jax.numpy as jnp

from actjax.precision import PRECISION
from actjax.similarity.families.frames import ROUNDING, unit_frames

# As of the metric `cka`: fewer valid frames leave its score undefined.
FEWEST_FRAMES = 16


def scores_of_clips(x_bnft: jax.Array, y_bkgt: jax.Array, mask_bt: jax.Array) -> jax.Array:
    """[b, n, k] CKA of each map with each image of its clip, equal to the metric `cka` with its defaults.

    With rows centred over the m valid frames, K = x'x with diagonal d and L = y'y with diagonal e, the
    inner product of the U-centred matrices (Song et al. 2012) needs no frame-by-frame matrix:

        <K', L'> = |x y'|^2 - m / (m - 2) sum_t d e + sum(d) sum(e) / ((m - 1) (m - 2))

    The metric prepares K' itself, so that all pairs are one matrix product; this form is for maps that
    meet few images.

    Args:
      x_bnft: [b, n, f, t] maps.
      y_bkgt: [b, k, g, t] images.
      mask_bt: [b, t] bool; fewer than 16 valid frames give NaN, and so do constant frames.
    """
    m_b = mask_bt.sum(axis=1).astype(x_bnft.dtype)
    (x, d_bnt), (y, e_bkt) = _frames(x_bnft, mask_bt), _frames(y_bkgt, mask_bt)
    m_b1 = jnp.maximum(m_b, 4.0)[:, None]
    xx_bn, yy_bk = _squared_norms(x, d_bnt, m_b1), _squared_norms(y, e_bkt, m_b1)
    across = jnp.einsum("bnft,bkgt->bnkfg", x, y, precision=PRECISION)
    shared = jnp.einsum("bnt,bkt->bnk", d_bnt, e_bkt, precision=PRECISION)
    traces = d_bnt.sum(axis=2)[:, :, None] * e_bkt.sum(axis=2)[:, None, :]
    m = m_b1[:, :, None]
    xy = (across**2).sum(axis=(3, 4)) - m / (m - 2) * shared + traces / ((m - 1) * (m - 2))
    norm = jnp.sqrt(xx_bn)[:, :, None] * jnp.sqrt(yy_bk)[:, None, :]
    defined = (norm > 0) & (m_b >= FEWEST_FRAMES)[:, None, None]
    return jnp.where(defined, jnp.clip(xy / jnp.where(defined, norm, 1.0), -1.0, 1.0), jnp.nan)


def _frames(values_bvft: jax.Array, mask_bt: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Rows centred, the largest deviation brought near 1; and each frame's square [b, v, t]."""
    of_clip = jax.vmap(unit_frames, (0, None))
    values_bvft = jax.vmap(of_clip)(values_bvft, mask_bt)
    return values_bvft, (values_bvft**2).sum(axis=2)


def _squared_norms(values_bvft: jax.Array, d_bvt: jax.Array, m_b1: jax.Array) -> jax.Array:
    """[b, v] <K', K'>, 0 where nothing but rounding is left."""
    f, t = values_bvft.shape[2:]
    form = "bvft,bvgt->bvfg" if f <= t else "bvfs,bvft->bvst"
    products = jnp.einsum(form, values_bvft, values_bvft, precision=PRECISION)
    trace = d_bvt.sum(axis=2) ** 2
    square = (products**2).sum(axis=(2, 3)) - m_b1 / (m_b1 - 2) * (d_bvt**2).sum(axis=2)
    square = square + trace / ((m_b1 - 1) * (m_b1 - 2))
    # A geometry whose squared norm is below this share of its trace's square is rounding.
    return jnp.where(square > ROUNDING * trace, square, 0.0)
