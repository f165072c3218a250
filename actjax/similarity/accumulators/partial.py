"""Moments of what nuisance rows leave of all pairs, accumulated over batches.

Subtracting the nuisances' share from second moments at the end cancels where little is left. A partial
correlation does not change when any multiple of the nuisances is taken off both sides, so the first
batch's regression is taken off every observation as it comes: what is then accumulated are moments of
near-residuals, and the rest of the regression, done at the end, is a small correction.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from actjax.similarity.arithmetic import long_counts
from actjax.similarity.arithmetic.deviations import deviations, merged_mean
from actjax.similarity.arithmetic.inner import product
from actjax.similarity.arithmetic.scale import NOTHING, item_scales
from actjax.types import Accumulator, Context

MIN_OBSERVATIONS = 3
# The state has room for this many nuisance rows.
MOST_NUISANCES = 8
# A row with a smaller share of its deviation left is explained by the nuisances: it has no residual.
LEAST_LEFT = 1e-5
# Eigenvalues of the nuisances' correlation matrix below this are rounding, or as good as.
LEAST_EIGENVALUE = 1e-5


class Side(NamedTuple):
    """One side's near-residuals r = v - origin - slope (z - origin of z), v of them.

    Attributes:
      scale_v: powers of two by which the values were multiplied; all that follows is of the products.
        NOTHING for an item that was 0 so far.
      origin_v, slope_vq: what is taken off.
      mean_v: mean of r.
      squares_v: sum of squared deviations of r.
      with_z_vq: sum of products of deviations of r and z.
    """

    scale_v: jax.Array
    origin_v: jax.Array
    slope_vq: jax.Array
    mean_v: jax.Array
    squares_v: jax.Array
    with_z_vq: jax.Array


class PartialMoments(NamedTuple):
    """The count, both sides, the nuisances' scales and moments, and the cross products."""

    count: long_counts.Count
    x: Side
    y: Side
    scale_q: jax.Array
    origin_q: jax.Array
    mean_q: jax.Array
    zz_qq: jax.Array
    xy_nk: jax.Array


def partial_moments() -> Accumulator:
    """The accumulator of partial correlations."""
    return Accumulator("partial_moments", init, update, merge, finalize)


def nuisances(context: Context | None, mask_o: jax.Array) -> jax.Array:
    """[o, q] the context's nuisance rows, zero where the mask is False.

    Raises:
      ValueError: there are none, or more than MOST_NUISANCES.
    """
    if context is None or context.nuisance_oq is None:
        raise ValueError("partial_pearson expected nuisance rows [o, q], got none; take pearson without them")
    nuisance_oq = jnp.asarray(context.nuisance_oq).astype(jnp.float32)
    if nuisance_oq.shape[1] > MOST_NUISANCES:
        raise ValueError(f"expected at most {MOST_NUISANCES} nuisance rows, got {nuisance_oq.shape[1]}")
    return jnp.where(mask_o[:, None], nuisance_oq, 0.0)


def init(n: int, k: int) -> PartialMoments:
    """No observations yet."""
    zero_q = jnp.zeros((MOST_NUISANCES,), jnp.float32)
    zero_qq = jnp.zeros((MOST_NUISANCES, MOST_NUISANCES), jnp.float32)
    cross = jnp.zeros((n, k), jnp.float32)
    return PartialMoments(
        long_counts.zero(), _empty_side(n), _empty_side(k), zero_q + NOTHING, zero_q, zero_q, zero_qq, cross
    )


def update(
    state: PartialMoments, x_on: jax.Array, y_ok: jax.Array, mask_o: jax.Array, context: Context | None
) -> PartialMoments:
    """Adds a batch of observations."""
    z_oq = nuisances(context, mask_o)
    z_oq = jnp.pad(z_oq, ((0, 0), (0, MOST_NUISANCES - z_oq.shape[1])))
    state, (x_on, y_ok, z_oq) = _at_common_scales(state, (x_on, y_ok, z_oq), mask_o)
    origin_q, mean_q, dz_oq = deviations(z_oq, mask_o, 0)
    zz_qq = product(dz_oq.T, dz_oq)
    started = long_counts.reaches(state.count, 1)
    z_from_q = origin_q + mean_q
    # Sums are made of deviations within the batch, so the origin matters to the mean only.
    x, dx_on = _side(x_on, mask_o, dz_oq, zz_qq, started, state.x, z_from_q - state.origin_q)
    y, dy_ok = _side(y_ok, mask_o, dz_oq, zz_qq, started, state.y, z_from_q - state.origin_q)
    base_q = jnp.where(started, state.origin_q, z_from_q)
    mean_q = jnp.where(started, (origin_q - base_q) + mean_q, 0.0)
    count = long_counts.of_mask(mask_o)
    batch = PartialMoments(count, x, y, state.scale_q, base_q, mean_q, zz_qq, product(dx_on.T, dy_ok))
    return merge(state, batch)


