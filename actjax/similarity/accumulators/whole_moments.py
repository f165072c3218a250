"""Second moments of all observations at once, where a kernel of a GPU centres and multiplies them.

The feature rows, or the neurons where there are fewer, are centred exactly and split before; the other side
is read once, about an origin near its mean. Without a mask nothing is asked of one, and plain sums keep
their digits, since those of a GPU are sums of many short ones.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp

from actjax import precision
from actjax.kernels import both_split, split_product
from actjax.similarity.accumulators.moments import Moments, beyond, suspicious
from actjax.similarity.arithmetic import long_counts

Scores = Mapping[str, jax.Array]
Finalize = Callable[[Moments], Scores]
# A mean square below which a scale does not fit its item, and float16 may have lost digits of it: the first
# sixteenth of deviations, whose mean size is 1/2 at least, gives the whole a mean square of 2^-6.
_LEAST_SQUARE = 2.0**-12
# The share of the observations, one in so many, that tells the scales of the side which is read once.
_SAMPLE = 16


class Sampled(NamedTuple):
    """Scores at scales of a sample.

    Attributes:
      scores: the metric's outputs.
      doubtful: bool, whether squares may leave float32, parts float16, or an item is constant.
      unfit: bool, whether the scales do not fit.
      sums: of either side [2, v], what `_sides` takes from the moments.
    """

    scores: Scores
    doubtful: jax.Array
    unfit: jax.Array
    sums: tuple[jax.Array, jax.Array]


def scores(
    finalize: Finalize,
    x: jax.Array,
    y: jax.Array,
    mask_o: jax.Array | None,
    axis: int,
    otherwise: Callable[[], Scores],
) -> Scores:
    """`finalize` of the moments, or what `otherwise` gives where squares leave float32, or parts float16.

    Whether they may is asked in one place: every question is a wait of the host for the device.
    """
    sampled = at_sampled_scales(finalize, x, y, mask_o, axis)

    def look() -> Scores:
        return at_fitting_scales(finalize, sampled, x, y, mask_o, axis, otherwise)

    return jax.lax.cond(sampled.doubtful, look, lambda: sampled.scores)


def at_sampled_scales(
    finalize: Finalize, x: jax.Array, y: jax.Array, mask_o: jax.Array | None, axis: int
) -> Sampled:
    """The scores at scales that the first sixteenth tells, and whether they are in doubt."""
    sampled = of_whole(x, y, mask_o, axis, _SAMPLE)
    count = long_counts.as_float(sampled.count)
    unfit, sums = _unfit(sampled), _sides(sampled)
    doubtful = unfit
    for squares, mean in sums:
        doubtful = doubtful | jnp.any(suspicious(squares, mean, count))
    return Sampled(finalize(sampled), doubtful, unfit, sums)


def at_fitting_scales(
    finalize: Finalize,
    sampled: Sampled,
    x: jax.Array,
    y: jax.Array,
    mask_o: jax.Array | None,
    axis: int,
    otherwise: Callable[[], Scores],
) -> Scores:
    """The scores once a doubt is cleared: at the sample's scales, at those of all values, or `otherwise`."""

    # An item that is constant at first tells nothing of its scale: all of it does.
    def at_own_scales() -> tuple[Scores, tuple[jax.Array, jax.Array], jax.Array]:
        moments = of_whole(x, y, mask_o, axis, 1)
        return finalize(moments), _sides(moments), _unfit(moments)

    moments, sums, wrong = jax.lax.cond(
        sampled.unfit, at_own_scales, lambda: (sampled.scores, sampled.sums, jnp.asarray(False))
    )
    count = _count(mask_o, x.shape[axis]).astype(jnp.float32)
    everywhere = mask_o if mask_o is not None else jnp.ones((x.shape[axis],), bool)
    for (squares, mean), side in zip(sums, (x, y), strict=True):
        wrong = wrong | jnp.any(beyond(squares, mean, count, side, everywhere, axis)[0])
    return jax.lax.cond(wrong, otherwise, lambda: moments)


def _sides(moments: Moments) -> tuple[jax.Array, jax.Array]:
    """[2, v] the sums of squared deviations and the means, of either side."""
    return (
        jnp.stack([moments.xx_n, moments.origin_n + moments.mean_n]),
        jnp.stack([moments.yy_k, moments.origin_k + moments.mean_k]),
    )


