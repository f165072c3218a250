"""Mutual information as a share of the joint entropy of two sets."""

import jax
import jax.numpy as jnp

from actjax.similarity.families.binary import Sides, table_metric
from actjax.types import Metric


def metric(
    *,
    alpha_x: float = 0.05,
    alpha_y: float = 0.05,
    threshold_x: float | None = None,
    threshold_y: float | None = None,
) -> Metric:
    """How much of the joint information of two sets of active observations they share.

        iqr = I(X; Y) / H(X, Y)

    X holds the ceil(alpha_x n) largest values of the neuron and all that tie with the least of them (where
    that is the neuron's smallest value, those above it); Y likewise. A column of two values, such as 0 and
    1, is taken as it is. Range [0, 1], 0 for independent sets, 1 for equal or complementary ones, NaN where
    a side is constant. Symmetric for equal options, unsigned, one inner product; streams exactly when both
    thresholds are given.

    It is blind to the direction of a relation, to delays and shifts in frequency, and is undefined within
    clips where the neuron is silent in more than a tenth of them. See docs/measurements/metric_benchmark.md.

    Args:
      alpha_x, alpha_y: share of the observations that count as active.
      threshold_x, threshold_y: count as active the values that reach it, instead.

    Raises:
      ValueError: a share outside of (0, 1).

    Reference: M. Wijaya, R. Sarno, E. Zulaika, "Information quality ratio as a novel metric for mother
    wavelet selection", 2017.
    """
    return table_metric(
        "information_quality_ratio",
        _ratio,
        Sides(alpha_x, alpha_y, threshold_x, threshold_y),
        views=("clip", "frame", "map"),
        reference="Wijaya, Sarno and Zulaika 2017",
        symmetric=True,
    )


def _ratio(both: jax.Array, only_x: jax.Array, only_y: jax.Array, neither: jax.Array):
    x, y = both + only_x, both + only_y
    no_x, no_y = only_y + neither, only_x + neither
    count = x + no_x
    cells = ((both, x, y), (only_x, x, no_y), (only_y, no_x, y), (neither, no_x, no_y))
    shared = sum(_shared(cell, row, column, count) for cell, row, column in cells)
    joint = sum(_surprise(cell / count) for cell, _, _ in cells)
    return jnp.clip(shared / joint, 0.0, 1.0)


def _shared(cell: jax.Array, row: jax.Array, column: jax.Array, count: jax.Array) -> jax.Array:
    """What a cell adds to the information; no term is negative, as in `families.information`."""
    product = row / count * (column / count)
    excess = (cell / count - product) / product
    log = jnp.log1p(jnp.where(cell > 0, excess, 0.0))
    return product * jnp.where(cell > 0, (1 + excess) * log - excess, 1.0)


def _surprise(share: jax.Array) -> jax.Array:
    return -share * jnp.log(jnp.where(share > 0, share, 1.0))
