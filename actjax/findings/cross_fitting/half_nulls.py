"""Null scores on every half of the recordings, so that a selection can be repeated in each replicate."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from actjax.precision import PRECISION
from actjax.statistics import moments, rescored
from actjax.statistics.compiled import compiled
from actjax.statistics.permutations import Draws
from actjax.types import Context, Metric

# Floats held at a time by the products of a block of clips with their partners.
_BLOCK = 2**24


def moment_scores(
    x_bon: Any, y_bok: Any, mask_bo: Any, draws: Draws, weights_hb: np.ndarray, *, centre: str = "clip"
) -> np.ndarray:
    """[1 + r, h, n, k] correlations under every rearrangement, the observed pairing first.

    Args:
      x_bon, y_bok, mask_bo, centre: as in `nulls.moment_null`.
      draws: permutations of recordings.
      weights_hb: [h, b] how often each clip of the neurons counts: halves, and all clips.
    """
    mask = jnp.asarray(mask_bo)
    x, y = (moments.centred(jnp.asarray(v), mask, centre=centre) for v in (x_bon, y_bok))
    partner, chosen = draws.partner_bj, _chosen(draws)
    joint = not draws.masks_agree(np.asarray(mask_bo))
    held = partner.shape[1] * (x.shape[2] * y.shape[2] + mask.shape[1] * y.shape[2])
    block = int(np.clip(_BLOCK // held, 1, len(partner)))
    found = [
        moments.pair_scores(
            x, y, mask, partner, chosen * own[None, :, None], centre=centre, joint=joint, block=block
        )
        for own in jnp.asarray(weights_hb, jnp.float32)
    ]
    return np.stack([np.asarray(f) for f in found], axis=1)


def clip_scores(
    metric: Metric, x: Any, y: Any, mask: Any, draws: Draws, weights_hb: np.ndarray
) -> np.ndarray:
    """The same for a metric that is computed in each clip and averaged over clips.

    Args:
      metric: whose sides these are; [b, n, f, t] and [b, k, rows, t] with mask [b, t] for images.
      x, y, mask, draws, weights_hb: as in `moment_scores`.
    """
    sides = rescored.Sides(np.asarray(x), np.asarray(y), np.asarray(mask, bool), mask.shape[-1])
    pairs_pnk = rescored.pair_scorer(metric, sides, draws)(np.arange(len(draws.partner_bj)))
    pairs_pnk = pairs_pnk.reshape(-1, *pairs_pnk.shape[2:])
    chosen, found = _chosen(draws), []
    for own in jnp.asarray(weights_hb, jnp.float32):
        weights = (chosen * own[None, :, None]).reshape(len(chosen), -1)
        total, count = (np.asarray(v) for v in moments.weighted_sums(weights, pairs_pnk))
        found.append(np.divide(total, count, out=np.full(total.shape, np.nan, np.float32), where=count > 0))
    return np.stack(found, axis=1)


def pair_products(x_bon: Any, y_bok: Any, mask_bo: Any, draws: Draws, *, centre: str = "clip") -> np.ndarray:
    """[b, j, n, k] sums of products of each clip's neurons with the rows of each clip it can meet.

    Scaled and centred as in `clip_tables.clip_sums`, whose sums of squares belong to them.
    """
    mask = jnp.asarray(mask_bo)
    x, y = (moments.centred(jnp.asarray(v), mask, centre=centre) for v in (x_bon, y_bok))
    return np.asarray(_pair_products(x, y, jnp.asarray(draws.partner_bj)))


def pair_cosines(metric: Metric, x: Any, y: Any, mask: Any, draws: Draws) -> np.ndarray:
    """[b, j, n, k] a metric's score of each clip's neurons with each clip it can meet, masks alike.

    Each side is prepared once; for metrics whose `compare` is an inner product.
    """
    return np.asarray(_pair_cosines(metric, *(jnp.asarray(v) for v in (x, y, mask, draws.partner_bj))))


def from_products(
    pairs_bjnk: np.ndarray, xx_bn: np.ndarray, yy_bk: np.ndarray, draws: Draws, weights_hb: np.ndarray
) -> np.ndarray:
    """`moment_scores` from pair products and each clip's sums of squares, for masks that agree."""
    source_rb = np.concatenate([np.arange(len(pairs_bjnk))[None], draws.source_rb])
    found = []
    for own, xy in zip(weights_hb, _replicated(pairs_bjnk, draws, weights_hb), strict=True):
        square = (own @ xx_bn)[None, :, None] * np.einsum("b,rbk->rk", own, yy_bk[source_rb])[:, None, :]
        found.append(np.divide(xy, np.sqrt(square), out=np.full(xy.shape, np.nan), where=square > 0))
    return np.stack(found, axis=1).astype(np.float32)


