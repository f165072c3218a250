"""Second moments of all observations at once, where a kernel of a GPU centres and multiplies them.

The feature rows, or the neurons where there are fewer, are centred exactly and split before; the other side
is read once, about an origin near its mean.
"""

from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp

from actjax.kernels import split_product
from actjax.similarity.accumulators.moments import Moments, beyond, near_mean, suspicious
from actjax.similarity.arithmetic import long_counts
from actjax.similarity.arithmetic.deviations import deviations

Scores = Mapping[str, jax.Array]
# A mean square below which a scale does not fit its item, and float16 may have lost digits of it: the first
# sixteenth of deviations, whose mean size is 1/2 at least, gives the whole a mean square of 2^-6.
_LEAST_SQUARE = 2.0**-12
# The share of the observations, one in so many, that tells the scales of the side which is read once.
_SAMPLE = 16


def scores(
    finalize: Callable[[Moments], Scores],
    x: jax.Array,
    y: jax.Array,
    mask_o: jax.Array,
    axis: int,
    otherwise: Callable[[], Scores],
) -> Scores:
    """`finalize` of the moments, or what `otherwise` gives where squares leave float32, or parts float16.

    Whether they may is asked in one place: every question is a wait of the host for the device.
    """
    sampled = of_whole(x, y, mask_o, axis, _SAMPLE)
    found = finalize(sampled)
    count = long_counts.as_float(sampled.count)

    def look() -> Scores:
        # An item that is constant at first tells nothing of its scale: all of it does.
        moments = jax.lax.cond(_unfit(sampled), lambda: of_whole(x, y, mask_o, axis, 1), lambda: sampled)
        wrong = _unfit(moments)
        for (squares, mean), side in zip(_sides(moments), (x, y), strict=True):
            wrong = wrong | jnp.any(beyond(squares, mean, count, side, mask_o, axis)[0])
        return jax.lax.cond(wrong, otherwise, lambda: finalize(moments))

    doubtful = _unfit(sampled)
    for squares, mean in _sides(sampled):
        doubtful = doubtful | jnp.any(suspicious(squares, mean, count))
    return jax.lax.cond(doubtful, look, lambda: found)


def _sides(moments: Moments) -> tuple[tuple[jax.Array, jax.Array], ...]:
    """(sums of squared deviations, means) of either side."""
    return (
        (moments.xx_n, moments.origin_n + moments.mean_n),
        (moments.yy_k, moments.origin_k + moments.mean_k),
    )


def _unfit(moments: Moments) -> jax.Array:
    """Whether parts left float16, or an item was so small at its scale that they lost digits."""
    count = long_counts.as_float(moments.count)
    unfit = ~jnp.all(jnp.isfinite(moments.xy_nk))
    for squares, _ in _sides(moments):
        unfit = unfit | jnp.any((squares > 0) & (squares < _LEAST_SQUARE * count))
    return unfit


def of_whole(x: jax.Array, y: jax.Array, mask_o: jax.Array, axis: int, sample: int) -> Moments:
    """The moments of all pairs; observations stand on `axis`, the first of `sample` parts tells scales."""
    if x.shape[1 - axis] < y.shape[1 - axis]:
        other = _of_long_and_short(y, x, mask_o, axis, sample)
        return other._replace(
            origin_n=other.origin_k, origin_k=other.origin_n, mean_n=other.mean_k, mean_k=other.mean_n,
            scale_n=other.scale_k, scale_k=other.scale_n, xx_n=other.yy_k, yy_k=other.xx_n,
            xy_nk=other.xy_nk.T,
        )  # fmt: skip
    return _of_long_and_short(x, y, mask_o, axis, sample)


def _of_long_and_short(
    long: jax.Array, short: jax.Array, mask_o: jax.Array, axis: int, sample: int
) -> Moments:
    """The moments at scales that bring the mean size of a deviation near 1."""
    count = jnp.sum(mask_o, dtype=jnp.int32)
    divisor = jnp.maximum(count, 1).astype(jnp.float32)
    origin_n = near_mean(long, mask_o, count, jnp.ones((long.shape[1 - axis],), jnp.float32), axis)
    scale_n = _scale(long, origin_n, mask_o, axis, sample)
    of_short = deviations(short, mask_o, axis)
    scale_k = split_product.scale_to_one(jnp.sum(jnp.abs(of_short.values), axis) / divisor)
    short = of_short.values * jnp.expand_dims(scale_k, axis)
    found = split_product.centred_product(long, short, origin_n, scale_n, mask_o, axis)
    mean_n = found.sum_n / divisor
    return Moments(
        count=long_counts.of(count),
        scale_n=scale_n,
        scale_k=scale_k,
        origin_n=origin_n * scale_n,
        origin_k=of_short.first * scale_k,
        mean_n=mean_n,
        mean_k=of_short.mean * scale_k,
        xx_n=jnp.maximum(found.squares_n - found.sum_n * mean_n, 0),
        yy_k=jnp.sum(short**2, axis),
        # The short side's deviations add up to 0 but for rounding.
        xy_nk=found.products_nk - mean_n[:, None] * jnp.sum(short, axis)[None, :],
    )


def _scale(values: jax.Array, origin: jax.Array, mask_o: jax.Array, axis: int, sample: int) -> jax.Array:
    """The scale of the mean deviation of each item in the first of `sample` parts of its observations."""
    size = -(-len(mask_o) // sample)
    inside = jnp.expand_dims(mask_o[:size], 1 - axis)
    apart = jax.lax.slice_in_dim(values, 0, size, axis=axis) - jnp.expand_dims(origin, axis)
    number = jnp.maximum(jnp.sum(mask_o[:size], dtype=jnp.int32), 1).astype(jnp.float32)
    return split_product.scale_to_one(jnp.sum(jnp.where(inside, jnp.abs(apart), 0.0), axis) / number)
