"""Centred second moments of all pairs, accumulated over batches in float32 without losing digits.

Raw sums of squares cancel where a mean is many deviations (a spectral centroid: 2,000 Hz, deviation
200). Here every batch is centred by itself and batches are merged by the formula of T. Chan, G. Golub
and R. LeVeque ("Algorithms for computing the sample variance", 1983). Means are kept relative to the
first batch's, which makes the merge exact to rounding at any offset.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from actjax.similarity._precision import PRECISION
from actjax.types import Accumulator

MIN_OBSERVATIONS = {"centred": 3, "raw": 1}


class Moments(NamedTuple):
    """Count, means and centred sums of products over the observations so far.

    Attributes:
      count: scalar uint32, the number of observations.
      origin_n, origin_k: what the means are relative to.
      mean_n, mean_k: means minus their origins.
      xx_n, yy_k: sums of squared deviations.
      xy_nk: sums of products of deviations.
    """

    count: Any
    origin_n: Any
    origin_k: Any
    mean_n: Any
    mean_k: Any
    xx_n: Any
    yy_k: Any
    xy_nk: Any


def moments(kind: str) -> Accumulator:
    """The accumulator of correlations: `kind` "centred" (Pearson's r) or "raw" (cosine)."""
    finalize = {"centred": correlation, "raw": raw_cosine}[kind]
    return Accumulator("moments", init, update, merge, finalize)


def init(n: int, k: int) -> Moments:
    """No observations yet."""
    zero_n, zero_k = jnp.zeros((n,), jnp.float32), jnp.zeros((k,), jnp.float32)
    return Moments(
        jnp.zeros((), jnp.uint32), zero_n, zero_k, zero_n, zero_k, zero_n, zero_k,
        jnp.zeros((n, k), jnp.float32),
    )  # fmt: skip


def update(state: Moments, x_on, y_ok, mask_o, context=None) -> Moments:
    """Adds a batch of observations."""
    return merge(state, of_batch(x_on, y_ok, mask_o))


def of_batch(x, y, mask_o, axis: int = 0) -> Moments:
    """The moments of one batch: sums about an origin near its mean, so that little is taken off them.

    Observations stand on `axis` of x and y. A transposition would cost as much as the product.
    """
    count = jnp.sum(mask_o).astype(jnp.uint32)
    divisor = jnp.maximum(count, 1).astype(jnp.float32)
    origin_n, x = _shifted(x, mask_o, count, axis)
    origin_k, y = _shifted(y, mask_o, count, axis)
    sum_n, sum_k = jnp.sum(x, axis), jnp.sum(y, axis)
    mean_n, mean_k = sum_n / divisor, sum_k / divisor
    products = jax.lax.dot_general(x, y, (((axis,), (axis,)), ((), ())), precision=PRECISION)
    xx = jnp.maximum(jnp.sum(x * x, axis) - sum_n * mean_n, 0)
    yy = jnp.maximum(jnp.sum(y * y, axis) - sum_k * mean_k, 0)
    xy = products - mean_n[:, None] * sum_k[None, :]
    return Moments(count, origin_n, origin_k, mean_n, mean_k, xx, yy, xy)


def merge(a: Moments, b: Moments) -> Moments:
    """The moments of both sets of observations; associative and commutative up to rounding."""
    count = a.count + b.count
    weight = b.count.astype(jnp.float32) / jnp.maximum(count, 1).astype(jnp.float32)
    origin_n, mean_a_n, mean_b_n = _common_origin(a.count, a.origin_n, a.mean_n, b.origin_n, b.mean_n)
    origin_k, mean_a_k, mean_b_k = _common_origin(a.count, a.origin_k, a.mean_k, b.origin_k, b.mean_k)
    between = a.count.astype(jnp.float32) * weight
    delta_n, delta_k = _delta(a, b, mean_a_n, mean_b_n), _delta(a, b, mean_a_k, mean_b_k)
    return Moments(
        count=count,
        origin_n=origin_n,
        origin_k=origin_k,
        mean_n=jnp.where(a.count > 0, mean_a_n + (mean_b_n - mean_a_n) * weight, mean_b_n),
        mean_k=jnp.where(a.count > 0, mean_a_k + (mean_b_k - mean_a_k) * weight, mean_b_k),
        xx_n=a.xx_n + b.xx_n + delta_n * delta_n * between,
        yy_k=a.yy_k + b.yy_k + delta_k * delta_k * between,
        xy_nk=a.xy_nk + b.xy_nk + delta_n[:, None] * (delta_k * between)[None, :],
    )


def correlation(state: Moments) -> dict[str, jax.Array]:
    """Pearson's r of all pairs; NaN where a side is constant."""
    return _cosine(state.xx_n, state.yy_k, state.xy_nk, state.count, MIN_OBSERVATIONS["centred"])


def raw_cosine(state: Moments) -> dict[str, jax.Array]:
    """The uncentred cosine of all pairs; NaN where a side is zero throughout."""
    count = state.count.astype(jnp.float32)
    mean_n, mean_k = state.origin_n + state.mean_n, state.origin_k + state.mean_k
    xx = state.xx_n + count * mean_n * mean_n
    yy = state.yy_k + count * mean_k * mean_k
    xy = state.xy_nk + mean_n[:, None] * (count * mean_k)[None, :]
    return _cosine(xx, yy, xy, state.count, MIN_OBSERVATIONS["raw"])


def _cosine(xx_n, yy_k, xy_nk, count, least: int) -> dict[str, jax.Array]:
    scale_n = jnp.where(xx_n > 0, 1 / jnp.sqrt(xx_n), jnp.nan)
    scale_k = jnp.where(yy_k > 0, 1 / jnp.sqrt(yy_k), jnp.nan)
    score = jnp.clip(xy_nk * scale_n[:, None] * scale_k[None, :], -1.0, 1.0)
    return {"score": jnp.where(count >= least, score, jnp.nan), "n_observations": count}


def _shifted(values, mask_o, count, axis: int):
    """(origin, values less the origin, zero outside of the mask), for each item beside `axis`.

    The origin is the mean of the first sixteenth, at most four deviations from the whole's mean, by way
    of a first value: a constant item gives exact zeros. Centring on the mean itself would read all
    values once more, which costs a tenth of the product.
    """
    first = jnp.take(values, jnp.argmax(mask_o), axis)
    size = -(-len(mask_o) // 16)
    inside = jnp.expand_dims(mask_o, 1 - axis)

    def less(values, origin, inside):
        return jnp.where(inside, values - jnp.expand_dims(origin, axis), jnp.zeros_like(values))

    some = [jax.lax.slice_in_dim(side, 0, size, axis=axis) for side in (values, inside)]
    near = jnp.sum(less(some[0], first, some[1]), axis)
    origin = first + near / jnp.maximum(jnp.sum(mask_o[:size]), 1).astype(near.dtype)
    origin = jnp.where(count > 0, origin, jnp.zeros_like(origin))
    return origin, less(values, origin, inside)


def _common_origin(count_a, origin_a, mean_a, origin_b, mean_b):
    """Both means relative to a's origin, or to b's while a is empty."""
    origin = jnp.where(count_a > 0, origin_a, origin_b)
    return origin, (origin_a - origin) + mean_a, (origin_b - origin) + mean_b


def _delta(a: Moments, b: Moments, mean_a, mean_b):
    # An empty side has no mean: without this a zero would stand in for it and cost digits.
    return jnp.where((a.count > 0) & (b.count > 0), mean_b - mean_a, jnp.zeros_like(mean_a))
