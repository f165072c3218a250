"""Computes sums, nulls and ridge scores of claims whose neurons and rows are vectors of observations."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from actjax.findings.claims.claim import Claim, Shared
from actjax.findings.claims.setting import Setting
from actjax.findings.claims.sides import Side
from actjax.findings.cross_fitting import clip_sums, effects, half_nulls, ridge
from actjax.statistics import controls

# A neuron that keeps less of its variance without the fixed row is that row itself, up to rounding.
LEAST_LEFT = 1e-5


class Rows(NamedTuple):
    """The features' side of one layer, made ready once for all networks.

    Attributes:
      side: what it was made from.
      y: [b, o, k] the rows compared.
      mask: [b, o] bool.
      cross_bkk: [b, k, k] sums of products of the rows with each other, in each clip.
      centre: "clip", or "none" where classes' means are removed already.
      neurons: x [b, o, n] of a network, made ready like the rows.
    """

    side: Side
    y: np.ndarray
    mask: np.ndarray
    cross_bkk: np.ndarray
    centre: str
    neurons: Callable[[np.ndarray], np.ndarray]


def rows_of(
    side: Side,
    y: np.ndarray,
    mask: np.ndarray,
    neurons: Callable[[np.ndarray], np.ndarray],
    centre: str = "clip",
) -> Rows:
    """The rows beside the sums of products that they have with each other."""
    return Rows(side, y, mask, clip_sums.clip_sums(y, y, mask, centre=centre).xy, centre, neurons)


def table(ready: Rows, x_bon: np.ndarray) -> clip_sums.Table:
    """The sums in each clip of a network's neurons with all rows."""
    return clip_sums.clip_sums(ready.neurons(x_bon), ready.y, ready.mask, centre=ready.centre)


def rotated(ready: Rows, turns_qnn: np.ndarray) -> Iterator[clip_sums.Table]:
    """The same of the trained network's channels under each rotation."""
    x = ready.neurons(ready.side.x["trained"])
    yield from clip_sums.rotated_sums(x, ready.y, ready.mask, turns_qnn, centre=ready.centre)


def select(ready: Rows, every: clip_sums.Table, claim: Claim) -> clip_sums.Table:
    """A claim's table from that of all rows: its rows, the neurons without what is held fixed.

    What is left of a neuron is x - slope e, e the row held fixed, and every sum of it follows from the sums
    of x and e.
    """
    rows = list(claim.rows)
    if claim.fixed is None:
        return clip_sums.Table(every.xy[:, :, rows], every.xx, every.yy[:, :, rows])
    xe, ee = every.xy[:, :, claim.fixed], ready.cross_bkk[:, claim.fixed, claim.fixed][:, None]
    slope = _slope(ready, every, claim.fixed)
    all_xx = clip_sums.squares(every)
    xx = all_xx - 2 * slope * xe + slope**2 * ee
    xy = every.xy[:, :, rows] - slope[None, :, None] * ready.cross_bkk[:, claim.fixed, rows][:, None, :]
    left = (xx.sum(axis=0) > LEAST_LEFT * all_xx.sum(axis=0)).astype(np.float64)
    return clip_sums.Table(xy, np.maximum(xx, 0.0) * left, every.yy[:, :, rows])


