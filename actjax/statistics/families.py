"""Turns replicate scores into p-values, and corrects them over families of tests.

A family is all pairs of one layer, view and metric. Its pairs may be computed in several members (tiles of
neurons, features on different grids) as long as all used the same draws; `correct` joins them.
"""

import functools
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from actjax.statistics.compiled import one_by_one
from actjax.statistics.corrections import benjamini_hochberg
from actjax.statistics.requirements import StatisticsError

# Histograms of studentised scores: bins a unit of deviation, from LOWEST on; what lies outside goes
# into the first or last bin.
BINS_PER_UNIT = 256
LOWEST = -8
BINS = 48 * BINS_PER_UNIT
# Replicates this close to the observed score (in null deviations) count as reaching it, so that
# rounding never breaks a tie in the observed score's favour.
TIE = 1e-4


class Null(NamedTuple):
    """What a member of a family keeps of its replicates; memory does not grow with R times pairs.

    Attributes:
      score: [n, k] observed; NaN where undefined.
      mean, std: [n, k] of the R null scores.
      z: [n, k] (score - mean) / std.
      p: [n, k] p-value of the pair by itself, (1 + replicates that reach it) / (R + 1).
      statistic: [n, k] the score studentised by mean and deviation of all R + 1 values, the
        observed one among them, so that it and its replicates are exchangeable; |.| if signed.
      max_r: [r] the largest statistic of each replicate over the member.
      counts: [BINS] int64, histogram of the null statistics of all pairs and replicates.
    """

    score: np.ndarray
    mean: np.ndarray
    std: np.ndarray
    z: np.ndarray
    p: np.ndarray
    statistic: np.ndarray
    max_r: np.ndarray
    counts: np.ndarray


class Corrected(NamedTuple):
    """Family-wise results for one member: [n, k] p by max-T and q by Benjamini-Hochberg."""

    p_maxt: np.ndarray
    q: np.ndarray


def correct(members: Sequence[Null]) -> list[Corrected]:
    """Max-T p-values and Benjamini-Hochberg q-values over one family.

    p_maxt = (1 + replicates whose largest statistic over the family reaches the pair's) / (R + 1).
    The q-value's p is the same count over the studentised null of all pairs and replicates pooled.

    Args:
      members: all of one family (one layer, view and metric), made from the same draws.

    Raises:
      StatisticsError: no members, or members with different numbers of replicates.
    """
    replicates = {len(member.max_r) for member in members}
    if len(replicates) != 1:
        raise StatisticsError(f"members of one family share their draws; got replicates {sorted(replicates)}")
    max_r = np.sort(np.max([member.max_r for member in members], axis=0))
    statistics = np.concatenate([member.statistic.ravel() for member in members])
    valid = ~np.isnan(statistics)
    reached = len(max_r) - np.searchsorted(max_r, statistics[valid] - TIE)
    p_maxt, pooled = np.full(statistics.shape, np.nan), np.full(statistics.shape, np.nan)
    p_maxt[valid] = (1 + reached) / (len(max_r) + 1)
    counts = np.sum([member.counts for member in members], axis=0)
    # A statistic's own bin counts as reached: at most 1 / BINS_PER_UNIT too many, never too few.
    at_least = np.cumsum(counts[::-1])[::-1]
    pooled[valid] = (1 + at_least[bins_of(statistics[valid])]) / (1 + counts.sum())
    q = benjamini_hochberg(pooled)
    shapes = [member.statistic.shape for member in members]
    ends = np.cumsum([np.prod(s, dtype=int) for s in shapes])[:-1]
    return [
        Corrected(a.reshape(s), b.reshape(s))
        for a, b, s in zip(np.split(p_maxt, ends), np.split(q, ends), shapes, strict=True)
    ]


def statistic_of(
    score: np.ndarray, mean: np.ndarray, std: np.ndarray, replicates: int, *, signed: bool
) -> np.ndarray:
    """The statistic of `Null` from what a table keeps: a score, and mean and deviation of its null scores.

    With d = score - mean and R replicates, the mean of all R + 1 values is d R / (R + 1) below the score,
    and their variance ((R - 1) std^2 + d^2 R / (R + 1)) / (R + 1).
    """
    d, std, r = np.asarray(score, np.float64) - mean, np.asarray(std, np.float64), replicates
    variance = ((r - 1) * std**2 + d**2 * r / (r + 1)) / (r + 1)
    with np.errstate(invalid="ignore", divide="ignore"):
        statistic = d * r / (r + 1) / np.sqrt(variance)
    return np.abs(statistic) if signed else statistic


def bins_of(statistics: np.ndarray) -> np.ndarray:
    """The histogram bin of each statistic (not NaN)."""
    scaled = np.floor((statistics - np.float32(LOWEST)) * np.float32(BINS_PER_UNIT))
    return np.clip(scaled, 0, BINS - 1).astype(np.int64)


