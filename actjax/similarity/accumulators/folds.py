"""Second moments of neurons and of all rows of a feature, fold by fold, accumulated over batches.

What cross-validated regression needs to know of the observations: any training set's normal equations
are sums over folds, and so is any held-out error.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from actjax.similarity.arithmetic import long_counts
from actjax.similarity.arithmetic.deviations import about_one_origin, merged_mean
from actjax.similarity.arithmetic.inner import long_product, over_observations, product
from actjax.similarity.arithmetic.scale import NOTHING, item_scales
from actjax.types import Context


class FoldMoments(NamedTuple):
    """Moments of each of p folds, about the fold's own means.

    Attributes:
      count_p: `long_counts.Count`, number of observations.
      scale_n, scale_k: powers of two by which the values were multiplied; all that follows is of the
        products. NOTHING for an item that was 0 so far.
      origin_n, origin_k: what the means are relative to.
      mean_pn, mean_pk: means minus their origins.
      xx_pn: the neurons' sums of squares.
      yy_pkk: the rows' scatter matrices.
      xy_pnk: cross products.
    """

    count_p: long_counts.Count
    scale_n: jax.Array
    scale_k: jax.Array
    origin_n: jax.Array
    origin_k: jax.Array
    mean_pn: jax.Array
    mean_pk: jax.Array
    xx_pn: jax.Array
    yy_pkk: jax.Array
    xy_pnk: jax.Array


class FoldSide(NamedTuple):
    """One side in folds: v columns.

    Attributes:
      origin_v: the first counted observation.
      mean_pv: the folds' means minus the origin.
      deviations_ov: from the fold's mean; zero where the mask is False.
    """

    origin_v: jax.Array
    mean_pv: jax.Array
    deviations_ov: jax.Array


def fold_weights(mask_o: jax.Array, context: Context | None, folds: int) -> jax.Array:
    """[p, o] float32, 1 where an observation counts and is in the fold, else 0.

    The fold is the context's, else the clip id modulo `folds`, else one of `folds` stretches of equal
    length in the order of the observations.
    """
    if context is not None and context.folds_o is not None:
        fold_o = jnp.asarray(context.folds_o) % folds
    elif context is not None and context.clip_ids_o is not None:
        fold_o = jnp.asarray(context.clip_ids_o) % folds
    else:
        place = jnp.cumsum(mask_o.astype(jnp.int32)) - 1
        length = -(-jnp.maximum(jnp.sum(mask_o.astype(jnp.int32)), 1) // folds)
        fold_o = place // length
    inside = (fold_o[None, :] == jnp.arange(folds)[:, None]) & mask_o[None, :]
    return inside.astype(jnp.float32)


def fold_side(values_ov: jax.Array, mask_o: jax.Array, weights_po: jax.Array) -> FoldSide:
    """Centres one side within each fold."""
    count_p = jnp.sum(weights_po, 1)
    first = jnp.where(jnp.any(mask_o), values_ov[jnp.argmax(mask_o)], 0.0)
    shifted = jnp.where(mask_o[:, None], values_ov - first[None, :], 0.0)
    mean = long_product(weights_po, shifted) / jnp.maximum(count_p, 1)[:, None]
    return FoldSide(first, mean, jnp.where(mask_o[:, None], shifted - product(weights_po.T, mean), 0.0))


def cross_products(a_ov: jax.Array, b_ov: jax.Array) -> jax.Array:
    """The sums over observations of all products of columns, [v of a, v of b]."""
    return over_observations(lambda a, b: product(a.T, b), (a_ov, 0), (b_ov, 0))


def init(folds: int, n: int, k: int) -> FoldMoments:
    """No observations yet."""

    def zeros(*shape: int) -> jax.Array:
        return jnp.zeros(shape, jnp.float32)

    return FoldMoments(
        long_counts.zero((folds,)), zeros(n) + NOTHING, zeros(k) + NOTHING,
        zeros(n), zeros(k), zeros(folds, n), zeros(folds, k), zeros(folds, n),
        zeros(folds, k, k), zeros(folds, n, k),
    )  # fmt: skip


def update(
    state: FoldMoments, x_on: jax.Array, y_ok: jax.Array, mask_o: jax.Array, context: Context | None
) -> FoldMoments:
    """Adds a batch of observations.

    Raises:
      ValueError: the context has neither folds nor clip ids; places in a stream are no folds.
    """
    if context is None or (context.folds_o is None and context.clip_ids_o is None):
        raise ValueError("ridge expected folds or clip ids with batches of observations, got neither")
    weights = fold_weights(mask_o, context, state.count_p.low.shape[0])
    scale_n, scale_k = item_scales(x_on, mask_o, 0), item_scales(y_ok, mask_o, 0)
    x = fold_side(x_on * scale_n[None, :], mask_o, weights)
    y = fold_side(y_ok * scale_k[None, :], mask_o, weights)

    def of_fold(weight_o: jax.Array) -> tuple[jax.Array, jax.Array]:
        y_in_ok = y.deviations_ov * weight_o[:, None]
        return cross_products(y_in_ok, y.deviations_ov), cross_products(x.deviations_ov, y_in_ok)

    yy, xy = jax.lax.map(of_fold, weights)
    xx = long_product(weights, x.deviations_ov**2)
    count_p = long_counts.of_mask(weights > 0, 1)
    batch = FoldMoments(count_p, scale_n, scale_k, x.origin_v, y.origin_v, x.mean_pv, y.mean_pv, xx, yy, xy)
    return merge(state, batch)


def merge(a: FoldMoments, b: FoldMoments) -> FoldMoments:
    """The moments of both sets of observations; associative and commutative up to rounding."""
    scale_n, scale_k = jnp.minimum(a.scale_n, b.scale_n), jnp.minimum(a.scale_k, b.scale_k)
    a, b = _rescaled(a, scale_n, scale_k), _rescaled(b, scale_n, scale_k)
    of_a, of_b = long_counts.as_float(a.count_p), long_counts.as_float(b.count_p)
    some = jnp.any(of_a > 0)
    origin_n, mean_a_pn, mean_b_pn = about_one_origin(
        some, a.origin_n[None, :], a.mean_pn, b.origin_n[None, :], b.mean_pn
    )
    origin_k, mean_a_pk, mean_b_pk = about_one_origin(
        some, a.origin_k[None, :], a.mean_pk, b.origin_k[None, :], b.mean_pk
    )
    mean_pn, dx = merged_mean(of_a[:, None], mean_a_pn, of_b[:, None], mean_b_pn)
    mean_pk, dy = merged_mean(of_a[:, None], mean_a_pk, of_b[:, None], mean_b_pk)
    between = of_a * (of_b / jnp.maximum(of_a + of_b, 1))
    scaled_dy = dy * between[:, None]
    return FoldMoments(
        count_p=long_counts.add(a.count_p, b.count_p),
        scale_n=scale_n,
        scale_k=scale_k,
        origin_n=origin_n[0],
        origin_k=origin_k[0],
        mean_pn=mean_pn,
        mean_pk=mean_pk,
        xx_pn=a.xx_pn + b.xx_pn + dx * dx * between[:, None],
        yy_pkk=a.yy_pkk + b.yy_pkk + dy[:, :, None] * scaled_dy[:, None, :],
        xy_pnk=a.xy_pnk + b.xy_pnk + dx[:, :, None] * scaled_dy[:, None, :],
    )


def _rescaled(state: FoldMoments, scale_n: jax.Array, scale_k: jax.Array) -> FoldMoments:
    """The same moments at other scales."""
    by_n, by_k = scale_n / state.scale_n, scale_k / state.scale_k
    return state._replace(
        origin_n=state.origin_n * by_n,
        origin_k=state.origin_k * by_k,
        mean_pn=state.mean_pn * by_n[None, :],
        mean_pk=state.mean_pk * by_k[None, :],
        xx_pn=state.xx_pn * by_n[None, :] * by_n[None, :],
        yy_pkk=state.yy_pkk * by_k[None, :, None] * by_k[None, None, :],
        xy_pnk=state.xy_pnk * by_n[None, :, None] * by_k[None, None, :],
    )