def merge(a: PartialMoments, b: PartialMoments) -> PartialMoments:
    """The moments of both sets of observations; associative and commutative up to rounding."""
    scales = [
        jnp.minimum(of_a, of_b)
        for of_a, of_b in ((a.x.scale_v, b.x.scale_v), (a.y.scale_v, b.y.scale_v), (a.scale_q, b.scale_q))
    ]
    a, b = _rescaled(a, *scales), _rescaled(b, *scales)
    first = long_counts.reaches(a.count, 1)
    base = jax.tree.map(lambda of_a, of_b: jnp.where(first, of_a, of_b), a, b)
    a, b = _rebased(a, base), _rebased(b, base)
    of_a, of_b = long_counts.as_float(a.count), long_counts.as_float(b.count)
    between = of_a * (of_b / jnp.maximum(of_a + of_b, 1))
    mean_q, dz = merged_mean(of_a, a.mean_q, of_b, b.mean_q)
    x, dx = _merge_side(of_a, a.x, of_b, b.x, between, dz)
    y, dy = _merge_side(of_a, a.y, of_b, b.y, between, dz)
    return PartialMoments(
        count=long_counts.add(a.count, b.count),
        x=x,
        y=y,
        scale_q=scales[2],
        origin_q=base.origin_q,
        mean_q=mean_q,
        zz_qq=a.zz_qq + b.zz_qq + dz[:, None] * (dz * between)[None, :],
        xy_nk=a.xy_nk + b.xy_nk + dx[:, None] * (dy * between)[None, :],
    )


def finalize(state: PartialMoments) -> dict[str, jax.Array | long_counts.Count]:
    """The partial correlation of all pairs; NaN where the nuisances leave nothing of a side."""
    inverse = inverse_of(state.zz_qq)
    left_n, left_k = _left(state.x, state.zz_qq, inverse), _left(state.y, state.zz_qq, inverse)
    slopes = product(state.x.with_z_vq, inverse)
    xy = state.xy_nk - product(slopes, state.y.with_z_vq.T)
    score = xy / jnp.sqrt(left_n)[:, None] / jnp.sqrt(left_k)[None, :]
    enough = long_counts.reaches(state.count, MIN_OBSERVATIONS)
    return {"score": jnp.where(enough, jnp.clip(score, -1.0, 1.0), jnp.nan), "n_observations": state.count}


def inverse_of(zz_qq: jax.Array) -> jax.Array:
    """The pseudo-inverse of the nuisances' scatter matrix, by the eigenvalues of their correlations."""
    variance = jnp.diagonal(zz_qq)
    scale = jnp.where(variance > 0, 1 / jnp.sqrt(jnp.where(variance > 0, variance, 1.0)), 0.0)
    values, vectors = jnp.linalg.eigh(zz_qq * scale[:, None] * scale[None, :])
    inverse = jnp.where(values > LEAST_EIGENVALUE, 1 / jnp.maximum(values, LEAST_EIGENVALUE), 0.0)
    return scale[:, None] * product(vectors * inverse[None, :], vectors.T) * scale[None, :]


def _empty_side(size: int) -> Side:
    zero, zero_q = jnp.zeros((size,), jnp.float32), jnp.zeros((size, MOST_NUISANCES), jnp.float32)
    return Side(zero + NOTHING, zero, zero_q, zero, zero, zero_q)


def _at_common_scales(
    state: PartialMoments, sides: tuple[jax.Array, ...], mask_o: jax.Array
) -> tuple[PartialMoments, list[jax.Array]]:
    """(the state, the batch's x, y and nuisances), each item at the smaller of its two scales."""
    scales_before = (state.x.scale_v, state.y.scale_v, state.scale_q)
    scale_n, scale_k, scale_q = (
        jnp.minimum(item_scales(values, mask_o, 0), before)
        for values, before in zip(sides, scales_before, strict=True)
    )
    scaled = [
        values * scale[None, :] for values, scale in zip(sides, (scale_n, scale_k, scale_q), strict=True)
    ]
    return _rescaled(state, scale_n, scale_k, scale_q), scaled


