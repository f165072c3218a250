"""Pearson's correlation with nuisance rows held fixed."""

import jax
import jax.numpy as jnp

from actjax.similarity.accumulators.partial import LEAST_LEFT, nuisances, partial_moments
from actjax.similarity.arithmetic.least_squares import orthonormal, residuals
from actjax.similarity.families.vectors import centred, cosine_of, unit_scaled
from actjax.types import Context, Metric


def metric() -> Metric:
    """Pearson's r of what the nuisance rows (loudness, input energy) do not explain linearly.

        r = pearson(x - regression of x on z, y - regression of y on z),  z the nuisances and a constant

    The nuisances come from the context, [o, q] with q up to 8; they may be collinear. Range [-1, 1], 0
    for no linear relation beyond them. NaN where the nuisances leave less than 1e-5 of a side's
    deviation (a nuisance against itself, a constant) or fewer than 3 observations count. Symmetric,
    signed, one inner product; streams through moments of deviations from the first batch's regression,
    which keeps their digits where little is left.

    It is blind to whatever the nuisances hold, and weak where a relation is delayed or several concepts add
    up. See docs/measurements/metric_benchmark.md.

    Raises:
      ValueError: no nuisance rows, or too many, when it is called.

    Reference: R. Fisher, "The distribution of the partial correlation coefficient", 1924.
    """
    return Metric(
        name="partial_pearson",
        prepare_x=_prepare,
        prepare_y=_prepare,
        compare=lambda px, py: {"score": cosine_of(px, py)},
        views=("clip", "frame", "map"),
        range=(-1.0, 1.0, 0.0),
        reference="Fisher 1924",
        invariant_to=("scale", "shift"),
        within="pooled",
        accumulator=partial_moments(),
        null="centred",
        needs=("nuisance_oq",),
    )


def _prepare(values_o: jax.Array, mask_o: jax.Array, context: Context):
    # The kernel vmaps over rows, not over the context: the basis is computed once for all of them.
    basis_oq = orthonormal(jax.vmap(centred, (1, None), 1)(nuisances(context, mask_o), mask_o))
    deviations_o = centred(values_o, mask_o)
    largest = jnp.max(jnp.abs(deviations_o))
    deviations_o = deviations_o / jnp.where(largest > 0, largest, jnp.ones_like(largest))
    return unit_scaled(residuals(deviations_o, basis_oq, LEAST_LEFT))
