"""Second moments of all observations at once, where a kernel of a GPU centres and multiplies them.

The feature rows, or the neurons where there are fewer, are centred exactly and split before; the other side
is read once, about an origin near its mean.
"""

from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp

from actjax import split_product
from actjax.similarity.accumulators.moments import Moments, beyond, near_mean, suspicious
from actjax.similarity.arithmetic import long_counts
from actjax.similarity.arithmetic.deviations import deviations

Scores = Mapping[str, jax.Array]


def scores(
    finalize: Callable[[Moments], Scores],
    x: jax.Array,
    y: jax.Array,
    mask_o: jax.Array,
    axis: int,
    otherwise: Callable[[], Scores],
) -> Scores:
    """`finalize` of the moments, or what `otherwise` gives where squares leave float32.

    Whether they do is asked in one place: every question is a wait of the host for the device.
    """
    moments = of_whole(x, y, mask_o, axis)
    found = finalize(moments)
    count = long_counts.as_float(moments.count)
    of_x = moments.xx_n, moments.origin_n + moments.mean_n, count
    of_y = moments.yy_k, moments.origin_k + moments.mean_k, count

    def look() -> Scores:
        wrong_n, _ = beyond(*of_x, x, mask_o, axis)
        wrong_k, _ = beyond(*of_y, y, mask_o, axis)
        return jax.lax.cond(jnp.any(wrong_n) | jnp.any(wrong_k), otherwise, lambda: found)

    doubtful = jnp.any(suspicious(*of_x)) | jnp.any(suspicious(*of_y))
    return jax.lax.cond(doubtful, look, lambda: found)


def of_whole(x: jax.Array, y: jax.Array, mask_o: jax.Array, axis: int) -> Moments:
    """The moments of all pairs at scales of 1; observations stand on `axis`."""
    if x.shape[1 - axis] < y.shape[1 - axis]:
        other = _of_long_and_short(y, x, mask_o, axis)
        return other._replace(
            origin_n=other.origin_k, origin_k=other.origin_n, mean_n=other.mean_k, mean_k=other.mean_n,
            scale_n=other.scale_k, scale_k=other.scale_n, xx_n=other.yy_k, yy_k=other.xx_n,
            xy_nk=other.xy_nk.T,
        )  # fmt: skip
    return _of_long_and_short(x, y, mask_o, axis)


def _of_long_and_short(long: jax.Array, short: jax.Array, mask_o: jax.Array, axis: int) -> Moments:
    count = jnp.sum(mask_o, dtype=jnp.int32)
    divisor = jnp.maximum(count, 1).astype(jnp.float32)
    ones_n, ones_k = (jnp.ones((side.shape[1 - axis],), jnp.float32) for side in (long, short))
    origin_n = near_mean(long, mask_o, count, ones_n, axis)
    of_short = deviations(short, mask_o, axis)
    found = split_product.centred_product(long, of_short.values, origin_n, mask_o, axis)
    mean_n = found.sum_n / divisor
    return Moments(
        count=long_counts.of(count),
        scale_n=ones_n,
        scale_k=ones_k,
        origin_n=origin_n,
        origin_k=of_short.first,
        mean_n=mean_n,
        mean_k=of_short.mean,
        xx_n=jnp.maximum(found.squares_n - found.sum_n * mean_n, 0),
        yy_k=jnp.sum(of_short.values**2, axis),
        # The short side's deviations add up to 0 but for rounding.
        xy_nk=found.products_nk - mean_n[:, None] * jnp.sum(of_short.values, axis)[None, :],
    )
