"""Nested cross-validated ridge regression from the moments of folds, for one neuron.

Written for one neuron and vmapped over all: what depends on the feature alone, the eigenvalues of each
training set's normal equations above all, is then computed once for all neurons and penalties.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from actjax.precision import PRECISION
from actjax.similarity.arithmetic.inner import product


class Rows(NamedTuple):
    """The feature in folds, its rows on one scale.

    Attributes:
      count_p: observations of each fold.
      mean_pk: the folds' means.
      yy_pkk: the folds' scatter matrices.
    """

    count_p: jax.Array
    mean_pk: jax.Array
    yy_pkk: jax.Array


class Neuron(NamedTuple):
    """The neuron in folds: means [p], sums of squares [p], cross products with the scaled rows [p, k]."""

    mean_p: jax.Array
    xx_p: jax.Array
    xy_pk: jax.Array


class Fit(NamedTuple):
    """A ridge regression on some of the folds, for several penalties l.

    Attributes:
      axes_kk: eigenvectors of the training scatter matrix, in columns.
      weights_lk: coefficients along them.
      mean_k, mean: training means of the rows and of the neuron.
    """

    axes_kk: jax.Array
    weights_lk: jax.Array
    mean_k: jax.Array
    mean: jax.Array


class Error(NamedTuple):
    """Held-out prediction of one fold [l]: squared error, the prediction's mean, its sum of squares about
    it, and its sum of products with the neuron's deviations."""

    squares: jax.Array
    mean: jax.Array
    spread: jax.Array
    product: jax.Array


def row_scales(count_p: jax.Array, mean_pk: jax.Array, yy_pkk: jax.Array) -> jax.Array:
    """[k] 1 / the rows' deviations over all folds; 0 for a constant row."""
    total = jnp.sum(count_p)
    mean_k = jnp.sum(count_p[:, None] * mean_pk, 0) / jnp.maximum(total, 1)
    between = jnp.sum(count_p[:, None] * (mean_pk - mean_k[None, :]) ** 2, 0)
    variance = (jnp.sum(jnp.diagonal(yy_pkk, axis1=1, axis2=2), 0) + between) / jnp.maximum(total, 1)
    return jnp.where(variance > 0, 1 / jnp.sqrt(jnp.where(variance > 0, variance, 1.0)), 0.0)


def scaled_rows(count_p: jax.Array, mean_pk: jax.Array, yy_pkk: jax.Array, scale_k: jax.Array) -> Rows:
    """The rows divided by their deviations."""
    return Rows(count_p, mean_pk * scale_k[None, :], yy_pkk * scale_k[None, :, None] * scale_k[None, None, :])


def cross_validated(rows: Rows, neuron: Neuron, penalties: tuple[float, ...]) -> dict[str, jax.Array]:
    """R2 and r of held-out predictions of all folds; the penalty is chosen inside each training set."""
    folds, total = rows.count_p.shape[0], jnp.sum(rows.count_p)
    strengths_l = jnp.asarray(penalties, jnp.float32) * total
    chosen_p = jnp.zeros((folds,), jnp.int32)
    if len(penalties) > 1:
        chosen_p = jnp.argmin(_inner_errors(rows, neuron, strengths_l), axis=1)

    def held_out(fold: jax.Array):
        fit = _fit(rows, neuron, 1.0 - jax.nn.one_hot(fold, folds), strengths_l[chosen_p[fold]][None])
        return jax.tree.map(lambda leaf: leaf[0], _error(rows, neuron, fit, fold))

    errors = jax.lax.map(held_out, jnp.arange(folds))
    scores = _pooled(rows, neuron, errors)
    needed = 3 if len(penalties) > 1 else 2
    usable = (jnp.sum(rows.count_p > 0) >= needed) & jnp.any(jnp.diagonal(rows.yy_pkk, axis1=1, axis2=2) > 0)
    return {name: jnp.where(usable, value, jnp.nan) for name, value in scores.items()}


