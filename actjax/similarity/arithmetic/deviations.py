"""Deviations from a mean over what a mask lets through, and the mean of two sets of observations."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from actjax.similarity.arithmetic.inner import total


class Deviations(NamedTuple):
    """Values as first + mean + deviations, the latter zero where the mask is False.

    Attributes:
      first: the first valid value of each item; 0 where there is none.
      mean: the mean minus `first`; 0 where nothing is valid.
      values: the deviations from the mean.
    """

    first: jax.Array
    mean: jax.Array
    values: jax.Array


def deviations(values: jax.Array, mask_o: jax.Array, axis: int = -1) -> Deviations:
    """Each item's deviations from its mean over the valid observations on `axis`.

    A first valid value is subtracted before the mean is taken: a mean of 10,000 deviations then costs no
    digits, and a constant gives exact zeros.

    Args:
      values: one item, or many whose observations stand on `axis`.
      mask_o: [o] bool.
      axis: of the observations. Sums over the last one keep their digits at any length; others are plain.
    """
    axis %= values.ndim
    last = axis == values.ndim - 1
    inside = mask_o.reshape([-1 if i == axis else 1 for i in range(values.ndim)])
    count = jnp.maximum(jnp.sum(mask_o), 1).astype(values.dtype)
    first = jnp.where(jnp.any(mask_o), jnp.take(values, jnp.argmax(mask_o), axis), 0)
    shifted = jnp.where(inside, values - jnp.expand_dims(first, axis), jnp.zeros_like(values))
    mean = (total(shifted) if last else jnp.sum(shifted, axis)) / count
    apart = jnp.where(inside, shifted - jnp.expand_dims(mean, axis), jnp.zeros_like(values))
    return Deviations(first, mean, apart)


def about_one_origin(
    some_a: jax.Array, origin_a: jax.Array, mean_a: jax.Array, origin_b: jax.Array, mean_b: jax.Array
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """(origin, mean of a, mean of b): both means about a's origin, or about b's where a is empty."""
    origin = jnp.where(some_a, origin_a, origin_b)
    return origin, (origin_a - origin) + mean_a, (origin_b - origin) + mean_b


def merged_mean(
    count_a: jax.Array, mean_a: jax.Array, count_b: jax.Array, mean_b: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """(the mean of two sets of observations, b's mean minus a's), means about one origin.

    An empty set has no mean: the other's is taken (0 if both are empty), and the difference is 0, so that
    the zero which stands for it costs no digits. Counts are broadcast against the means.
    """
    share = count_b / jnp.maximum(count_a + count_b, 1)
    some_a, some_b = count_a > 0, count_b > 0
    delta = jnp.where(some_a & some_b, mean_b - mean_a, jnp.zeros_like(mean_a))
    alone = jnp.where(some_b, mean_b, jnp.zeros_like(mean_b))
    return jnp.where(some_a, mean_a + delta * share, alone), delta
