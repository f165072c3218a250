"""Debiased linear CKA of many maps without their Gram matrices, which cost most where maps have few bands."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from actjax.precision import PRECISION
from actjax.similarity.families.frames import unit_frames
from actjax.statistics.compiled import compiled

# A geometry whose squared norm is below this share of its trace's square is rounding.
_ROUNDING = 1e-6


def cka_scores(x_bnft: Any, y_bkgt: Any, mask_bt: Any) -> np.ndarray:
    """[b, n, k] cka of each map with each image of its clip, as the metric `cka` with its defaults.

    With rows centred over the m valid frames, K = x'x with diagonal d and L = y'y with diagonal e, the
    inner product of the U-centred matrices (Song et al. 2012) needs no frame-by-frame matrix:

        <K', L'> = |x y'|^2 - m / (m - 2) sum_t d e + sum(d) sum(e) / ((m - 1) (m - 2))

    Args:
      x_bnft: [b, n, f, t] maps.
      y_bkgt: [b, k, g, t] images.
      mask_bt: [b, t] bool; fewer than 16 valid frames give NaN, and so do constant frames.
    """
    return np.asarray(_cka(*(jnp.asarray(v) for v in (x_bnft, y_bkgt, mask_bt))))


@compiled
def _cka(x, y, mask):
    m = mask.sum(axis=1).astype(x.dtype)
    (x, d), (y, e) = _frames(x, mask), _frames(y, mask)
    m_ = jnp.maximum(m, 4.0)[:, None]
    xx, yy = _squares(x, d, m_), _squares(y, e, m_)
    across = jnp.einsum("bnft,bkgt->bnkfg", x, y, precision=PRECISION)
    shared = jnp.einsum("bnt,bkt->bnk", d, e, precision=PRECISION)
    traces = d.sum(axis=2)[:, :, None] * e.sum(axis=2)[:, None, :]
    m_ = m_[:, :, None]
    xy = (across**2).sum(axis=(3, 4)) - m_ / (m_ - 2) * shared + traces / ((m_ - 1) * (m_ - 2))
    norm = jnp.sqrt(xx)[:, :, None] * jnp.sqrt(yy)[:, None, :]
    defined = (norm > 0) & (m >= 16.0)[:, None, None]
    return jnp.where(defined, jnp.clip(xy / jnp.where(defined, norm, 1.0), -1.0, 1.0), jnp.nan)


def _frames(values, mask):
    """Rows centred and the largest deviation brought near 1, and each frame's square [b, v, t]."""
    of_clip = jax.vmap(unit_frames, (0, None))
    values = jax.vmap(of_clip)(values, mask)
    return values, (values**2).sum(axis=2)


def _squares(values, d, m):
    """[b, v] <K', K'>, 0 where nothing but rounding is left."""
    f, t = values.shape[2:]
    form = "bvft,bvgt->bvfg" if f <= t else "bvfs,bvft->bvst"
    products = jnp.einsum(form, values, values, precision=PRECISION)
    trace = d.sum(axis=2) ** 2
    square = (products**2).sum(axis=(2, 3)) - m / (m - 2) * (d**2).sum(axis=2) + trace / ((m - 1) * (m - 2))
    return jnp.where(square > _ROUNDING * trace, square, 0.0)
