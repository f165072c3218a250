"""Correlation on a neuron's strongest inputs and as many random ones, gathered for each neuron."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from actjax.similarity._vectors import Scaled, cosine_of, masked, unit_scaled
from actjax.types import Context, Metric


class Sample(NamedTuple):
    """A neuron's sampled inputs.

    Attributes:
      index_i: [2 k] int32, which observations: the strongest, then the random ones.
      inside_i: [2 k] bool, False where there were too few.
      scaled: the neuron's values there, as the correlation compares them.
    """

    index_i: Any
    inside_i: Any
    scaled: Scaled


def sampled_correlation(name: str, transform: Callable[[Any, Any], Any], *, k: int, reference: str) -> Metric:
    """Pearson's r of `transform(values_i, inside_i)` on the sample."""
    if k < 2:
        raise ValueError(f"{name} expected k of at least 2, got {k}")
    return Metric(
        name=name,
        prepare_x=functools.partial(_sample, transform=transform, k=k),
        prepare_y=lambda values_o, mask_o, context: masked(values_o, mask_o),
        compare=functools.partial(_compare, transform=transform),
        views=("clip", "frame"),
        range=(-1.0, 1.0, 0.0),
        reference=reference,
        symmetric=False,
        dot=False,
        pair_copies=8,
        min_observations=k,
        options={"k": k},
    )


def _sample(values_o, mask_o, context: Context, *, transform, k) -> Sample:
    order, usable = random_order(mask_o, context.key)
    strongest = order[top_k(jnp.where(usable, values_o[order], -jnp.inf), k)[1]]
    index = jnp.concatenate([strongest, order[:k]]).astype(jnp.int32)
    inside = mask_o[index]
    return Sample(index, inside, unit_scaled(transform(values_o[index], inside)))


def top_k(values_o: jax.Array, k: int) -> tuple[jax.Array, jax.Array]:
    """The k largest values and where they are, the earlier first where they tie."""
    # The device's order puts -0 below 0, which are equal numbers.
    return jax.lax.top_k(jnp.where(values_o == 0, jnp.zeros_like(values_o), values_o), k)


def random_order(mask_o: jax.Array, key: Any) -> tuple[jax.Array, jax.Array]:
    """([o] the observations in an order drawn from `key`, valid ones first; [o] bool, the valid ones).

    The i-th valid observation draws the same number whatever padding stands between them. Without a key
    seed 0 is taken.
    """
    key = jax.random.key(0) if key is None else key
    place = jnp.maximum(jnp.cumsum(mask_o) - 1, 0)
    draw = jax.vmap(lambda i: jax.random.bits(jax.random.fold_in(key, i)))(place)
    order = jnp.lexsort((draw, ~mask_o))
    return order, mask_o[order]


def _compare(px: Sample, py_o, *, transform):
    other = unit_scaled(transform(py_o[px.index_i], px.inside_i))
    return {"score": cosine_of(px.scaled, other)}
