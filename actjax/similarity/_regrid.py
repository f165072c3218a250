"""Two images on the coarser of their grids, by area averages; nothing is upsampled."""

import jax
import jax.numpy as jnp
import numpy as np

from actjax.similarity._precision import PRECISION


def regrid_images(x_bnft, y_bkft, mask_bt, *, same_rows: bool):
    """Maps and matrices with as many frames (and rows, where asked) as the coarser has.

    Args:
      x_bnft: [b, n, f, t] maps.
      y_bkft: [b, k, rows, frames] matrices that span the same time (and frequencies).
      mask_bt: [b, frames] bool; a coarser frame counts where all that it covers do.
      same_rows: also averages frequencies onto the coarser axis.

    Returns:
      (maps, matrices, mask [b, t]) on the common grid.
    """
    frames = min(x_bnft.shape[3], y_bkft.shape[3])
    y_bkft = jnp.where(mask_bt[:, None, None, :], y_bkft, jnp.zeros_like(y_bkft))
    covered = average_last(mask_bt.astype(jnp.float32), frames)
    x_bnft, y_bkft = average_last(x_bnft, frames), average_last(y_bkft, frames)
    if same_rows:
        rows = min(x_bnft.shape[2], y_bkft.shape[2])
        x_bnft, y_bkft = (average_last(image.mT, rows).mT for image in (x_bnft, y_bkft))
    return x_bnft, y_bkft, covered > 1 - 1e-5


def average_last(values: jax.Array, size: int) -> jax.Array:
    """The last axis averaged, by overlap, onto `size` equal cells."""
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