def _unfit(moments: Moments) -> jax.Array:
    """Whether parts left float16, or an item was so small at its scale that they lost digits."""
    count = long_counts.as_float(moments.count)
    unfit = ~jnp.all(jnp.isfinite(moments.xy_nk))
    for squares, _ in _sides(moments):
        unfit = unfit | jnp.any((squares > 0) & (squares < _LEAST_SQUARE * count))
    return unfit


def of_whole(x: jax.Array, y: jax.Array, mask_o: jax.Array | None, axis: int, sample: int) -> Moments:
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
    long: jax.Array, short: jax.Array, mask_o: jax.Array | None, axis: int, sample: int
) -> Moments:
    """The moments at scales that bring the mean size of a deviation near 1."""
    count = _count(mask_o, long.shape[axis])
    divisor = jnp.maximum(count, 1).astype(jnp.float32)
    origin_n = _near_mean(long, mask_o, axis)
    scale_n = _scale(long, origin_n, mask_o, axis, sample)
    first_k = _first(short, mask_o, axis)
    short = _less(short, first_k, mask_o, axis)
    mean_k = jnp.sum(short, axis) / divisor
    short = _less(short, mean_k, mask_o, axis)
    scale_k = split_product.scale_to_one(jnp.sum(jnp.abs(short), axis) / divisor)
    short = short * jnp.expand_dims(scale_k, axis)
    if axis == 1 and precision.splits_before(len(short)):
        products = both_split.centred_product(long, short, origin_n, scale_n, mask_o)
    else:
        products = split_product.centred_product(long, short, origin_n, scale_n, mask_o, axis)
    mean_n = products.sum_n / divisor
    return Moments(
        count=long_counts.of(count),
        scale_n=scale_n,
        scale_k=scale_k,
        origin_n=origin_n * scale_n,
        origin_k=first_k * scale_k,
        mean_n=mean_n,
        mean_k=mean_k * scale_k,
        xx_n=jnp.maximum(products.squares_n - products.sum_n * mean_n, 0),
        yy_k=jnp.sum(short**2, axis),
        # The short side's deviations add up to 0 but for rounding.
        xy_nk=products.products_nk - mean_n[:, None] * jnp.sum(short, axis)[None, :],
    )


def _count(mask_o: jax.Array | None, o: int) -> jax.Array:
    return jnp.asarray(o, jnp.int32) if mask_o is None else jnp.sum(mask_o, dtype=jnp.int32)


def _first(values: jax.Array, mask_o: jax.Array | None, axis: int) -> jax.Array:
    """Each item's first value that counts; 0 where none does."""
    if mask_o is None:
        return jax.lax.index_in_dim(values, 0, axis, keepdims=False)
    return jnp.where(jnp.any(mask_o), jnp.take(values, jnp.argmax(mask_o), axis), 0)


def _less(values: jax.Array, origin: jax.Array, mask_o: jax.Array | None, axis: int) -> jax.Array:
    """The values less the origin of each item; 0 outside of the mask."""
    shifted = values - jnp.expand_dims(origin, axis)
    return shifted if mask_o is None else jnp.where(jnp.expand_dims(mask_o, 1 - axis), shifted, 0.0)


def _first_part(
    values: jax.Array, mask_o: jax.Array | None, axis: int, sample: int
) -> tuple[jax.Array, jax.Array | None, jax.Array]:
    """(the first of `sample` parts of the observations, its mask, how many count, 1 at least)."""
    size = -(-values.shape[axis] // sample)
    counts = None if mask_o is None else mask_o[:size]
    number = jnp.maximum(_count(counts, size), 1).astype(jnp.float32)
    return jax.lax.slice_in_dim(values, 0, size, axis=axis), counts, number


def _near_mean(values: jax.Array, mask_o: jax.Array | None, axis: int) -> jax.Array:
    """The mean of the first sixteenth of each item's observations; a constant item's is its value."""
    first = _first(values, mask_o, axis)
    some, counts, number = _first_part(values, mask_o, axis, _SAMPLE)
    return first + jnp.sum(_less(some, first, counts, axis), axis) / number


def _scale(
    values: jax.Array, origin: jax.Array, mask_o: jax.Array | None, axis: int, sample: int
) -> jax.Array:
    """The scale of the mean deviation of each item in the first of `sample` parts of its observations."""
    some, counts, number = _first_part(values, mask_o, axis, sample)
    return split_product.scale_to_one(jnp.sum(jnp.abs(_less(some, origin, counts, axis)), axis) / number)
