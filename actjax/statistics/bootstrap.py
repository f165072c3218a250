"""Bootstraps recordings and training seeds: how far a score would move with others.

Bootstrap over recordings by Poisson weights: a replicate counts every recording a Poisson(1) number
of times, so that all replicates of a score are one matrix product, weights times its sums in each
clip. The same weights for a trained and a control network pair their draws.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from actjax.similarity.host.threads import at_least_one
from actjax.statistics.requirements import check_bootstrap

# Moves of pairs that are made at once: 512 KiB of float32, which stay in the cache.
_CELLS = 2**17
# Recordings of one observation that become float64 at once.
_RECORDINGS = 2**12


def poisson_weights(
    recording_ids: Sequence[Any] | np.ndarray, *, replicates: int, seed: int, level: float = 0.95
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


def correlation_errors(
    x_bon: np.ndarray,
    y_bok: np.ndarray,
    mask_bo: np.ndarray,
    recording_b: Sequence[Any] | np.ndarray,
    *,
    centre: str,
) -> np.ndarray:
    """Standard errors, over recordings, of the correlations of all pairs: [n, k] float32.

    r = sum_b p_b / sqrt(sum_b u_b sum_b v_b), p, u, v a recording's sums of xy, xx, yy. To first order
    it moves by d_b = p_b - r (u_b + v_b) / 2, in units of the norms, where recording b is counted once
    more, and the error is sqrt(R / (R - 1) sum_b d_b^2): the infinitesimal jackknife (L. Jaeckel, 1972).
    Clips of one recording move together.

    Args:
      x_bon, y_bok, mask_bo, centre: as in `nulls.moment_null`.
      recording_b: [b] the recording of each clip.

    Returns:
      NaN where a side is constant, or with fewer than two recordings.
    """
    mask = np.asarray(mask_bo, bool)
    (x, varies_n), (y, varies_k) = (_unit_columns(side, mask, centre) for side in (x_bon, y_bok))
    used = np.flatnonzero(mask.any(axis=1))
    _, number_b = np.unique(np.asarray(recording_b)[used], return_inverse=True)
    recordings = int(number_b.max(initial=-1)) + 1
    if recordings < 2:
        return np.full((x.shape[2], y.shape[2]), np.nan, np.float32)
    clips_of = np.split(used[np.argsort(number_b, kind="stable")], np.cumsum(np.bincount(number_b))[:-1])
    errors = np.sqrt(_squared_moves(x, y, clips_of) * np.float32(recordings / (recordings - 1)))
    return np.where(varies_n[:, None] & varies_k[None, :], errors, np.float32(np.nan))


def design_effect(recording_ids: Sequence[Any] | np.ndarray) -> float:
    """By how much the variance of a mean over clips grows if clips of one recording are all alike.

    sum m^2 / sum m over the recordings' numbers of clips m (L. Kish, "Survey Sampling", 1965); 1 where
    every clip is a recording of its own.
    """
    clips = np.unique(np.asarray(recording_ids), return_counts=True)[1].astype(np.float64)
    return float((clips**2).sum() / clips.sum())


def t_quantile(probability: float, degrees: int) -> float:
    """The quantile of Student's t."""
    from scipy.special import stdtrit  # comes with jax; not needed where nothing is tested

    return float(stdtrit(degrees, probability))


def score_interval(
    score: np.ndarray,
    std_error: np.ndarray,
    recordings: int,
    value_range: tuple[float, float],
    *,
    level: float = 0.95,
) -> tuple[np.ndarray, np.ndarray]:
    """(low, high) of scores with their standard errors, by Student's t with recordings - 1 degrees.

    On the scale of atanh for a range of -1 to 1, where errors shrink towards the ends; on the score's own
    scale otherwise, cut at the ends of the range. NaN where there is no standard error.
    """
    undefined = np.full(np.shape(score), np.nan, np.float32)
    if recordings < 2:
        return undefined, undefined
    score, error = np.asarray(score, np.float64), np.asarray(std_error, np.float64)
    half = t_quantile((1 + level) / 2, recordings - 1) * error
    low, high = value_range
    if (low, high) != (-1.0, 1.0):
        low, high = np.clip(score - half, low, high), np.clip(score + half, low, high)
    else:
        inside = np.clip(score, -1 + 1e-7, 1 - 1e-7)
        half = half / (1 - inside**2)
        low, high = np.tanh(np.arctanh(inside) - half), np.tanh(np.arctanh(inside) + half)
    return np.asarray(low, np.float32), np.asarray(high, np.float32)


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


