"""Centred second moments of all pairs, accumulated over batches in float32 without losing digits.

Raw sums of squares cancel where a mean is many deviations (a spectral centroid: 2,000 Hz, deviation
200). Here every batch is centred by itself and batches are merged by the formula of T. Chan, G. Golub
and R. LeVeque ("Algorithms for computing the sample variance", 1983). Means are kept relative to the
first batch's, which makes the merge exact to rounding at any offset. Where squares would leave float32
every item is brought near 1 by a power of two, which a merge carries along.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from actjax.precision import of_products
from actjax.similarity.arithmetic import long_counts
from actjax.similarity.arithmetic.deviations import about_one_origin, merged_mean
from actjax.similarity.arithmetic.scale import NOTHING, item_scales
from actjax.similarity.host import lent
from actjax.types import Accumulator, Context

MIN_OBSERVATIONS = {"centred": 3, "raw": 1}
# Sums of squares between these keep their digits, products of two such included.
_SMALLEST, _LARGEST = 2.0**-80, 2.0**90


class Moments(NamedTuple):
    """Count, means and centred sums of products over the observations so far.

    Attributes:
      count: `long_counts.Count`, the number of observations.
      scale_n, scale_k: powers of two by which the values were multiplied; all that follows is of the
        products. NOTHING for an item that was 0 so far.
      origin_n, origin_k: what the means are relative to.
      mean_n, mean_k: means minus their origins.
      xx_n, yy_k: sums of squared deviations.
      xy_nk: sums of products of deviations.
    """

    count: long_counts.Count
    scale_n: jax.Array
    scale_k: jax.Array
    origin_n: jax.Array
    origin_k: jax.Array
    mean_n: jax.Array
    mean_k: jax.Array
    xx_n: jax.Array
    yy_k: jax.Array
    xy_nk: jax.Array


def moments(kind: str) -> Accumulator:
    """The accumulator of correlations: `kind` "centred" (Pearson's r) or "raw" (cosine)."""
    finalize = {"centred": correlation, "raw": raw_cosine}[kind]
    return Accumulator("moments", init, update, merge, finalize)


def init(n: int, k: int) -> Moments:
    """No observations yet."""
    zero_n, zero_k = jnp.zeros((n,), jnp.float32), jnp.zeros((k,), jnp.float32)
    return Moments(
        long_counts.zero(), zero_n + NOTHING, zero_k + NOTHING, zero_n, zero_k, zero_n, zero_k, zero_n,
        zero_k, jnp.zeros((n, k), jnp.float32),
    )  # fmt: skip


def update(
    state: Moments, x_on: jax.Array, y_ok: jax.Array, mask_o: jax.Array, context: Context | None = None
) -> Moments:
    """Adds a batch of observations, every item at its own scale.

    A batch is small: looking for its scales costs less than compiling `at_safe_scales`.
    """
    scale_n, scale_k = item_scales(x_on, mask_o, 0), item_scales(y_ok, mask_o, 0)
    return merge(state, of_scaled(x_on, y_ok, mask_o, scale_n, scale_k, 0))


def at_safe_scales(
    run: Callable[[jax.Array, jax.Array], Moments],
    x: lent.Array,
    y: lent.Array,
    mask_o: jax.Array,
    axis: int,
) -> Moments:
    """`run(scale_n, scale_k)` at scales of 1, and once more at the items' own where squares leave float32.

    Finding every item's scale first would read all values once more, which costs a tenth of the product,
    and hardly any data need it. Under vmap, where one asks for the second run, all make it.
    """
    ones = tuple(jnp.ones((side.shape[1 - axis],), jnp.float32) for side in (x, y))

    def scales_of_items() -> tuple[jax.Array, ...]:
        return tuple(item_scales(lent.whole(side), mask_o, axis) for side in (x, y))

    def attempt(carry: tuple[jax.Array, Moments]) -> tuple[jax.Array, Moments]:
        tries, _ = carry
        scale_n, scale_k = jax.lax.cond(tries == 0, lambda: ones, scales_of_items)
        state = run(scale_n, scale_k)
        count = long_counts.as_float(state.count)
        wrong_n, zero_n = beyond(state.xx_n, state.origin_n + state.mean_n, count, x, mask_o, axis)
        wrong_k, zero_k = beyond(state.yy_k, state.origin_k + state.mean_k, count, y, mask_o, axis)
        state = state._replace(
            scale_n=jnp.where(zero_n, NOTHING, scale_n), scale_k=jnp.where(zero_k, NOTHING, scale_k)
        )
        return jnp.where(jnp.any(wrong_n) | jnp.any(wrong_k), tries + 1, 2), state

    shapes = jax.eval_shape(run, *ones)
    empty = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes)
    return jax.lax.while_loop(lambda carry: carry[0] < 2, attempt, (jnp.zeros((), jnp.int32), empty))[1]


