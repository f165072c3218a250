"""The cosine of the angle between uncentred vectors."""

import jax

from actjax.similarity.accumulators.moments import moments
from actjax.similarity.families.vectors import cosine_of, masked, unit_scaled
from actjax.types import Context, Metric


def metric() -> Metric:
    """Cosine similarity, without centring.

        cos = sum_o x_o y_o / sqrt(sum_o x_o^2 sum_o y_o^2)

    Range [-1, 1], 0 for orthogonal vectors, NaN where a side is zero throughout. Two sides of one sign,
    such as a rectified neuron and a spectrogram, score high without any relation: compare with the null.
    Within clips it is computed in each clip and averaged, because removing a clip's mean would make it
    Pearson's r. Symmetric, signed, one inner product; streams exactly through centred moments.

    It takes a mean that both sides share for a shared course, so a third of unrelated pairs score as high as
    related ones. See docs/measurements/metric_benchmark.md.

    Reference: G. Salton, A. Wong, C. S. Yang, "A vector space model for automatic indexing", 1975.
    """
    return Metric(
        name="cosine",
        prepare_x=_prepare,
        prepare_y=_prepare,
        compare=lambda px, py: {"score": cosine_of(px, py)},
        views=("clip", "frame", "map"),
        range=(-1.0, 1.0, 0.0),
        reference="Salton, Wong and Yang 1975",
        invariant_to=("scale",),
        within="per_clip",
        min_observations=1,
        accumulator=moments("raw"),
        null="raw",
        order=4,
    )


def _prepare(values_o: jax.Array, mask_o: jax.Array, context: Context):
    return unit_scaled(masked(values_o, mask_o))
