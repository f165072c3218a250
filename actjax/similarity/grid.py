"""Two images on the coarser of their grids, by area averages; nothing is upsampled."""

import functools
import operator
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from actjax.precision import PRECISION

# On the host, or in a program.
Array = np.ndarray | jax.Array


class ImageMask(NamedTuple):
    """What counts of two sides' images.

    Attributes:
      frames_bt: [b, frames] bool, the frames of the matrices.
      x, y: [b, f, t] and [b, rows, frames] bool, the cells of each side, or [b, 1, t] where a frame counts
        as a whole; None where all do.
    """

    frames_bt: Array
    x: Array | None = None
    y: Array | None = None


def regrid_images(
    x_bnft: jax.Array, y_bkft: jax.Array, mask: ImageMask, *, same_rows: bool
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Averages maps and matrices to as many frames (and rows, where asked) as the coarser has.

    Args:
      x_bnft: [b, n, f, t] maps.
      y_bkft: [b, k, rows, frames] matrices that span the same time (and frequencies).
      mask: a coarser cell or frame counts where all that it covers do.
      same_rows: also averages frequencies onto the coarser axis.

    Returns:
      (maps, matrices, mask) on the common grid, the mask [b, t] or, where cells were given, [b, f, t].
    """
    frames = min(x_bnft.shape[3], y_bkft.shape[3])
    rows = min(x_bnft.shape[2], y_bkft.shape[2]) if same_rows else None
    x_bnft = _present_only(x_bnft, mask.x)
    y_bkft = _present_only(_present_only(y_bkft, mask.frames_bt[:, None, :]), mask.y)
    masks = [m for m in (mask.frames_bt[:, None, :], mask.x, mask.y) if m is not None]
    counts = functools.reduce(operator.and_, [_covered(m, frames, rows) for m in masks])
    x_bnft, y_bkft = (average_last(image, frames) for image in (x_bnft, y_bkft))
    if rows is not None:
        x_bnft, y_bkft = (average_last(image.mT, rows).mT for image in (x_bnft, y_bkft))
    return x_bnft, y_bkft, counts[:, 0] if counts.shape[1] == 1 else counts


def _present_only(image_bvft: jax.Array, present_bft: Array | None) -> jax.Array:
    """Puts zero where a cell is not there, so that nothing of it is averaged into others."""
    if present_bft is None:
        return image_bvft
    return jnp.where(present_bft[:, None], image_bvft, jnp.zeros_like(image_bvft))


def _covered(present_bft: Array, frames: int, rows: int | None) -> jax.Array:
    """[b, 1 or rows, frames] bool: all of a coarser cell is there."""
    share = average_last(jnp.asarray(present_bft, jnp.float32), frames)
    if rows is not None and share.shape[1] > 1:
        share = average_last(share.mT, rows).mT
    return share > 1 - 1e-5


def average_last(values: jax.Array, size: int) -> jax.Array:
    """Averages the last axis, by overlap, onto `size` equal cells."""
    if values.shape[-1] == size:
        return values
    return jnp.matmul(values, jnp.asarray(overlaps(values.shape[-1], size)), precision=PRECISION)


def overlaps(fine: int, coarse: int) -> np.ndarray:
    """[fine, coarse] share of each coarse cell that each fine cell covers; columns sum to 1."""
    edges = np.arange(fine + 1) * (coarse / fine)
    cells = np.arange(coarse)
    low = np.maximum(edges[:-1, None], cells[None, :])
    high = np.minimum(edges[1:, None], cells[None, :] + 1)
    return np.maximum(high - low, 0).astype(np.float32)