def _inner_errors(rows: Rows, neuron: Neuron, strengths_l: jax.Array) -> jax.Array:
    """[p, l] squared errors within the training set of each fold p, every other fold held out in turn."""
    folds = rows.count_p.shape[0]
    pairs = np.asarray([(i, j) for i in range(folds) for j in range(i)], np.int32).reshape(-1, 2)

    def add(errors_pl: jax.Array, pair: jax.Array):
        # One regression without both folds serves both: each is held out inside the other's training set.
        outside = jax.nn.one_hot(pair[0], folds) + jax.nn.one_hot(pair[1], folds)
        fit = _fit(rows, neuron, 1.0 - outside, strengths_l)
        errors_pl = errors_pl.at[pair[0]].add(_error(rows, neuron, fit, pair[1]).squares)
        return errors_pl.at[pair[1]].add(_error(rows, neuron, fit, pair[0]).squares), None

    zero = jnp.zeros((folds, strengths_l.shape[0]), jnp.float32)
    return jax.lax.scan(add, zero, jnp.asarray(pairs))[0]


def _fit(rows: Rows, neuron: Neuron, used_p: jax.Array, strengths_l: jax.Array) -> Fit:
    weight_p = used_p * rows.count_p
    total = jnp.maximum(jnp.sum(weight_p), 1)
    mean_k, mean = product(weight_p, rows.mean_pk) / total, jnp.sum(weight_p * neuron.mean_p) / total
    apart_pk, apart_p = rows.mean_pk - mean_k[None, :], neuron.mean_p - mean
    yy_kk = jnp.tensordot(used_p, rows.yy_pkk, 1, precision=PRECISION)
    yy_kk = yy_kk + product((apart_pk * weight_p[:, None]).T, apart_pk)
    xy_k = product(used_p, neuron.xy_pk) + product(weight_p * apart_p, apart_pk)
    values_k, axes_kk = jnp.linalg.eigh(yy_kk)
    along_k = product(axes_kk.T, xy_k)
    shrunk = jnp.maximum(values_k, 0.0)[None, :] + strengths_l[:, None]
    return Fit(axes_kk, along_k[None, :] / shrunk, mean_k, mean)


def _error(rows: Rows, neuron: Neuron, fit: Fit, fold: jax.Array) -> Error:
    scatter_kk = product(product(fit.axes_kk.T, rows.yy_pkk[fold]), fit.axes_kk)
    mean_l = fit.mean + product(fit.weights_lk, product(fit.axes_kk.T, rows.mean_pk[fold] - fit.mean_k))
    product_l = product(fit.weights_lk, product(fit.axes_kk.T, neuron.xy_pk[fold]))
    spread_l = jnp.maximum(jnp.sum(product(fit.weights_lk, scatter_kk) * fit.weights_lk, 1), 0.0)
    around = neuron.xx_p[fold] - 2 * product_l + spread_l
    squares_l = jnp.maximum(around, 0.0) + rows.count_p[fold] * (mean_l - neuron.mean_p[fold]) ** 2
    return Error(squares_l, mean_l, spread_l, product_l)


def _pooled(rows: Rows, neuron: Neuron, errors: Error) -> dict[str, jax.Array]:
    """R2 and Pearson's r of all held-out predictions [p] together."""
    count_p, total = rows.count_p, jnp.maximum(jnp.sum(rows.count_p), 1)
    apart_p = neuron.mean_p - jnp.sum(count_p * neuron.mean_p) / total
    predicted_p = errors.mean - jnp.sum(count_p * errors.mean) / total
    xx = jnp.sum(neuron.xx_p + count_p * apart_p**2)
    spread = jnp.sum(errors.spread + count_p * predicted_p**2)
    across = jnp.sum(errors.product + count_p * predicted_p * apart_p)
    r2 = 1 - jnp.sum(errors.squares) / jnp.where(xx > 0, xx, jnp.nan)
    r = across / jnp.sqrt(jnp.where((xx > 0) & (spread > 0), xx, jnp.nan)) / jnp.sqrt(spread)
    return {"score": r2, "r": jnp.clip(r, -1.0, 1.0)}