def suspicious(squares: jax.Array, mean: jax.Array, count: jax.Array) -> jax.Array:
    """[v] whether the sum of squares may lie outside of what float32 holds: looking at it alone."""
    return (squares < _SMALLEST) | ~(squares + count * mean * mean < _LARGEST)


def beyond(
    squares: jax.Array, mean: jax.Array, count: jax.Array, side: lent.Array, mask_o: jax.Array, axis: int
) -> tuple[jax.Array, jax.Array]:
    """([v] whether the sum of squares lies outside of what float32 holds, [v] whether all values are 0)."""
    raw = squares + count * mean * mean
    low = squares < _SMALLEST

    def look() -> tuple[jax.Array, jax.Array]:
        values = lent.whole(side)
        inside = jnp.expand_dims(mask_o, 1 - axis)
        first = jnp.expand_dims(jnp.take(values, jnp.argmax(mask_o), axis), axis)
        differs = jnp.any(inside & (values != first), axis)
        some = jnp.any(inside & (values != 0), axis)
        # A constant has no squares of deviations, but those of its values must be there.
        return low & (differs | (some & (raw < _SMALLEST))), ~some

    nothing = jnp.zeros(low.shape, bool)
    lost, zero = jax.lax.cond(jnp.any(low), look, lambda: (nothing, nothing))
    return lost | ~(raw < _LARGEST), zero


def of_scaled(
    x: jax.Array, y: jax.Array, mask_o: jax.Array, scale_n: jax.Array, scale_k: jax.Array, axis: int
) -> Moments:
    """The moments of one batch of values times the given powers of two.

    Sums are about an origin near the mean, so that little is taken off them. A transposition would cost as
    much as the product, so observations stay on `axis`.
    """
    count = jnp.sum(mask_o, dtype=jnp.int32)
    divisor = jnp.maximum(count, 1).astype(jnp.float32)
    origin_n, x = _shifted(x, mask_o, count, scale_n, axis)
    origin_k, y = _shifted(y, mask_o, count, scale_k, axis)
    sum_n, sum_k = jnp.sum(x, axis), jnp.sum(y, axis)
    mean_n, mean_k = sum_n / divisor, sum_k / divisor
    products = jax.lax.dot_general(x, y, (((axis,), (axis,)), ((), ())), precision=of_products())
    xx = jnp.maximum(jnp.sum(x * x, axis) - sum_n * mean_n, 0)
    yy = jnp.maximum(jnp.sum(y * y, axis) - sum_k * mean_k, 0)
    xy = products - mean_n[:, None] * sum_k[None, :]
    return Moments(long_counts.of(count), scale_n, scale_k, origin_n, origin_k, mean_n, mean_k, xx, yy, xy)


def merge(a: Moments, b: Moments) -> Moments:
    """The moments of both sets of observations; associative and commutative up to rounding."""
    scale_n, scale_k = jnp.minimum(a.scale_n, b.scale_n), jnp.minimum(a.scale_k, b.scale_k)
    a, b = _rescaled(a, scale_n, scale_k), _rescaled(b, scale_n, scale_k)
    of_a, of_b = long_counts.as_float(a.count), long_counts.as_float(b.count)
    origin_n, mean_a_n, mean_b_n = about_one_origin(of_a > 0, a.origin_n, a.mean_n, b.origin_n, b.mean_n)
    origin_k, mean_a_k, mean_b_k = about_one_origin(of_a > 0, a.origin_k, a.mean_k, b.origin_k, b.mean_k)
    mean_n, delta_n = merged_mean(of_a, mean_a_n, of_b, mean_b_n)
    mean_k, delta_k = merged_mean(of_a, mean_a_k, of_b, mean_b_k)
    between = of_a * (of_b / jnp.maximum(of_a + of_b, 1))
    return Moments(
        count=long_counts.add(a.count, b.count),
        scale_n=scale_n,
        scale_k=scale_k,
        origin_n=origin_n,
        origin_k=origin_k,
        mean_n=mean_n,
        mean_k=mean_k,
        xx_n=a.xx_n + b.xx_n + delta_n * delta_n * between,
        yy_k=a.yy_k + b.yy_k + delta_k * delta_k * between,
        xy_nk=a.xy_nk + b.xy_nk + delta_n[:, None] * (delta_k * between)[None, :],
    )