def reduce_replicates(scores_rnk: jax.Array, *, signed: bool) -> Null:
    """Replicate scores of a tile, the observed ones first, to what a family needs.

    Args:
      scores_rnk: [1 + R, n, k]; index 0 is the observed score.
      signed: the statistic is |.|: both directions count as evidence.
    """
    return reduced(*_reduce(scores_rnk, signed=signed), *scores_rnk.shape[1:])


def reduced(arrays: Mapping[str, jax.Array], bins_rnk: jax.Array, n: int, k: int) -> Null:
    """The null of the first n neurons and k rows of what `reduced_arrays` gives; others are padding."""
    on_host = {name: np.asarray(value) for name, value in arrays.items()}
    of_pairs = {name: value if name == "max_r" else value[:n, :k] for name, value in on_host.items()}
    counts = np.bincount(np.asarray(bins_rnk)[:, :n, :k].ravel(), minlength=BINS + 1)[:BINS]
    return Null(**of_pairs, counts=counts)


def join_tiles(tiles: Sequence[Null]) -> Null:
    """Tiles of neurons, in order, as one member of a family."""
    joined = {name: np.concatenate([getattr(tile, name) for tile in tiles]) for name in Null._fields[:6]}
    max_r = np.max([tile.max_r for tile in tiles], axis=0)
    return Null(**joined, max_r=max_r, counts=np.sum([tile.counts for tile in tiles], axis=0))


def studentise(scores_rnk: jax.Array, signed: bool) -> jax.Array:
    """[1 + R, n, k] statistics: each pair by mean and deviation of all its values; NaN if invalid."""
    finite = jnp.isfinite(scores_rnk).all(axis=0)
    safe = jnp.where(finite[None], scores_rnk, jnp.zeros_like(scores_rnk))
    mean = safe.mean(axis=0)
    std = jnp.sqrt(((safe - mean[None]) ** 2).mean(axis=0))
    varies = finite & (std > 1e-6 * jnp.abs(safe).max(axis=0))
    t = (safe - mean[None]) / jnp.where(varies, std, jnp.ones_like(std))[None]
    return jnp.where(varies[None], jnp.abs(t) if signed else t, jnp.nan)


def max_t_p(statistics_rnk: jax.Array) -> jax.Array:
    """[n, k] max-T p-values when the family is this one array, the observed statistics first."""
    largest_r = jnp.nanmax(statistics_rnk[1:], axis=(1, 2))
    reached = (largest_r[:, None, None] >= statistics_rnk[:1] - TIE).sum(axis=0)
    p = (1 + reached).astype(statistics_rnk.dtype) / (1 + len(largest_r))
    return jnp.where(jnp.isnan(statistics_rnk[0]), jnp.nan, p)


def reduced_arrays(scores_rnk: jax.Array, *, signed: bool) -> tuple[dict[str, jax.Array], jax.Array]:
    """The fields of `Null` but its counts, and the bins of all null statistics, none of constant pairs."""
    of_neuron = functools.partial(_reduced_neuron, signed=signed)
    of_pairs, max_nr, bins_nrk = one_by_one(of_neuron, scores_rnk.transpose(1, 0, 2))
    return of_pairs | {"max_r": max_nr.max(axis=0)}, bins_nrk.transpose(1, 0, 2)


def _reduced_neuron(
    scores_rk: jax.Array, *, signed: bool
) -> tuple[dict[str, jax.Array], jax.Array, jax.Array]:
    """The fields of `Null` for the pairs of a neuron, its largest statistics [r], and its bins [r, k]."""
    t_rk = studentise(scores_rk[:, None], signed)[:, 0]
    valid = ~jnp.isnan(t_rk[0])
    null = scores_rk[1:]
    mean = null.mean(axis=0)
    std = jnp.sqrt(((null - mean[None]) ** 2).sum(axis=0) / max(len(null) - 1, 1))
    z = jnp.where(valid, (scores_rk[0] - mean) / std, jnp.nan)
    low_rk = jnp.where(valid[None], t_rk, -jnp.inf)
    reached = (low_rk[1:] >= low_rk[:1] - TIE).sum(axis=0)
    p = jnp.where(valid, (1 + reached).astype(z.dtype) / (1 + len(null)), jnp.nan)
    of_pairs = {"score": scores_rk[0], "mean": mean, "std": std, "z": z, "p": p, "statistic": t_rk[0]}
    return of_pairs, low_rk[1:].max(axis=1), _bins(low_rk[1:])


_reduce = jax.jit(reduced_arrays, static_argnames="signed")


def _bins(statistics: jax.Array) -> jax.Array:
    """int32 histogram bins; BINS for invalid ones."""
    scaled = jnp.floor((statistics - LOWEST) * BINS_PER_UNIT)
    inside = jnp.clip(scaled, 0, BINS - 1).astype(jnp.int32)
    return jnp.where(jnp.isneginf(statistics), jnp.int32(BINS), inside)