def _side(
    values_ov: jax.Array,
    mask_o: jax.Array,
    dz_oq: jax.Array,
    zz_qq: jax.Array,
    started: jax.Array,
    base: Side,
    z_moved_q: jax.Array,
) -> tuple[Side, jax.Array]:
    """A batch's side on the state's base (on the batch's where the state is empty), and its residuals."""
    origin, mean, apart = deviations(values_ov, mask_o, 0)
    batch_slope = product(product(apart.T, dz_oq), inverse_of(zz_qq))
    slope = jnp.where(started, base.slope_vq, batch_slope)
    residuals = apart - product(dz_oq, slope.T)
    at = origin + mean
    shift = (origin - base.origin_v) + mean - product(base.slope_vq, z_moved_q)
    side = Side(
        scale_v=base.scale_v,
        origin_v=jnp.where(started, base.origin_v, at),
        slope_vq=slope,
        mean_v=jnp.where(started, shift, 0.0),
        squares_v=jnp.sum(residuals * residuals, 0),
        with_z_vq=product(residuals.T, dz_oq),
    )
    return side, residuals


def _rescaled(
    state: PartialMoments, scale_n: jax.Array, scale_k: jax.Array, scale_q: jax.Array
) -> PartialMoments:
    """The same moments at other scales."""
    by_n, by_k, by_q = scale_n / state.x.scale_v, scale_k / state.y.scale_v, scale_q / state.scale_q
    return state._replace(
        x=_rescaled_side(state.x, scale_n, by_n, by_q),
        y=_rescaled_side(state.y, scale_k, by_k, by_q),
        scale_q=scale_q,
        origin_q=state.origin_q * by_q,
        mean_q=state.mean_q * by_q,
        zz_qq=state.zz_qq * by_q[:, None] * by_q[None, :],
        xy_nk=state.xy_nk * by_n[:, None] * by_k[None, :],
    )


def _rescaled_side(side: Side, scale_v: jax.Array, by_v: jax.Array, by_q: jax.Array) -> Side:
    # A nuisance that was 0 so far has a slope of 0, whatever the scale.
    slope_by_q = 1 / jnp.maximum(by_q, 2.0**-126)
    return Side(
        scale_v=scale_v,
        origin_v=side.origin_v * by_v,
        slope_vq=side.slope_vq * by_v[:, None] * slope_by_q[None, :],
        mean_v=side.mean_v * by_v,
        squares_v=side.squares_v * by_v * by_v,
        with_z_vq=side.with_z_vq * by_v[:, None] * by_q[None, :],
    )


def _rebased(state: PartialMoments, base: PartialMoments) -> PartialMoments:
    """The same observations with the base's origins and slopes taken off."""
    x, off_x = _rebased_side(state.x, base.x, state, base)
    y, off_y = _rebased_side(state.y, base.y, state, base)
    xy = state.xy_nk + product(off_x, state.y.with_z_vq.T) + product(x.with_z_vq, off_y.T)
    mean_q = (state.origin_q - base.origin_q) + state.mean_q
    return state._replace(x=x, y=y, xy_nk=xy, origin_q=base.origin_q, mean_q=mean_q)


def _rebased_side(
    side: Side, base: Side, state: PartialMoments, base_state: PartialMoments
) -> tuple[Side, jax.Array]:
    off = side.slope_vq - base.slope_vq
    moved = (state.origin_q - base_state.origin_q) + state.mean_q
    with_z = side.with_z_vq + product(off, state.zz_qq)
    mean = side.mean_v + (side.origin_v - base.origin_v)
    mean = mean + product(side.slope_vq, state.mean_q) - product(base.slope_vq, moved)
    squares = side.squares_v + jnp.sum(off * (side.with_z_vq + with_z), 1)
    return Side(side.scale_v, base.origin_v, base.slope_vq, mean, jnp.maximum(squares, 0.0), with_z), off


def _merge_side(
    count_a: jax.Array, of_a: Side, count_b: jax.Array, of_b: Side, between: jax.Array, dz: jax.Array
) -> tuple[Side, jax.Array]:
    mean, delta = merged_mean(count_a, of_a.mean_v, count_b, of_b.mean_v)
    merged = Side(
        scale_v=of_a.scale_v,
        origin_v=of_a.origin_v,
        slope_vq=of_a.slope_vq,
        mean_v=mean,
        squares_v=of_a.squares_v + of_b.squares_v + delta * delta * between,
        with_z_vq=of_a.with_z_vq + of_b.with_z_vq + delta[:, None] * (dz * between)[None, :],
    )
    return merged, delta


def _left(side: Side, zz_qq: jax.Array, inverse: jax.Array) -> jax.Array:
    """The residuals' sum of squares; NaN where nothing, or no more than rounding, is left."""
    total = side.squares_v + jnp.sum(side.slope_vq * (2 * side.with_z_vq + product(side.slope_vq, zz_qq)), 1)
    left = side.squares_v - jnp.sum(product(side.with_z_vq, inverse) * side.with_z_vq, 1)
    some = (left > LEAST_LEFT**2 * total) & (left > 1e-6 * side.squares_v)
    return jnp.where(some, left, jnp.nan)
