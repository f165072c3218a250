"""The cosine of centred, cubed vectors."""

import jax
import jax.numpy as jnp

from actjax.similarity.arithmetic.deviations import deviations
from actjax.similarity.families.cubes import cubic_moments
from actjax.similarity.families.vectors import cosine_of, unit_length
from actjax.types import Context, Metric


def metric() -> Metric:
    """Cosine of the cubes of the centred sides: Pearson's r that listens to the extremes.

        score = sum_o u_o^3 v_o^3 / sqrt(sum_o u_o^6 sum_o v_o^6),  u = x - mean x,  v = y - mean y

    Range [-1, 1], 0 for no relation, NaN where a side is constant or fewer than 3 observations count.
    Symmetric, signed, one inner product; streams in one pass through central moments up to the cubes of
    both sides (nine products instead of one, and nine arrays [n, k]).

    It sees little but the extremes: it misses relations that are warped, and takes a tenth of unrelated
    binary pairs for related. See docs/measurements/metric_benchmark.md.

    Reference: T. Oikarinen, T.-W. Weng, "CLIP-Dissect: automatic description of neuron representations
    in deep vision networks", 2023.
    """
    return Metric(
        name="cosine_cubed",
        prepare_x=_prepare,
        prepare_y=_prepare,
        compare=lambda px, py: {"score": cosine_of(px, py)},
        views=("clip", "frame"),
        range=(-1.0, 1.0, 0.0),
        reference="Oikarinen and Weng 2023",
        invariant_to=("scale", "shift"),
        within="pooled",
        accumulator=cubic_moments(),
    )


def _prepare(values_o: jax.Array, mask_o: jax.Array, context: Context):
    centred = deviations(values_o, mask_o)
    # The first value deviates by minus the mean, so that what is masked adds no extreme here. Sums and
    # extremes of the same numbers are one pass.
    apart_o = jnp.where(mask_o, values_o - centred.first, jnp.zeros_like(values_o))
    largest = jnp.maximum(jnp.max(apart_o) - centred.mean, centred.mean - jnp.min(apart_o))
    # Sixth powers leave float32 unless the largest is about 1.
    return unit_length((centred.values / jnp.where(largest > 0, largest, jnp.ones_like(largest))) ** 3)
