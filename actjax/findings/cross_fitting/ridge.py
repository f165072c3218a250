"""Predicts feature rows from all units of a layer together, by cross-validated ridge regression."""

import functools
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from actjax.precision import PRECISION
from actjax.statistics import moments
from actjax.statistics.compiled import compiled

# Candidates for the penalty, relative to the mean sum of squares of a unit.
PENALTIES = (1e-5, 1e-4, 1e-3, 1e-2, 0.1, 1.0, 10.0)


def recording_folds(recording_ids: Sequence[Any], folds: int = 5, seed: int = 0) -> np.ndarray:
    """[b] the fold of each clip; recordings are whole, their folds at random and of equal sizes."""
    recordings, number_b = np.unique(np.asarray(recording_ids), return_inverse=True)
    order = np.random.default_rng([seed, 8]).permutation(len(recordings))
    return (order % folds)[number_b]


def out_of_fold(
    x_bop: np.ndarray,
    y_boq: np.ndarray,
    mask_bo: np.ndarray,
    folds_b: np.ndarray,
    *,
    centre: str | None = None,
) -> np.ndarray:
    """[b, o, q] each row predicted from all units by ridge regression on the other folds' clips.

        w = argmin sum_o (y_o - w x_o)^2 + penalty |w|^2

    Both sides are centred (within clips, or within classes) and get no intercept. A row's penalty is the
    one of least squared error on one of the training folds, predicted from the others.

    The metric `ridge` (`similarity/families/ridge.py`) regresses in the other direction, one neuron on the
    few rows of a feature, and gives a score; here hundreds of units predict, which takes float64, and the
    predictions are scored like a unit.

    Args:
      x_bop: [b, o, p] all units of a layer.
      y_boq: [b, o, q] feature rows.
      mask_bo: [b, o] bool.
      folds_b: [b] the fold of each clip, 0 .. f - 1.
      centre: how to centre both sides, as in `moments.centred`; None of sides that are.
    """
    folds, count = np.asarray(folds_b, np.int32), int(folds_b.max()) + 1
    x, scale, sums = _fold_sums(x_bop, y_boq, mask_bo, folds, count=count, centre=centre)
    xx, xy, yy = (np.asarray(v, np.float64) for v in sums)
    weights_fpq = np.stack([_best(xx, xy, yy, fold) for fold in range(count)]).astype(np.float32)
    scaled_fpq = weights_fpq * np.asarray(scale)[None, :, None]
    return np.asarray(_predict(x, scaled_fpq[folds]))


def _best(xx_fpp: np.ndarray, xy_fpq: np.ndarray, yy_fq: np.ndarray, fold: int) -> np.ndarray:
    """[p, q] weights for one held-out fold, each row's penalty chosen on the next one."""
    training = np.arange(len(xx_fpp)) != fold
    inner = (fold + 1) % len(xx_fpp)
    others = training & (np.arange(len(xx_fpp)) != inner)
    errors = [
        yy_fq[inner] - 2 * (w_pq * xy_fpq[inner]).sum(0) + (w_pq * (xx_fpp[inner] @ w_pq)).sum(0)
        for w_pq in _solve(xx_fpp[others].sum(0), xy_fpq[others].sum(0))
    ]
    solutions = _solve(xx_fpp[training].sum(0), xy_fpq[training].sum(0))
    return np.take_along_axis(solutions, np.argmin(errors, axis=0)[None, None, :], axis=0)[0]


def _solve(xx_pp: np.ndarray, xy_pq: np.ndarray) -> np.ndarray:
    """[l, p, q] ridge solutions for all penalties from one eigendecomposition."""
    values, axes = np.linalg.eigh(xx_pp)
    strengths = np.asarray(PENALTIES) * max(float(np.trace(xx_pp)) / len(xx_pp), np.finfo(np.float64).tiny)
    along_pq = axes.T @ xy_pq
    shrunk_lp = np.maximum(values, 0.0)[None, :] + strengths[:, None]
    return axes[None] @ (along_pq[None] / shrunk_lp[:, :, None])


def _scales(x: jax.Array, mask: jax.Array) -> jax.Array:
    """[p] one over each unit's deviation; 0 for one that does not vary."""
    square = jnp.where(mask[:, :, None], x**2, 0.0).sum(axis=(0, 1))
    varies = square > 0
    root = jnp.sqrt(jnp.where(varies, square / jnp.maximum(mask.sum().astype(x.dtype), 1.0), 1.0))
    return jnp.where(varies, 1.0 / root, 0.0)


@functools.partial(compiled, static_argnames=("count", "centre"))
def _fold_sums(
    x: jax.Array, y: jax.Array, mask: jax.Array, folds: jax.Array, *, count: int, centre: str | None
) -> tuple[jax.Array, jax.Array, tuple[jax.Array, ...]]:
    """The units centred, their `_scales`, and [f, p, p], [f, p, q], [f, q]: each clip's products, by fold."""
    if centre is not None:
        x, y = moments.centred(x, mask, centre), moments.centred(y, mask, centre)
    scale = _scales(x, mask)

    def add(totals: tuple[jax.Array, ...], clip: tuple[jax.Array, ...]) -> tuple[tuple[jax.Array, ...], None]:
        x_op, y_oq, mask_o, fold = clip
        units = jnp.where(mask_o[:, None], x_op * scale[None, :], 0.0)
        rows = jnp.where(mask_o[:, None], y_oq, 0.0)
        product = functools.partial(jnp.matmul, precision=PRECISION)
        sums = product(units.T, units), product(units.T, rows), (rows**2).sum(axis=0)
        return tuple(total.at[fold].add(of_clip) for total, of_clip in zip(totals, sums, strict=True)), None

    p, q = x.shape[2], y.shape[2]
    zero = tuple(jnp.zeros((count, *shape), x.dtype) for shape in ((p, p), (p, q), (q,)))
    return x, scale, jax.lax.scan(add, zero, (x, y, mask, folds))[0]


@compiled
def _predict(x: jax.Array, weights: jax.Array) -> jax.Array:
    return jnp.einsum("bop,bpq->boq", x, weights, precision=PRECISION)