def null(ready: Rows, claim: Claim, setting: Setting, shared: Shared) -> np.ndarray:
    """[1 + r, halves and all, n, k] the trained network's scores under every rearrangement."""
    x, draws, weights = ready.side.x["trained"], setting.draws, setting.every_half
    if not draws.masks_agree(ready.mask):
        x, rows = _neurons_of(ready, claim, x), ready.y[:, :, list(claim.rows)]
        return half_nulls.moment_scores(x, rows, ready.mask, draws, weights, centre=ready.centre)
    layer = ready.side.layer
    if layer not in shared:
        # The rows stand among the neurons too: a claim takes off what it holds fixed.
        both = np.concatenate([ready.neurons(x), ready.y], axis=2)
        sides = both, ready.y, ready.mask
        products = half_nulls.pair_products(*sides, draws, centre=ready.centre)
        shared[layer] = clip_sums.clip_sums(*sides, centre=ready.centre), products
    sums, products = shared[layer]
    n, rows = x.shape[2], list(claim.rows)
    of_neurons = clip_sums.Table(sums.xy[:, :n], clip_sums.squares(sums)[:, :n], sums.yy[:, :n])
    chosen, paired = select(ready, of_neurons, claim), products[:, :, :n, rows]
    if claim.fixed is not None:
        slope = _slope(ready, of_neurons, claim.fixed).astype(np.float32)
        paired = paired - slope[None, None, :, None] * products[:, :, n + claim.fixed, rows][:, :, None]
    return half_nulls.from_products(paired, clip_sums.squares(chosen), chosen.yy[:, 0], draws, weights)


def all_units(
    layers: list[Rows],
    claim: Claim,
    setting: Setting,
    shared: Shared,
    *,
    wanted: Callable[[np.ndarray], np.ndarray] = lambda y_bok: y_bok[:, :, :1],
) -> float:
    """The best layer's ridge prediction under the claim's own score, on all clips.

    Args:
      layers, claim, setting, shared: as in `Claim.all_units`.
      wanted: centred rows [b, o, k] -> the row [b, o, 1] that ridge predicts.
    """
    return float(max((_ridge_score(ready, claim, setting, wanted) for ready in layers), key=abs))


def predicted(ready: Rows, claim: Claim, x_bon: np.ndarray, setting: Setting) -> clip_sums.Table:
    """The table [b, 1, k] of each row's prediction by cross-validated ridge, as if it were a unit."""
    rows = ready.y[:, :, list(claim.rows)]
    z = ridge.out_of_fold(_neurons_of(ready, claim, x_bon), rows, ready.mask, setting.folds)
    sums = clip_sums.clip_sums(z, rows, ready.mask, centre=ready.centre)
    k = np.arange(rows.shape[2])
    return clip_sums.Table(
        sums.xy[:, k, k][:, None], clip_sums.squares(sums)[:, None, k], sums.yy[:, k, k][:, None]
    )


def without(values_bov: np.ndarray, nuisance_bo: np.ndarray, mask_bo: np.ndarray, centre: str) -> np.ndarray:
    """Values minus what one nuisance row explains linearly over all clips, after centring both."""
    return np.asarray(controls.residuals(values_bov, nuisance_bo[:, :, None], mask_bo, centre=centre))


def _neurons_of(ready: Rows, claim: Claim, x_bon: np.ndarray) -> np.ndarray:
    """A network's side without what the claim holds fixed."""
    x = ready.neurons(x_bon)
    return x if claim.fixed is None else without(x, ready.y[:, :, claim.fixed], ready.mask, ready.centre)


def _slope(ready: Rows, every: clip_sums.Table, fixed: int) -> np.ndarray:
    """[n] of the regression of each neuron on the row `fixed`, over all clips."""
    square = ready.cross_bkk[:, fixed, fixed].sum()
    return every.xy[:, :, fixed].sum(axis=0) / max(square, np.finfo(np.float64).tiny)


def _ridge_score(
    ready: Rows, claim: Claim, setting: Setting, wanted: Callable[[np.ndarray], np.ndarray]
) -> float:
    x, rows = _neurons_of(ready, claim, ready.side.x["trained"]), ready.y[:, :, list(claim.rows)]
    y = wanted(np.asarray(clip_sums.centred(rows, ready.mask, centre=ready.centre)))
    z = ridge.out_of_fold(x, y, ready.mask, setting.folds, centre=ready.centre)
    sums = clip_sums.clip_sums(z, rows, ready.mask, centre=ready.centre)
    all_clips = np.ones((1, setting.halves.shape[2]))
    return float(effects.candidates(sums, claim.candidates, all_clips)[0, 0, 0])
