"""Correlates many rearrangements or weightings of the same clips by matrix products.

Two ways to the same numbers. `direct`: the feature rows of R rearrangements are R times more
columns of one product. `by_clip_pairs`: the products of each clip with each clip it can meet are
made once, and a replicate is a weighted sum of them, itself a matrix product; cheaper where a
clip meets few others (small classes), and the form of every reweighting (halves, bootstrap).

Where masks differ between clips, a pair of clips is compared on the observations valid in both,
and its means and norms are those of these observations.
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from actjax.precision import PRECISION

CENTRES = ("clip", "all", "none")
# A column that varies by less than this share of its largest value is constant up to rounding.
_ROUNDING = 1e-6


class Sums(NamedTuple):
    """Sums over observations of one replicate or many, those a correlation is made of.

    Attributes:
      xy: [r, n, k] sums of products.
      xx, x: [r, n] sums of squares and sums of the neurons.
      yy, y: [r, k] those of the feature rows.
      count: [r] observations.
    """

    xy: jax.Array
    xx: jax.Array
    x: jax.Array
    yy: jax.Array
    y: jax.Array
    count: jax.Array


@functools.partial(jax.jit, static_argnames="centre")
def centred(values_bov: jax.Array, mask_bo: jax.Array, centre: str) -> jax.Array:
    """[b, o, v] values made ready: means removed, scaled, zero where masked.

    Args:
      values_bov: neurons or feature rows.
      mask_bo: [b, o] bool.
      centre: "clip" removes each clip's own mean (scores within clips), "all" the mean over all
        clips (clip view, total), "none" nothing (cosine).

    Returns:
      Each column divided by its largest magnitude; columns that are constant come back as zeros.
    """
    values = scaled(values_bov, mask_bo, largest(values_bov, mask_bo))
    if centre == "none":
        return values
    values = less_means(values, mask_bo, (1,) if centre == "clip" else (0, 1))
    left = jnp.abs(values).max(axis=(0, 1), keepdims=True)
    return jnp.where(varies(left), values / jnp.where(left > 0, left, jnp.ones_like(left)), 0.0)


def largest(values_bov: jax.Array, mask_bo: jax.Array) -> jax.Array:
    """[v] the largest magnitude of each column inside the mask."""
    return jnp.where(mask_bo[:, :, None], jnp.abs(values_bov), 0.0).max(axis=(0, 1))


def scaled(values_bov: jax.Array, mask_bo: jax.Array, largest_v: jax.Array) -> jax.Array:
    """Values over the largest of their column; zero where masked."""
    values = jnp.where(mask_bo[:, :, None], values_bov, jnp.zeros_like(values_bov))
    return values / jnp.where(largest_v > 0, largest_v, jnp.ones_like(largest_v))[None, None, :]


def less_means(values_bov: jax.Array, mask_bo: jax.Array, axes: tuple[int, ...]) -> jax.Array:
    """Values less their means over some axes; zero where masked."""
    weights = mask_bo.astype(values_bov.dtype)[:, :, None]
    count = jnp.maximum(weights.sum(axis=axes, keepdims=True), 1.0)
    # Twice: the second pass removes what rounding left of a large mean.
    for _ in range(2):
        values_bov = (values_bov - values_bov.sum(axis=axes, keepdims=True) / count) * weights
    return values_bov


def varies(left: jax.Array) -> jax.Array:
    """Whether more than rounding is left of scaled columns, of their largest deviations."""
    return left > _ROUNDING


def standardised(values_bov: jax.Array, mask_bo: jax.Array, centre: str) -> jax.Array:
    """[b, o, v] `centred` values of variance 1; zeros for a constant column."""
    values = centred(values_bov, mask_bo, centre)
    count = jnp.maximum(mask_bo.sum().astype(values.dtype), 1.0)
    deviation = jnp.sqrt((values**2).sum(axis=(0, 1), keepdims=True) / count)
    return values / jnp.where(deviation > 0, deviation, jnp.ones_like(deviation))


def correlation(sums: Sums) -> jax.Array:
    """[r, n, k] correlations in [-1, 1]; NaN where a side does not vary."""
    count = jnp.maximum(sums.count, 1.0)
    covariance = sums.xy - sums.x[:, :, None] * (sums.y / count[:, None])[:, None, :]
    xx = sums.xx - sums.x**2 / count[:, None]
    yy = sums.yy - sums.y**2 / count[:, None]
    # Sums of centred squares below this share of the raw ones are rounding.
    inverse_x = _inverse_root(xx, sums.xx * 1e-6)
    inverse_y = _inverse_root(yy, sums.yy * 1e-6)
    return covariance * inverse_x[:, :, None] * inverse_y[:, None, :]


def direct(
    x_bon: jax.Array,
    mask_x_bo: jax.Array,
    y_bok: jax.Array,
    mask_bo: jax.Array,
    source_rb: jax.Array,
    index_rbo: jax.Array | None = None,
    *,
    centre: str,
    joint: bool,
) -> Sums:
    """Moments of R rearrangements; they add up over batches of clips.

    Args:
      x_bon: [b, o, n] neurons of these clips, from `centred`.
      mask_x_bo: [b, o] bool, the mask of these clips.
      y_bok: [all b, o, k] feature rows of all clips, from `centred`.
      mask_bo: [all b, o] bool, the mask of all clips.
      source_rb: [r, b] int32, which of all clips these clips meet.
      index_rbo: [r, b, o] int32, the observation of the source that o meets; None for o itself.
      centre: as in `centred`.
      joint: whether the masks of clips that meet may differ.
    """
    mask_x_bo, mask_bo = mask_x_bo.astype(x_bon.dtype), mask_bo.astype(x_bon.dtype)
    y_rbok, mask_rbo = y_bok[source_rb], mask_bo[source_rb]
    if index_rbo is not None:
        y_rbok = jnp.take_along_axis(y_rbok, index_rbo[..., None], axis=2)
        mask_rbo = jnp.take_along_axis(mask_rbo, index_rbo, axis=2)
    xy = _einsum("bon,rbok->rnk", x_bon, y_rbok)
    if not joint:
        return where_masks_agree(xy, x_bon, y_bok, mask_bo, source_rb, centre=centre)
    count_rb = _einsum("bo,rbo->rb", mask_x_bo, mask_rbo)
    x_rbn, xx = _einsum("bon,rbo->rbn", x_bon, mask_rbo), _einsum("bon,rbo->rn", x_bon**2, mask_rbo)
    y_rbk, yy = _einsum("bo,rbok->rbk", mask_x_bo, y_rbok), _einsum("bo,rbok->rk", mask_x_bo, y_rbok**2)
    if centre == "clip":
        share_rb1 = (1.0 / jnp.maximum(count_rb, 1.0))[:, :, None]
        xy = xy - _einsum("rbn,rbk->rnk", x_rbn * share_rb1, y_rbk)
        xx, yy = xx - (x_rbn**2 * share_rb1).sum(axis=1), yy - (y_rbk**2 * share_rb1).sum(axis=1)
    totals = Sums(xy, xx, x_rbn.sum(axis=1), yy, y_rbk.sum(axis=1), count_rb.sum(axis=1))
    return _uncentred(totals, centre)


def where_masks_agree(
    xy_rnk: jax.Array,
    x_bon: jax.Array,
    y_bok: jax.Array,
    mask_bo: jax.Array,
    source_rb: jax.Array,
    *,
    centre: str,
) -> Sums:
    """The moments of rearrangements whose products are summed, where clips that meet have one mask."""
    xx, x = (x_bon**2).sum(axis=(0, 1))[None, :], x_bon.sum(axis=(0, 1))[None, :]
    yy, y = (y_bok**2).sum(axis=1)[source_rb].sum(axis=1), y_bok.sum(axis=1)[source_rb].sum(axis=1)
    count = mask_bo.sum(axis=1)[source_rb].sum(axis=1).astype(x_bon.dtype)
    return _uncentred(Sums(xy_rnk, xx, x, yy, y, count), centre)


def by_clip_pairs(
    x_bon: jax.Array,
    y_bok: jax.Array,
    mask_bo: jax.Array,
    partner_bj: jax.Array,
    weights_rbj: jax.Array,
    *,
    centre: str,
    joint: bool,
    block: int,
) -> Sums:
    """Moments of weighted sums over pairs of clips.

    Args:
      x_bon, y_bok: [b, o, n], [b, o, k] of all clips, from `centred`.
      mask_bo: [b, o] bool.
      partner_bj: [b, j] int32, the clips whose feature clip b can meet.
      weights_rbj: [r, b, j], how much that pair counts: 0 and 1 for permutations (one 1 for each b),
        counts for a bootstrap.
      centre, joint: as in `direct`.
      block: clips at a time; [block, j, n, k] products are held.
    """
    clips, partners = partner_bj.shape
    valid_bo = mask_bo.astype(x_bon.dtype)
    rows = jnp.arange(clips)

    def add(total: Sums, start: jax.Array) -> tuple[Sums, None]:
        # The last block overlaps the one before; its weights there are zeroed.
        first = jnp.minimum(start, clips - block)
        clip_c = first + jnp.arange(block)
        fresh = (rows[clip_c] >= start).astype(x_bon.dtype)
        met = partner_bj[clip_c]
        pairs = _pair_moments(x_bon[clip_c], valid_bo[clip_c], y_bok[met], valid_bo[met], centre, joint)
        weights = (weights_rbj[:, clip_c] * fresh[None, :, None]).reshape(-1, block * partners)
        of_block = jax.tree.map(lambda leaf: _einsum("rp,p...->r...", weights, leaf), pairs)
        return jax.tree.map(jnp.add, total, of_block), None

    shape = (weights_rbj.shape[0], x_bon.shape[2], y_bok.shape[2])
    r, n, k = shape
    zero = Sums(*(jnp.zeros(s, x_bon.dtype) for s in (shape, (r, n), (r, n), (r, k), (r, k), (r,))))
    total, _ = jax.lax.scan(add, zero, jnp.arange(0, clips, block))
    return _uncentred(total, centre)


@functools.partial(jax.jit, static_argnames=("centre", "joint", "block"))
def pair_scores(
    x_bon: jax.Array, y_bok: jax.Array, mask_bo: jax.Array, partner_bj: jax.Array, weights_rbj: jax.Array,
    *, centre: str, joint: bool, block: int,
) -> jax.Array:  # fmt: skip
    """[r, n, k] correlations of weighted pairs of clips, compiled; arguments as in `by_clip_pairs`."""
    sides = x_bon, y_bok, mask_bo, partner_bj, weights_rbj
    return correlation(by_clip_pairs(*sides, centre=centre, joint=joint, block=block))


@jax.jit
def weighted_sums(weights_rp: jax.Array, scores_pnk: jax.Array) -> tuple[jax.Array, jax.Array]:
    """([r, n, k] sums of the scores that are not NaN, [r, n, k] the weights summed)."""
    finite = jnp.isfinite(scores_pnk)
    values = jnp.where(finite, scores_pnk, jnp.zeros_like(scores_pnk))
    count = _einsum("rp,pnk->rnk", weights_rp, finite.astype(scores_pnk.dtype))
    return _einsum("rp,pnk->rnk", weights_rp, values), count


def rotated(
    shift_rb: jax.Array | np.ndarray, length_b: jax.Array | np.ndarray, observations: int, frames: int | None
) -> jax.Array:
    """[r, b, o] the observation that each one meets after rotating its frame by the clip's shift."""
    frames = frames or observations
    o = jnp.arange(observations)
    frame, base = (o % frames)[None, None, :], (o - o % frames)[None, None, :]
    length = jnp.asarray(length_b)[None, :, None]
    turned = (frame - jnp.asarray(shift_rb)[:, :, None]) % length
    return base + jnp.where(frame < length, turned, frame)


