"""Pearson's correlation coefficient."""

import jax

from actjax.similarity.accumulators.moments import moments
from actjax.similarity.families.vectors import centred, cosine_of, unit_scaled
from actjax.types import Context, Metric


def metric() -> Metric:
    """Pearson's r: the cosine of the centred vectors.

        r = sum_o (x_o - mean x)(y_o - mean y) / sqrt(sum_o (x_o - mean x)^2 sum_o (y_o - mean y)^2)

    Range [-1, 1], 0 for no linear relation, NaN where a side is constant or fewer than 3 observations
    count. Symmetric, signed, one inner product; streams exactly through centred moments.

    It is blind to relations that are delayed or shifted in frequency, as cells must coincide, and weak where
    several concepts add up. See docs/measurements/metric_benchmark.md.

    Reference: K. Pearson, "Note on regression and inheritance in the case of two parents", 1895.
    """
    return Metric(
        name="pearson",
        prepare_x=_prepare,
        prepare_y=_prepare,
        compare=lambda px, py: {"score": cosine_of(px, py)},
        views=("clip", "frame", "map"),
        range=(-1.0, 1.0, 0.0),
        reference="Pearson 1895",
        invariant_to=("scale", "shift"),
        within="pooled",
        accumulator=moments("centred"),
        null="centred",
        order=2,
    )


def _prepare(values_o: jax.Array, mask_o: jax.Array, context: Context):
    return unit_scaled(centred(values_o, mask_o))
