"""Kendall's rank correlation."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from actjax.similarity.arithmetic.inner import total
from actjax.similarity.families.observation_pairs import (
    MOST_OBSERVATIONS,
    phi_of_table,
    sum_over_pairs,
)
from actjax.similarity.host.ranks import twice_ranks
from actjax.types import Metric


class Ranked(NamedTuple):
    """Twice the mid-ranks (whole numbers), and what scales the sum of signs.

    Attributes:
      twice: [o]; where the mask is False NaN on the neuron's side, 0 on the feature's.
      scale: scalar, NaN for a constant.
    """

    twice: jax.Array
    scale: jax.Array


def metric() -> Metric:
    """Kendall's tau-b: the cosine of the vectors of signs of all pairs of observations.

        tau = sum_{i<j} sign(x_i - x_j) sign(y_i - y_j) / sqrt(untied pairs of x * untied pairs of y)

    Range [-1, 1], 0 for no monotone relation, NaN where a side is constant or fewer than 3 observations
    count. Invariant under increasing maps of either side. Symmetric, signed; the inner product runs over
    o^2 / 2 pairs, in steps of o, so time grows with the square of the observations and memory does not.
    Needs all observations at once, at most 131,072, so it does not stream.

    It is weak where a neuron is sparse or a relation warped between clips, and is undefined within clips
    where the neuron is silent in more than a tenth of them. See docs/measurements/metric_benchmark.md.

    Reference: M. Kendall, "The treatment of ties in ranking problems", 1945.
    """
    return Metric(
        name="kendall",
        prepare_x=lambda values_o, mask_o, context: _prepare(values_o, mask_o, jnp.nan),
        prepare_y=lambda values_o, mask_o, context: _prepare(values_o, mask_o, 0.0),
        compare=_compare,
        views=("clip", "frame"),
        range=(-1.0, 1.0, 0.0),
        reference="Kendall 1945",
        invariant_to=("scale", "shift", "order"),
        within="per_clip",
        max_observations=MOST_OBSERVATIONS,
        cost="quadratic",
        of_table=phi_of_table,
    )


def _prepare(values_o: jax.Array, mask_o: jax.Array, outside: float):
    twice_o = twice_ranks(values_o, mask_o)
    tied = jnp.zeros((2 * values_o.shape[0] + 1,), jnp.float32)
    tied = tied.at[twice_o].add(mask_o.astype(jnp.float32))
    # Group by group, the pairs with the other groups: no difference of large counts.
    untied = total(tied * (jnp.sum(mask_o, dtype=jnp.int32).astype(jnp.float32) - tied)) / 2
    return Ranked(
        jnp.where(mask_o, twice_o.astype(jnp.float32), outside),
        jnp.where(untied > 0, 1 / jnp.sqrt(untied), jnp.nan),
    )


def _compare(px: Ranked, py: Ranked) -> dict[str, jax.Array]:
    signs = sum_over_pairs(_signs_or_zero, _signs, px.twice, py.twice, tiny_integers=True)
    return {"score": jnp.clip(signs * px.scale * py.scale, -1.0, 1.0)}


def _signs(left: jax.Array, right: jax.Array):
    # Ranks that differ do so by a whole number at least, once doubled.
    return jnp.clip(left - right, -1.0, 1.0)


def _signs_or_zero(left: jax.Array, right: jax.Array):
    signs = _signs(left, right)
    return jnp.where(jnp.isnan(signs), jnp.zeros_like(signs), signs)
