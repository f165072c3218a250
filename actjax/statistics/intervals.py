"""How far a score would move with other recordings, and with other training seeds.

Bootstrap over recordings by Poisson weights: a replicate counts every recording a Poisson(1) number
of times, so that all replicates of a shortlist of pairs are one matrix product, weights times the
pairs' moments in each clip. The same weights for a trained and a control network pair their draws.
"""

import functools
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from actjax.similarity._precision import PRECISION
from actjax.statistics import moments
from actjax.statistics.resolution import check_bootstrap


class PairMoments(NamedTuple):
    """Sums in each clip for a shortlist of p pairs: [b, p] each, `count` [b, 1]; additive over o."""

    xy: jax.Array
    xx: jax.Array
    x: jax.Array
    yy: jax.Array
    y: jax.Array
    count: jax.Array


def poisson_weights(
    recording_ids: Sequence[Any], *, replicates: int, seed: int, level: float = 0.95
) -> np.ndarray:
    """[r, b] float32: how often each clip counts; clips of one recording count alike.

    Args:
      recording_ids: [b] the recording of each clip.
      replicates: R.
      seed: fixes the weights.
      level: the confidence that an interval from them is to have.

    Raises:
      StatisticsError: fewer than 10 recordings, or R too small for the level.
    """
    recordings, number_b = np.unique(np.asarray(recording_ids), return_inverse=True)
    check_bootstrap(len(recordings), replicates, level)
    counts = np.random.default_rng([seed, 3]).poisson(1.0, (replicates, len(recordings)))
    return counts[:, number_b].astype(np.float32)


def pair_moments(
    x_bon: np.ndarray, y_bok: np.ndarray, mask_bo: np.ndarray, neurons: Sequence[int], rows: Sequence[int],
    *, centre: str = "clip",
) -> PairMoments:  # fmt: skip
    """Moments in each clip of the pairs (neurons[p], rows[p]), from sides as in `nulls.moment_null`."""
    x, y = x_bon[:, :, np.asarray(neurons)], y_bok[:, :, np.asarray(rows)]
    return _pair_moments(jnp.asarray(x), jnp.asarray(y), jnp.asarray(mask_bo), centre=centre)


def bootstrap_scores(sums: PairMoments, weights_rb: np.ndarray) -> np.ndarray:
    """[r, p] correlations of the shortlist under each row of weights; NaN where a side is constant."""
    return np.asarray(_bootstrap_scores(sums, jnp.asarray(weights_rb, jnp.float32)))


def bootstrap_means(scores_bp: np.ndarray, weights_rb: np.ndarray) -> np.ndarray:
    """[r, p] weighted means over valid clips of per-clip scores; NaN where no valid clip counts."""
    valid = ~np.isnan(scores_bp)
    total = weights_rb @ np.where(valid, scores_bp, 0.0)
    count = weights_rb @ valid.astype(np.float32)
    return np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)


def percentile_interval(
    draws_r: np.ndarray, *, level: float = 0.95, axis: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """(low, high): the (1 - level) / 2 and (1 + level) / 2 quantiles of the draws along `axis`.

    NaN where more than a tenth of the draws are undefined.
    """
    draws = np.asarray(draws_r, np.float64)
    undefined = np.isnan(draws).mean(axis=axis) > 0.1
    # Undefined columns are filled so that nanquantile has something to look at, then blanked.
    filled = np.where(np.expand_dims(undefined, axis), 0.0, draws)
    low, high = np.nanquantile(filled, [(1 - level) / 2, (1 + level) / 2], axis=axis)
    return np.where(undefined, np.nan, low), np.where(undefined, np.nan, high)


def over_seeds(draws_sr: np.ndarray, *, seed: int = 0) -> np.ndarray:
    """[r, ...] draws of the mean over seeds, with recordings and training seeds both resampled.

    Replicate r takes S seeds with replacement and averages their draws r, which share the weights of
    the recordings. Deviations due to seeds are widened by sqrt(S / (S - 1)), because S resampled seeds
    vary too little by that factor. A single seed leaves the draws as they are.

    Args:
      draws_sr: [s, r, ...] bootstrap draws of an effect for each training seed.
      seed: fixes the resampling.
    """
    draws = np.asarray(draws_sr, np.float64)
    seeds, replicates = draws.shape[:2]
    centre = draws.mean(axis=0)
    if seeds == 1:
        return centre
    picked = np.random.default_rng([seed, 4]).integers(0, seeds, (seeds, replicates))
    resampled = np.mean([draws[picked[s], np.arange(replicates)] for s in range(seeds)], axis=0)
    return centre + np.sqrt(seeds / (seeds - 1)) * (resampled - centre)


@functools.partial(jax.jit, static_argnames="centre")
def _pair_moments(x_bop, y_bop, mask, *, centre) -> PairMoments:
    x, y = moments.centred(x_bop, mask, centre), moments.centred(y_bop, mask, centre)
    first_x, first_y = x.sum(axis=1), y.sum(axis=1)
    if centre != "all":
        first_x, first_y = jnp.zeros_like(first_x), jnp.zeros_like(first_y)
    count = mask.astype(x.dtype).sum(axis=1, keepdims=True)
    return PairMoments((x * y).sum(1), (x**2).sum(1), first_x, (y**2).sum(1), first_y, count)


@jax.jit
def _bootstrap_scores(sums: PairMoments, weights: jax.Array) -> jax.Array:
    total = jax.tree.map(lambda part: jnp.matmul(weights, part, precision=PRECISION), sums)
    count = jnp.maximum(total.count, 1.0)
    xx, yy = total.xx - total.x**2 / count, total.yy - total.y**2 / count
    varies = (xx > 1e-6 * total.xx) & (yy > 1e-6 * total.yy)
    norm = jnp.sqrt(jnp.where(varies, xx, 1.0)) * jnp.sqrt(jnp.where(varies, yy, 1.0))
    return jnp.where(varies, (total.xy - total.x * total.y / count) / norm, jnp.nan)
