"""Central moments up to the cubes of both sides, accumulated over batches in one pass.

The cosine of centred cubes needs sum (x - mean)^3 (y - mean)^3 with means that are known only at the
end. Moving a centre turns that moment into a binomial sum of lower ones (P. Pébay, "Formulas for robust,
one-pass parallel computation of covariances and arbitrary-order statistical moments", 2008), so all of
them are kept, on a scale where sixth powers stay within float32.
"""

import functools
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from actjax.similarity.arithmetic import long_counts
from actjax.similarity.arithmetic.deviations import about_one_origin, deviations, merged_mean
from actjax.similarity.arithmetic.inner import product
from actjax.types import Accumulator, Context

MIN_OBSERVATIONS = 3


class Side(NamedTuple):
    """One side's observations so far, v of them.

    Attributes:
      origin_v, mean_v: the mean is origin + mean.
      scale_v: the unit of the powers; 0 before any observation that differs from the mean.
      powers_pv: [7, v] sums of the deviations' p-th powers.
    """

    origin_v: jax.Array
    mean_v: jax.Array
    scale_v: jax.Array
    powers_pv: jax.Array


# How the deviations move when their mean does: the new ones are factor_v * old + shift_v.
Move = tuple[jax.Array, jax.Array]
# Sums of the powers 0, 1, 2 ... of deviations.
Sums = jax.Array | Sequence[jax.Array]


class CubicMoments(NamedTuple):
    """Both sides, and cross_nk[a - 1][b - 1] = sum of x^a y^b of deviations for a, b = 1, 2, 3."""

    count: long_counts.Count
    x: Side
    y: Side
    cross_nk: list[list[jax.Array]]


def cubic_moments() -> Accumulator:
    """The accumulator of the cosine of centred cubes; it holds 9 arrays [n, k]."""
    return Accumulator("cubic_moments", init, update, merge, finalize)


def init(n: int, k: int) -> CubicMoments:
    """No observations yet."""
    cross = [[jnp.zeros((n, k), jnp.float32) for _ in range(3)] for _ in range(3)]
    return CubicMoments(long_counts.zero(), _empty_side(n), _empty_side(k), cross)


def update(
    state: CubicMoments, x_on: jax.Array, y_ok: jax.Array, mask_o: jax.Array, context: Context | None = None
) -> CubicMoments:
    """Adds a batch of observations."""
    count = jnp.sum(mask_o).astype(jnp.float32)
    x, x_on = _side(x_on, mask_o, count)
    y, y_ok = _side(y_ok, mask_o, count)
    cross = [[product((x_on**a).T, y_ok**b) for b in (1, 2, 3)] for a in (1, 2, 3)]
    return merge(state, CubicMoments(long_counts.of_mask(mask_o), x, y, cross))


def merge(a: CubicMoments, b: CubicMoments) -> CubicMoments:
    """The moments of both sets of observations; associative and commutative up to rounding."""
    count = long_counts.add(a.count, b.count)
    of_a, of_b, of_both = (long_counts.as_float(one) for one in (a.count, b.count, count))
    x, moves_x = _merge_side(of_a, of_b, of_both, a.x, b.x)
    y, moves_y = _merge_side(of_a, of_b, of_both, a.y, b.y)
    moved_a, moved_b = (_moved(*state) for state in zip((a, b), moves_x, moves_y, strict=True))
    cross = jax.tree.map(jnp.add, moved_a, moved_b)
    return CubicMoments(count, x, y, cross)


def finalize(state: CubicMoments) -> dict[str, Any]:
    """The cosine of centred cubes of all pairs; NaN where a side is constant."""
    xx, yy = state.x.powers_pv[6], state.y.powers_pv[6]
    scale_n = jnp.where(xx > 0, 1 / jnp.sqrt(xx), jnp.nan)
    scale_k = jnp.where(yy > 0, 1 / jnp.sqrt(yy), jnp.nan)
    score = jnp.clip(state.cross_nk[2][2] * scale_n[:, None] * scale_k[None, :], -1.0, 1.0)
    enough = long_counts.reaches(state.count, MIN_OBSERVATIONS)
    return {"score": jnp.where(enough, score, jnp.nan), "n_observations": state.count}


def _empty_side(size: int) -> Side:
    zero = jnp.zeros((size,), jnp.float32)
    return Side(zero, zero, zero, jnp.zeros((7, size), jnp.float32))


def _side(values_ov: jax.Array, mask_o: jax.Array, count: jax.Array) -> tuple[Side, jax.Array]:
    """A batch's side, and its scaled deviations [o, v]."""
    first, mean, apart = deviations(values_ov, mask_o, 0)
    scale = jnp.max(jnp.abs(apart), 0)
    scaled = apart / jnp.where(scale > 0, scale, 1.0)[None, :]
    powers = jnp.stack([jnp.broadcast_to(count, scale.shape), *(jnp.sum(scaled**p, 0) for p in range(1, 7))])
    return Side(first, mean, scale, powers), scaled


def _merge_side(
    count_a: jax.Array, count_b: jax.Array, count: jax.Array, a: Side, b: Side
) -> tuple[Side, list[Move]]:
    """The merged side, and how the deviations of a and of b move."""
    origin, *means = about_one_origin(count_a > 0, a.origin_v, a.mean_v, b.origin_v, b.mean_v)
    mean, _ = merged_mean(count_a, means[0], count_b, means[1])
    shifts = [jnp.where(c > 0, m - mean, 0.0) for c, m in zip((count_a, count_b), means, strict=True)]
    # Batches that are constant each, but not alike, get their scale from the distance of their means.
    apart = jnp.maximum(jnp.abs(shifts[0]), jnp.abs(shifts[1]))
    scale = jnp.maximum(jnp.maximum(a.scale_v, b.scale_v), apart)
    unit = jnp.where(scale > 0, scale, 1.0)
    moves = [(side.scale_v / unit, shift / unit) for side, shift in zip((a, b), shifts, strict=True)]
    of_power = [
        _moved_power(p, *moves[0], a.powers_pv) + _moved_power(p, *moves[1], b.powers_pv) for p in range(1, 7)
    ]
    # The powers 0 are the count, which adds up in whole numbers elsewhere.
    powers = jnp.stack([jnp.broadcast_to(count, scale.shape), *of_power])
    return Side(origin, mean, scale, powers), moves


def _moved(state: CubicMoments, move_x: Move, move_y: Move) -> list[list[jax.Array]]:
    """The cross moments after both sides have moved."""
    factor_x, shift_x = (of_side[:, None] for of_side in move_x)
    factor_y, shift_y = (of_side[None, :] for of_side in move_y)
    half = [
        [_moved_power(a, factor_x, shift_x, [_cross(state, p, q) for p in range(4)]) for q in range(4)]
        for a in range(4)
    ]
    return [[_moved_power(b, factor_y, shift_y, half[a]) for b in (1, 2, 3)] for a in (1, 2, 3)]


def _moved_power(p: int, factor: jax.Array, shift: jax.Array, powers: Sums) -> jax.Array:
    """sum (factor u + shift)^p from the sums of the powers of u, 0 to p."""
    terms = [math.comb(p, i) * factor**i * shift ** (p - i) * powers[i] for i in range(p + 1)]
    return functools.reduce(jnp.add, terms)


def _cross(state: CubicMoments, p: int, q: int) -> jax.Array:
    """[n, k] or broadcastable, sum x^p y^q."""
    if p and q:
        return state.cross_nk[p - 1][q - 1]
    return state.x.powers_pv[p][:, None] if q == 0 else state.y.powers_pv[q][None, :]
