"""Distance correlation: zero only for independent sides."""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from actjax.precision import PRECISION
from actjax.similarity.families.observation_pairs import (
    MOST_OBSERVATIONS,
    phi_of_table,
    row_sums,
    squares_over_pairs,
    sum_over_pairs,
)
from actjax.similarity.families.vectors import centred, masked
from actjax.types import Context, Metric

# An entry of a centred matrix of distances up to 2 is known to about this.
ROUNDING = 1e-6


# One of the two observations of a pair: its value, and what else its distances need.
Entries = tuple[jax.Array, ...]


class Distances(NamedTuple):
    """What a row of the doubly centred distance matrix is made of, when it is needed.

    Attributes:
      values: [o] observations on a scale of about 1.
      rows: [o] row means of their distances, minus half of the grand mean.
      weight: [o] 1 where the mask is True, else 0.
      scale: scalar that gives the matrix length 1; NaN for a constant.
    """

    values: jax.Array
    rows: jax.Array
    weight: jax.Array
    scale: jax.Array


def metric(*, debiased: bool = False) -> Metric:
    """The correlation of doubly centred distance matrices A_ij = |x_i - x_j| - row - column + grand mean.

        dCor = sqrt(<A, B> / sqrt(<A, A> <B, B>))             biased, range [0, 1]
        dCor = <A, B> / sqrt(<A, A> <B, B>), A U-centred      debiased, range [-1, 1]

    0 for independent sides (in the limit; the biased form of few observations is well above it, and the
    debiased one is its square's unbiased counterpart, 0 on average and negative half of the time). Finds
    relations of any form. NaN where a side is constant or too few observations count (3; debiased: 4), and,
    debiased, where all observations but one are equal.
    Symmetric; the inner product runs over o^2 / 2 pairs in steps of o, so time grows with the square of
    the observations and memory does not. Needs all observations at once, at most 131,072, so it does not
    stream.

    It is blind to delays, to the direction of a relation, and is undefined within clips where the neuron is
    silent in more than a tenth of them. See docs/measurements/metric_benchmark.md.

    Args:
      debiased: takes the bias-corrected squared correlation of Székely and Rizzo.

    References: G. Székely, M. Rizzo, N. Bakirov, "Measuring and testing dependence by correlation of
    distances", 2007; G. Székely, M. Rizzo, "Partial distance correlation with methods for
    dissimilarities", 2014.
    """
    prepare = functools.partial(_prepare, debiased=debiased)
    return Metric(
        name="distance_correlation",
        prepare_x=prepare,
        prepare_y=prepare,
        compare=functools.partial(_compare, debiased=debiased),
        views=("clip", "frame", "map"),
        range=(-1.0 if debiased else 0.0, 1.0, 0.0),
        reference="Székely, Rizzo and Bakirov 2007; Székely and Rizzo 2014",
        invariant_to=("scale", "shift"),
        within="per_clip",
        signed=False,
        min_observations=4 if debiased else 3,
        max_observations=MOST_OBSERVATIONS,
        options={"debiased": debiased},
        cost="quadratic",
        of_table=None if debiased else lambda *table: np.abs(phi_of_table(*table)),
    )


def _prepare(values_o: jax.Array, mask_o: jax.Array, context: Context, *, debiased: bool):
    values_o = centred(values_o, mask_o)
    largest = jnp.max(jnp.abs(values_o))
    values_o = values_o / jnp.where(largest > 0, largest, jnp.ones_like(largest))
    weight_o = mask_o.astype(values_o.dtype)
    count = jnp.sum(weight_o)
    sums_o = weight_o * row_sums(_distance, (values_o, weight_o))
    total = jnp.sum(sums_o)
    if debiased:
        rows_o, grand = sums_o / (count - 2), total / ((count - 1) * (count - 2))
    else:
        rows_o, grand = sums_o / count, total / count**2
    item = Distances(values_o, masked(rows_o - grand / 2, mask_o), weight_o, jnp.ones_like(grand))
    squares = _squares(item, debiased)
    # A constant, or debiased one observation unlike all others, is zero but for rounding.
    some = squares > (ROUNDING * count) ** 2
    return item._replace(scale=jnp.where(some & (largest > 0), 1 / jnp.sqrt(squares), jnp.nan))


def _compare(px: Distances, py: Distances, *, debiased: bool) -> dict[str, jax.Array]:
    cosine = jnp.clip(_inner(px, py, debiased) * px.scale * py.scale, -1.0, 1.0)
    return {"score": cosine if debiased else jnp.sqrt(jnp.maximum(cosine, 0.0))}


def _inner(px: Distances, py: Distances, debiased: bool) -> jax.Array:
    """<A, B> over all ordered pairs."""
    off_diagonal = sum_over_pairs(_centred_distance, _unmasked_distance, px[:3], (py.values, py.rows))
    return 2 * off_diagonal + _diagonal(px, py, debiased)


def _squares(px: Distances, debiased: bool) -> jax.Array:
    """<A, A>."""
    return 2 * squares_over_pairs(_centred_distance, px[:3]) + _diagonal(px, px, debiased)


def _diagonal(px: Distances, py: Distances, debiased: bool) -> jax.Array:
    # A_ii = -2 rows_i, where rows are zero if the mask is False; U-centred matrices have no diagonal.
    return jnp.zeros(()) if debiased else 4 * jnp.vdot(px.rows, py.rows, precision=PRECISION)


def _distance(left: Entries, right: Entries):
    (x, _), (other, weight) = left, right
    return weight * jnp.abs(x - other)


def _unmasked_distance(left: Entries, right: Entries):
    (x, row), (other, other_row) = left, right
    return jnp.abs(x - other) - row - other_row


def _centred_distance(left: Entries, right: Entries):
    # Masking one side is enough in an inner product.
    return left[2] * right[2] * _unmasked_distance(left[:2], right[:2])