def _squared_moves(x_bon: np.ndarray, y_bok: np.ndarray, clips_of: Sequence[np.ndarray]) -> np.ndarray:
    """[n, k] sum over recordings of the squared moves d_b of each correlation, of columns of norm 1."""
    lengths = {len(clips) for clips in clips_of}
    if x_bon.shape[1] == 1 and lengths == {1}:
        used = np.concatenate(clips_of)
        return _squared_moves_of_one(x_bon[used, 0], y_bok[used, 0])
    r = x_bon.reshape(-1, x_bon.shape[2]).T @ y_bok.reshape(-1, y_bok.shape[2])
    squares, half = np.zeros_like(r), r * np.float32(-0.5)
    together = at_least_one(_CELLS, r.size)
    for length in sorted(lengths):
        places = np.stack([clips for clips in clips_of if len(clips) == length])
        for start in range(0, len(places), together):
            at = places[start : start + together]
            x, y = (side[at].reshape(len(at), -1, side.shape[2]) for side in (x_bon, y_bok))
            moved = np.square(x).sum(axis=1)[:, :, None] + np.square(y).sum(axis=1)[:, None, :]
            moved *= half
            moved += np.matmul(x.transpose(0, 2, 1), y)
            squares += np.square(moved, out=moved).sum(axis=0)
    return squares


def _squared_moves_of_one(x_bn: np.ndarray, y_bk: np.ndarray) -> np.ndarray:
    """The same where each recording is one observation, so that p = x y, u = x^2, v = y^2: three products.

    sum d^2 = (1 + r^2 / 2) sum x^2 y^2 - r (sum x^3 y + sum x y^3) + r^2 / 4 (sum x^4 + sum y^4), which
    cancels as |r| nears 1: in float64.
    """
    r, squares, crossed = (np.zeros((x_bn.shape[1], y_bk.shape[1])) for _ in range(3))
    fourths = np.zeros_like(r)
    for start in range(0, len(x_bn), _RECORDINGS):
        x, y = (np.asarray(side[start : start + _RECORDINGS], np.float64) for side in (x_bn, y_bk))
        xx, yy = x * x, y * y
        r += x.T @ y
        squares += xx.T @ yy
        crossed += (xx * x).T @ y + x.T @ (yy * y)
        fourths += np.square(xx).sum(axis=0)[:, None] + np.square(yy).sum(axis=0)[None, :]
    moves = (1 + r * r / 2) * squares - r * crossed + r * r / 4 * fourths
    return np.maximum(moves, 0.0).astype(np.float32)


def _unit_columns(values_bon: np.ndarray, mask_bo: np.ndarray, centre: str) -> tuple[np.ndarray, np.ndarray]:
    """Columns centred and of norm 1, zero outside of the mask; and which of them vary."""
    inside = mask_bo[..., None]
    values = np.where(inside, values_bon, np.float32(0))
    scale = np.abs(values).max(axis=(0, 1), initial=0.0)
    values /= np.where(scale > 0, scale, np.float32(1))
    if centre != "none":
        axes = 1 if centre == "clip" else (0, 1)
        total = values.sum(axis=axes, keepdims=True, dtype=np.float64)
        mean = total / np.maximum(inside.sum(axis=axes, keepdims=True), 1)
        values = np.where(inside, values - mean.astype(np.float32), np.float32(0))
    square = np.square(values).sum(axis=(0, 1), dtype=np.float64)
    # A column that is constant leaves only the rounding of its mean.
    varies = square > 1e-12 * max(int(mask_bo.sum()), 1)
    values /= np.sqrt(np.where(varies, square, 1.0)).astype(np.float32)
    return values, varies
