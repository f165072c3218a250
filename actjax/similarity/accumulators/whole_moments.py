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
from actjax.kernels import both_split, short_side, split_product
from actjax.similarity.accumulators.moments import Moments, beyond, suspicious
from actjax.similarity.arithmetic import long_counts

Scores = Mapping[str, jax.Array]
Finalize = Callable[[Moments], Scores]
# A mean square below which a scale does not fit its item, and float16 may have lost digits of it: the first
# sixteenth of deviations, whose mean size is 1/2 at least, gives the whole a mean square of 2^-6.
_LEAST_SQUARE = 2.0**-12
# Sums of squares from which on a value may be beyond float16.
_MOST_SQUARES = 65_504.0**2
# The share of the observations, one in so many, that tells the scales of the side which is read once.
_SAMPLE = 16


class Side(NamedTuple):
    """What is known of a side's items, all at their scales.

    Attributes:
      squares: sums of squared deviations from the mean.
      from_origin, mean: the mean, less what was taken off the values before, and as it is.
    """

    squares: jax.Array
    from_origin: jax.Array
    mean: jax.Array


class _Short(NamedTuple):
    """What is known of the short side's items: first values, means above them, scales, sums and squares."""

    first_k: jax.Array
    mean_k: jax.Array
    scale_k: jax.Array
    sum_k: jax.Array
    squares_k: jax.Array


class Sampled(NamedTuple):
    """Scores at scales of a sample.

    Attributes:
      scores: the metric's outputs.
      doubtful: bool, whether squares may leave float32, parts float16, or an item is constant.
      sides: both.
    """

    scores: Scores
    doubtful: jax.Array
    sides: tuple[Side, Side]


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
    count, sides = long_counts.as_float(sampled.count), _sides(sampled)
    # All that is asked of items in one pass over both sides.
    asked = [_unfit(side, count) | suspicious(side.squares, side.mean, count) for side in sides]
    return Sampled(finalize(sampled), jnp.any(jnp.concatenate(asked)), sides)


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

    count = _count(mask_o, x.shape[axis]).astype(jnp.float32)

    # An item that is constant at first tells nothing of its scale: all of it does.
    def at_own_scales() -> tuple[Scores, tuple[Side, Side]]:
        moments = of_whole(x, y, mask_o, axis, 1)
        return finalize(moments), _sides(moments)

    def any_unfit(sides: tuple[Side, Side]) -> jax.Array:
        return jnp.any(jnp.concatenate([_unfit(side, count) for side in sides]))

    moments, sides = jax.lax.cond(
        any_unfit(sampled.sides), at_own_scales, lambda: (sampled.scores, sampled.sides)
    )
    wrong = any_unfit(sides)
    everywhere = mask_o if mask_o is not None else jnp.ones((x.shape[axis],), bool)
    for of_side, side in zip(sides, (x, y), strict=True):
        wrong = wrong | jnp.any(beyond(of_side.squares, of_side.mean, count, side, everywhere, axis)[0])
    return jax.lax.cond(wrong, otherwise, lambda: moments)


def _sides(moments: Moments) -> tuple[Side, Side]:
    return (
        Side(moments.xx_n, moments.mean_n, moments.origin_n + moments.mean_n),
        Side(moments.yy_k, moments.mean_k, moments.origin_k + moments.mean_k),
    )


def _unfit(side: Side, count: jax.Array) -> jax.Array:
    """[v] whether parts may have left float16, or were so small that they lost digits."""
    small = (side.squares > 0) & (side.squares < _LEAST_SQUARE * count)
    # No value is larger than the root of its squares about the origin, and products of such are finite.
    return small | ~(side.squares + count * side.from_origin * side.from_origin < _MOST_SQUARES)


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
    first_n, near_n, scale_n = _about(long, mask_o, axis, _SAMPLE)
    if sample != _SAMPLE:
        scale_n = _about(long, mask_o, axis, sample)[2]
    origin_n = first_n + near_n
    side, products = _with_short(long, short, origin_n, scale_n, mask_o, axis)
    mean_n = products.sum_n / divisor
    return Moments(
        count=long_counts.of(count),
        scale_n=scale_n,
        scale_k=side.scale_k,
        origin_n=origin_n * scale_n,
        origin_k=side.first_k * side.scale_k,
        mean_n=mean_n,
        mean_k=side.mean_k * side.scale_k,
        xx_n=jnp.maximum(products.squares_n - products.sum_n * mean_n, 0),
        yy_k=side.squares_k,
        # The short side's deviations add up to 0 but for rounding.
        xy_nk=products.products_nk - mean_n[:, None] * side.sum_k[None, :],
    )


def _with_short(
    long: jax.Array,
    short: jax.Array,
    origin_n: jax.Array,
    scale_n: jax.Array,
    mask_o: jax.Array | None,
    axis: int,
) -> tuple[_Short, split_product.Centred]:
    """(what is known of the short side, the products with it)."""
    n, k, o = long.shape[1 - axis], short.shape[1 - axis], short.shape[axis]
    before = axis == 1 and precision.splits_before(k)
    if mask_o is None and not before and precision.prepares_short(k, o):
        rows = short_side.prepared(short if axis == 1 else short.T, *split_product.room(n, k, o))
        parts = split_product.Parts(rows.high, rows.low, k)
        products = split_product.centred_product_of_parts(long, parts, origin_n, scale_n, axis)
        return _Short(rows.first_k, rows.mean_k, rows.scale_k, rows.sum_k, rows.squares_k), products
    # Deviations from a first value tell mean and scale in one pass.
    first_k, mean_k, scale_k = _about(short, mask_o, axis, 1)
    short = _less(_less(short, first_k, mask_o, axis), mean_k, mask_o, axis) * jnp.expand_dims(scale_k, axis)
    if before:
        products = both_split.centred_product(long, short, origin_n, scale_n, mask_o)
    else:
        products = split_product.centred_product(long, short, origin_n, scale_n, mask_o, axis)
    return _Short(first_k, mean_k, scale_k, jnp.sum(short, axis), jnp.sum(short**2, axis)), products


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


def _about(
    values: jax.Array, mask_o: jax.Array | None, axis: int, sample: int
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """(each item's first value, mean and scale of deviations from it in the first of `sample` parts).

    A constant item's mean is 0. The scale brings the mean size of these deviations near 1.
    """
    size = -(-values.shape[axis] // sample)
    counts = None if mask_o is None else mask_o[:size]
    number = jnp.maximum(_count(counts, size), 1).astype(jnp.float32)
    first = _first(values, mask_o, axis)
    apart = _less(jax.lax.slice_in_dim(values, 0, size, axis=axis), first, counts, axis)
    sizes = jnp.sum(jnp.abs(apart), axis) / number
    return first, jnp.sum(apart, axis) / number, split_product.scale_to_one(sizes)
