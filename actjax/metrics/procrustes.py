"""Similarity of two images' frames after the best rotation."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from actjax.precision import PRECISION
from actjax.similarity.families.frames import unit_frames
from actjax.similarity.families.geometry import MIN_FRAMES
from actjax.types import Context, Metric


class Shape(NamedTuple):
    """Centred frames [f, t] and the factor that gives the matrix length 1, NaN for a constant."""

    frames_ft: jax.Array
    scale: jax.Array


def metric() -> Metric:
    """One minus what is left of one image after the best rotation, reflection and scaling of the other.

        score = 1 - min |X - s R Y|^2 / |X|^2 = (sum of the singular values of X' Y)^2,  |X| = |Y| = 1

    with rows centred over frames; of images with different rows the smaller one gets rows of zeros. Range
    [0, 1], 0 for orthogonal rows, NaN for constant images and for fewer than 16 valid frames. Symmetric,
    unsigned, not an inner product.

    It is blind to delays, and to much of what sparse maps hold. See docs/measurements/metric_benchmark.md.

    Reference: J. Gower, "Generalized Procrustes analysis", 1975.
    """
    return Metric(
        name="procrustes",
        prepare_x=_prepare,
        prepare_y=_prepare,
        compare=_compare,
        views=("map",),
        range=(0.0, 1.0, 0.0),
        reference="Gower 1975",
        invariant_to=("scale", "shift"),
        observes="image",
        compares="frames",
        signed=False,
        dot=False,
        min_observations=MIN_FRAMES,
        cost="steps",
    )


def _prepare(values_ft: jax.Array, mask_t: jax.Array, context: Context):
    frames_ft = unit_frames(values_ft, mask_t)
    squares = jnp.sum(frames_ft * frames_ft)
    return Shape(frames_ft, jnp.where(squares > 0, 1 / jnp.sqrt(squares), jnp.nan))


def _compare(px: Shape, py: Shape) -> dict[str, jax.Array]:
    products = jnp.dot(px.frames_ft, py.frames_ft.T, precision=PRECISION)
    total = jnp.sum(jnp.linalg.svd(products, compute_uv=False)) * px.scale * py.scale
    return {"score": jnp.clip(total, 0.0, 1.0) ** 2}
