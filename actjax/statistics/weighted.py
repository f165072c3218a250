"""Scores of the same clips under many weightings: halves, resamples, clips that trade partners."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from actjax.precision import PRECISION
from actjax.statistics import moments

centred = jax.jit(moments.centred, static_argnames="centre")


def weighted_scores(
    x_bon: np.ndarray, y_bok: np.ndarray, mask_bo: np.ndarray, weights_rb: np.ndarray, *, centre: str = "clip"
) -> np.ndarray:
    """[r, n, k] correlations in which clip b counts weights_rb[r, b] times: halves, resamples.

    Args:
      x_bon, y_bok, mask_bo, centre: as in `nulls.moment_null`.
      weights_rb: [r, b] not negative.
    """
    mask = jnp.asarray(np.asarray(mask_bo, bool))
    x, y = (centred(jnp.asarray(v), mask, centre=centre) for v in (x_bon, y_bok))
    own = jnp.arange(len(mask), dtype=jnp.int32)[:, None]
    weights = jnp.asarray(weights_rb, jnp.float32)[:, :, None]
    return np.asarray(pair_scores(x, y, mask, own, weights, centre=centre, joint=False, block=1))


@functools.partial(jax.jit, static_argnames=("centre", "joint", "block"))
def pair_scores(x, y, mask, partner_bj, weights, *, centre, joint, block):
    """[r, n, k] correlations of weighted pairs of clips (see `moments.by_clip_pairs`)."""
    sums = moments.by_clip_pairs(x, y, mask, partner_bj, weights, centre=centre, joint=joint, block=block)
    return moments.correlation(sums)


@jax.jit
def weighted_sums(weights_rp: jax.Array, scores_pnk: jax.Array) -> tuple[jax.Array, jax.Array]:
    """([r, n, k] sums of the scores that are not NaN, [r, n, k] the weights summed)."""
    finite = jnp.isfinite(scores_pnk)
    values = jnp.where(finite, scores_pnk, jnp.zeros_like(scores_pnk))
    product = functools.partial(jnp.einsum, "rp,pnk->rnk", weights_rp, precision=PRECISION)
    return product(values), product(finite.astype(scores_pnk.dtype))