def from_scores(pairs_bjnk: np.ndarray, draws: Draws, weights_hb: np.ndarray) -> np.ndarray:
    """`clip_scores` from the scores of pairs of clips; NaN is left out of the means."""
    valid = ~np.isnan(pairs_bjnk)
    total = _replicated(np.where(valid, pairs_bjnk, np.float32(0)), draws, weights_hb)
    count = _replicated(valid.astype(np.float32), draws, weights_hb)
    found = [
        np.divide(t, c, out=np.full(t.shape, np.nan, np.float32), where=c > 0)
        for t, c in zip(total, count, strict=True)
    ]
    return np.stack(found, axis=1)


def share_above(scores_rnc: np.ndarray, *, signed: bool, quantile: float = 0.99) -> float:
    """The share of units whose best candidate passes the null's quantile; 1 - quantile by chance.

    Candidates are studentised by mean and deviation of all 1 + R values; the null is the best of the
    same candidates, pooled over units and replicates.
    """
    deviation = scores_rnc.std(axis=0)
    varies = deviation > 0
    z = (scores_rnc - scores_rnc.mean(axis=0)) / np.where(varies, deviation, 1.0)
    z = np.where(varies, np.abs(z) if signed else z, -np.inf)
    best_rn = z.max(axis=2)
    defined = np.isfinite(best_rn[0])
    if not defined.any():
        return float("nan")
    return float((best_rn[0, defined] > np.quantile(best_rn[1:, defined], quantile)).mean())


def _chosen(draws: Draws) -> Any:
    """[1 + r, b, j] 1 where clip b meets its j-th partner; the observed pairing first."""
    return jnp.asarray(
        draws.slots_rb[:, :, None] == np.arange(draws.partner_bj.shape[1])[None, None, :], jnp.float32
    )


def _replicated(pairs_bjnk: np.ndarray, draws: Draws, weights_hb: np.ndarray) -> Any:
    """For each weighting [1 + r, n, k]: sums over clips of what they meet."""
    chosen, flat = _chosen(draws), jnp.asarray(pairs_bjnk, jnp.float32)
    flat = flat.reshape(-1, flat.shape[2] * flat.shape[3])
    for own in jnp.asarray(weights_hb, jnp.float32):
        yield np.asarray(_weigh(chosen, own, flat)).reshape(-1, *pairs_bjnk.shape[2:])


@compiled
def _weigh(chosen, own, flat):
    weights = (chosen * own[None, :, None]).reshape(chosen.shape[0], -1)
    return jnp.matmul(weights, flat, precision=PRECISION)


@compiled
def _pair_products(x, y, partner):
    def one(side):
        x_on, met = side
        return jnp.einsum("on,jok->jnk", x_on, y[met], precision=PRECISION)

    return jax.lax.map(one, (x, partner))


@functools.partial(compiled, static_argnames="metric")
def _pair_cosines(metric, x, y, mask, partner):
    def prepare(how, values_v, mask_t):
        return jax.vmap(lambda value: how(value, mask_t, Context()))(values_v)

    px = jax.vmap(functools.partial(prepare, metric.prepare_x))(x, mask)
    py = jax.vmap(functools.partial(prepare, metric.prepare_y))(y, mask)
    pairs = jax.vmap(jax.vmap(metric.compare, (None, 0)), (0, None))

    def one(side):
        own, met = side
        return jax.vmap(lambda j: pairs(own, jax.tree.map(lambda v: v[j], py))["score"])(met)

    return jax.lax.map(one, (px, partner))