def _pair_moments(
    x_bon: jax.Array, mask_x_bo: jax.Array, y_bjok: jax.Array, mask_bjo: jax.Array, centre: str, joint: bool
) -> Sums:
    """Moments of each pair of clips; all leaves begin with the axis of the b * j pairs."""
    b, j = mask_bjo.shape[:2]
    xy = _einsum("bon,bjok->bjnk", x_bon, y_bjok)
    if joint:
        count = _einsum("bo,bjo->bj", mask_x_bo, mask_bjo)
        x, xx = _einsum("bon,bjo->bjn", x_bon, mask_bjo), _einsum("bon,bjo->bjn", x_bon**2, mask_bjo)
        y, yy = _einsum("bo,bjok->bjk", mask_x_bo, y_bjok), _einsum("bo,bjok->bjk", mask_x_bo, y_bjok**2)
        if centre == "clip":
            share = (1.0 / jnp.maximum(count, 1.0))[:, :, None]
            xy = xy - (x * share)[..., None] * y[:, :, None, :]
            xx, yy = xx - x**2 * share, yy - y**2 * share
    else:
        count, y, yy = mask_bjo.sum(axis=2), y_bjok.sum(axis=2), (y_bjok**2).sum(axis=2)
        x, xx = (
            jnp.broadcast_to(v[:, None, :], (b, j, v.shape[1])) for v in (x_bon.sum(1), (x_bon**2).sum(1))
        )
    pairs = Sums(xy, xx, x, yy, y, count)
    return jax.tree.map(lambda leaf: leaf.reshape(b * j, *leaf.shape[2:]), pairs)


def _uncentred(sums: Sums, centre: str) -> Sums:
    """Drops the sums of deviations unless they are to be taken off in `correlation`."""
    if centre == "all":
        return sums
    return sums._replace(x=jnp.zeros_like(sums.x), y=jnp.zeros_like(sums.y))


def _inverse_root(square: jax.Array, smallest: jax.Array) -> jax.Array:
    defined = square > smallest
    return jnp.where(defined, jax.lax.rsqrt(jnp.where(defined, square, jnp.ones_like(square))), jnp.nan)


def _einsum(spec: str, *operands: jax.Array) -> jax.Array:
    return jnp.einsum(spec, *operands, precision=PRECISION)
