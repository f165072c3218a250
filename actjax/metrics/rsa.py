"""Representational similarity analysis of the frames of two images."""

import functools

import jax
import jax.numpy as jnp

from actjax.similarity.families.frames import unit_frames
from actjax.similarity.families.geometry import MIN_FRAMES, distances_squared
from actjax.similarity.families.vectors import centred, cosine_of, masked, unit_scaled
from actjax.similarity.host.ranks import ranks
from actjax.types import Context, Metric

DISSIMILARITIES = ("euclidean", "squared_euclidean", "correlation")
COMPARISONS = ("pearson", "spearman", "cosine")


def metric(*, dissimilarity: str = "euclidean", comparison: str = "pearson") -> Metric:
    """How alike the two images' matrices of dissimilarities between frames are.

        score = comparison(d_x(i, j), d_y(i, j)) over pairs of valid frames i < j

    The images may have different rows. Range [-1, 1] (cosine: [0, 1]), 0 for unrelated geometries in
    expectation (cosine: far above it, because dissimilarities are positive), NaN for fewer than 16 valid
    frames and where all dissimilarities are equal. Short, autocorrelated clips are far from 0 by chance:
    read the score against the one of mismatched clips. Symmetric, one inner product of vectors of pairs.

    It is blind to delays, and to much of what sparse maps hold. See docs/measurements/metric_benchmark.md.

    Args:
      dissimilarity: between two frames: "euclidean", "squared_euclidean", or "correlation" (1 - r over the
        rows; NaN if a valid frame has the same value in all rows).
      comparison: "pearson", "spearman" (mid-ranks) or "cosine" of the two vectors.

    Raises:
      ValueError: an unknown dissimilarity or comparison.

    Reference: N. Kriegeskorte, M. Mur, P. Bandettini, "Representational similarity analysis: connecting
    the branches of systems neuroscience", 2008.
    """
    if dissimilarity not in DISSIMILARITIES:
        raise ValueError(f"rsa expected dissimilarity to be one of {DISSIMILARITIES}, got {dissimilarity!r}")
    if comparison not in COMPARISONS:
        raise ValueError(f"rsa expected comparison to be one of {COMPARISONS}, got {comparison!r}")
    prepare = functools.partial(_prepare, dissimilarity=dissimilarity, comparison=comparison)
    return Metric(
        name="rsa",
        prepare_x=prepare,
        prepare_y=prepare,
        compare=lambda px, py: {"score": cosine_of(px, py)},
        views=("map",),
        range=(0.0 if comparison == "cosine" else -1.0, 1.0, 0.0),
        reference="Kriegeskorte, Mur and Bandettini 2008",
        invariant_to=("scale", "shift"),
        observes="image",
        compares="frames",
        signed=False,
        min_observations=MIN_FRAMES,
        options={"dissimilarity": dissimilarity, "comparison": comparison},
    )


def _prepare(
    values_ft: jax.Array, mask_t: jax.Array, context: Context, *, dissimilarity: str, comparison: str
):
    if dissimilarity == "correlation":
        matrix_tt = distances_squared(_standard_frames(values_ft)) / 2
    else:
        matrix_tt = distances_squared(unit_frames(values_ft, mask_t))
    first_p, second_p, counts_p = _pairs(values_ft.shape[1])
    valid_p = mask_t[first_p] & mask_t[second_p] & counts_p
    vector_p = masked(matrix_tt[first_p, second_p], valid_p)
    if dissimilarity == "euclidean":
        vector_p = jnp.sqrt(vector_p)
    if comparison == "cosine":
        return unit_scaled(vector_p)
    undefined = jnp.any(jnp.isnan(vector_p))
    if comparison == "spearman":
        vector_p = ranks(vector_p, valid_p)
    return unit_scaled(jnp.where(undefined, jnp.nan, centred(vector_p, valid_p)))


def _pairs(frames: int) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Every pair of frames once: the frames i and i + k (mod frames) for k from 1 to frames / 2.

    Computed where they are used: a list of them would be a constant that grows with the frames' square.

    Returns:
      The pairs' first and second frames, and which of the pairs count, each [frames * (frames // 2)]: with
      an even number of frames the distance frames / 2 meets each pair twice.
    """
    frame_t = jax.lax.optimization_barrier(jnp.arange(frames))
    first_tk = jnp.broadcast_to(frame_t[:, None], (frames, frames // 2))
    distance_tk = 1 + jnp.broadcast_to(frame_t[None, : frames // 2], (frames, frames // 2))
    second_tk = (first_tk + distance_tk) % frames
    counts_tk = (2 * distance_tk < frames) | (2 * first_tk < frames)
    return first_tk.ravel(), second_tk.ravel(), counts_tk.ravel()


def _standard_frames(values_ft: jax.Array) -> jax.Array:
    """Every frame minus its mean over rows, of length 1; NaN for a frame with equal rows."""
    shifted = values_ft - values_ft[:1]
    shifted = shifted - jnp.mean(shifted, 0, keepdims=True)
    largest = jnp.max(jnp.abs(shifted), 0, keepdims=True)
    shifted = shifted / jnp.where(largest > 0, largest, jnp.nan)
    return shifted / jnp.sqrt(jnp.sum(shifted * shifted, 0, keepdims=True))