def _rescaled(state: Moments, scale_n: jax.Array, scale_k: jax.Array) -> Moments:
    """The same moments at other scales; those that are smaller lose what is below the others' rounding."""
    by_n, by_k = scale_n / state.scale_n, scale_k / state.scale_k
    return state._replace(
        origin_n=state.origin_n * by_n,
        origin_k=state.origin_k * by_k,
        mean_n=state.mean_n * by_n,
        mean_k=state.mean_k * by_k,
        xx_n=state.xx_n * by_n * by_n,
        yy_k=state.yy_k * by_k * by_k,
        xy_nk=state.xy_nk * by_n[:, None] * by_k[None, :],
    )


def correlation(state: Moments) -> dict[str, jax.Array | long_counts.Count]:
    """Pearson's r of all pairs; NaN where a side is constant."""
    return _cosine(state.xx_n, state.yy_k, state.xy_nk, state.count, MIN_OBSERVATIONS["centred"])


def raw_cosine(state: Moments) -> dict[str, jax.Array | long_counts.Count]:
    """The uncentred cosine of all pairs; NaN where a side is zero throughout."""
    count = long_counts.as_float(state.count)
    mean_n, mean_k = state.origin_n + state.mean_n, state.origin_k + state.mean_k
    xx = state.xx_n + count * mean_n * mean_n
    yy = state.yy_k + count * mean_k * mean_k
    xy = state.xy_nk + mean_n[:, None] * (count * mean_k)[None, :]
    return _cosine(xx, yy, xy, state.count, MIN_OBSERVATIONS["raw"])


def _cosine(
    xx_n: jax.Array, yy_k: jax.Array, xy_nk: jax.Array, count: long_counts.Count, least: int
) -> dict[str, jax.Array | long_counts.Count]:
    scale_n = jnp.where(xx_n > 0, 1 / jnp.sqrt(xx_n), jnp.nan)
    scale_k = jnp.where(yy_k > 0, 1 / jnp.sqrt(yy_k), jnp.nan)
    score = jnp.clip(xy_nk * scale_n[:, None] * scale_k[None, :], -1.0, 1.0)
    return {"score": jnp.where(long_counts.reaches(count, least), score, jnp.nan), "n_observations": count}


def _shifted(
    values: jax.Array, mask_o: jax.Array, count: jax.Array, scale: jax.Array, axis: int
) -> tuple[jax.Array, jax.Array]:
    """(origin, values less the origin, zero outside of the mask), both times `scale`, for each item.

    The origin is the mean of the first sixteenth, at most four deviations from the whole's mean, by way
    of a first value: a constant item gives exact zeros. Centring on the mean itself would read all
    values once more, which costs a tenth of the product.
    """
    origin = near_mean(values, mask_o, count, scale, axis)
    return origin * scale, _less(values, origin, mask_o, scale, axis)


def near_mean(
    values: jax.Array, mask_o: jax.Array, count: jax.Array, scale: jax.Array, axis: int
) -> jax.Array:
    """The mean of the first sixteenth of each item's observations, 0 where none counts."""
    first = jnp.take(values, jnp.argmax(mask_o), axis)
    size = -(-len(mask_o) // 16)
    some = jax.lax.slice_in_dim(values, 0, size, axis=axis)
    near = jnp.sum(_less(some, first, mask_o[:size], scale, axis), axis)
    origin = first + near / jnp.maximum(jnp.sum(mask_o[:size]), 1).astype(near.dtype) / scale
    return jnp.where(count > 0, origin, jnp.zeros_like(origin))


def _less(values: jax.Array, origin: jax.Array, mask_o: jax.Array, scale: jax.Array, axis: int) -> jax.Array:
    """The values less the origin, times `scale`; zero outside of the mask."""
    shifted = (values - jnp.expand_dims(origin, axis)) * jnp.expand_dims(scale, axis)
    return jnp.where(jnp.expand_dims(mask_o, 1 - axis), shifted, jnp.zeros_like(values))
