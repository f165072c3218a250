"""Null scores on every half of the recordings, so that a selection can be repeated in each replicate."""

from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np

from actjax.precision import PRECISION
from actjax.statistics import moments
from actjax.statistics.compiled import compiled
from actjax.statistics.permutations import Draws

# Floats held at a time by the products of a block of clips with their partners.
_BLOCK = 2**24


def moment_scores(
    x_bon: np.ndarray,
    y_bok: np.ndarray,
    mask_bo: np.ndarray,
    draws: Draws,
    weights_hb: np.ndarray,
    *,
    centre: str = "clip",
) -> np.ndarray:
    """[1 + r, h, n, k] correlations under every rearrangement, the observed pairing first.

    Args:
      x_bon, y_bok, mask_bo, centre: as in `nulls.moment_null`.
      draws: permutations of recordings.
      weights_hb: [h, b] how often each clip of the neurons counts: halves, and all clips.
    """
    x, y = (moments.centred(side, mask_bo, centre=centre) for side in (x_bon, y_bok))
    partner_bj, met_rbj = draws.partner_bj, _met(draws)
    joint = not draws.masks_agree(np.asarray(mask_bo))
    held = partner_bj.shape[1] * (x.shape[2] * y.shape[2] + mask_bo.shape[1] * y.shape[2])
    block = int(np.clip(_BLOCK // held, 1, len(partner_bj)))
    options = {"centre": centre, "joint": joint, "block": block}
    scores = [
        moments.pair_scores(x, y, mask_bo, partner_bj, met_rbj * weight_b[None, :, None], **options)
        for weight_b in np.asarray(weights_hb, np.float32)
    ]
    return np.stack([np.asarray(of_half) for of_half in scores], axis=1)


def pair_products(
    x_bon: np.ndarray, y_bok: np.ndarray, mask_bo: np.ndarray, draws: Draws, *, centre: str = "clip"
) -> np.ndarray:
    """[b, j, n, k] sums of products of each clip's neurons with the rows of each clip it can meet.

    Scaled and centred as in `clip_sums.clip_sums`, whose sums of squares belong to them.
    """
    x, y = (moments.centred(side, mask_bo, centre=centre) for side in (x_bon, y_bok))
    return np.asarray(_pair_products(x, y, draws.partner_bj))


def from_products(
    pairs_bjnk: np.ndarray, xx_bn: np.ndarray, yy_bk: np.ndarray, draws: Draws, weights_hb: np.ndarray
) -> np.ndarray:
    """`moment_scores` from pair products and each clip's sums of squares, for masks that agree."""
    source_rb = np.concatenate([np.arange(len(pairs_bjnk))[None], draws.source_rb])
    scores = []
    for weight_b, xy in zip(weights_hb, _sums_met(pairs_bjnk, draws, weights_hb), strict=True):
        yy_rk = np.einsum("b,rbk->rk", weight_b, yy_bk[source_rb])
        square = (weight_b @ xx_bn)[None, :, None] * yy_rk[:, None, :]
        scores.append(np.divide(xy, np.sqrt(square), out=np.full(xy.shape, np.nan), where=square > 0))
    return np.stack(scores, axis=1).astype(np.float32)


def from_scores(pairs_bjnk: np.ndarray, draws: Draws, weights_hb: np.ndarray) -> np.ndarray:
    """[1 + r, h, n, k] means over clips of the scores of pairs of clips; NaN is left out of the means.

    Args:
      pairs_bjnk: from `rescored.pair_scorer`, of a metric that is computed in each clip.
      draws, weights_hb: as in `moment_scores`.
    """
    valid = ~np.isnan(pairs_bjnk)
    totals = _sums_met(np.where(valid, pairs_bjnk, np.float32(0)), draws, weights_hb)
    counts = _sums_met(valid.astype(np.float32), draws, weights_hb)
    means = [
        np.divide(total, count, out=np.full(total.shape, np.nan, np.float32), where=count > 0)
        for total, count in zip(totals, counts, strict=True)
    ]
    return np.stack(means, axis=1)


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


def _met(draws: Draws) -> np.ndarray:
    """[1 + r, b, j] 1 where clip b meets its j-th partner; the observed pairing first."""
    places = np.arange(draws.partner_bj.shape[1])[None, None, :]
    return np.asarray(draws.slots_rb[:, :, None] == places, np.float32)


def _sums_met(pairs_bjnk: np.ndarray, draws: Draws, weights_hb: np.ndarray) -> Iterator[np.ndarray]:
    """For each weighting [1 + r, n, k]: sums over clips of what they meet."""
    met_rbj, flat = _met(draws), np.asarray(pairs_bjnk, np.float32)
    flat = flat.reshape(-1, flat.shape[2] * flat.shape[3])
    for weight_b in np.asarray(weights_hb, np.float32):
        yield np.asarray(_weigh(met_rbj, weight_b, flat)).reshape(-1, *pairs_bjnk.shape[2:])


@compiled
def _weigh(met_rbj: jax.Array, weight_b: jax.Array, flat: jax.Array) -> jax.Array:
    weights = (met_rbj * weight_b[None, :, None]).reshape(met_rbj.shape[0], -1)
    return jnp.matmul(weights, flat, precision=PRECISION)


@compiled
def _pair_products(x_bon: jax.Array, y_bok: jax.Array, partner_bj: jax.Array) -> jax.Array:
    def with_partners(side: tuple[jax.Array, jax.Array]) -> jax.Array:
        x_on, met_j = side
        return jnp.einsum("on,jok->jnk", x_on, y_bok[met_j], precision=PRECISION)

    return jax.lax.map(with_partners, (x_bon, partner_bj))
