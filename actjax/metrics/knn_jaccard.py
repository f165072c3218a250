"""Overlap of the nearest neighbours of each frame in two images."""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp

from actjax.precision import PRECISION
from actjax.similarity.families.frames import unit_frames
from actjax.similarity.families.geometry import MIN_FRAMES, distances_squared
from actjax.similarity.host.select import order_statistic
from actjax.types import Context, Metric

DISTANCES = ("euclidean", "cosine")


class Neighbours(NamedTuple):
    """Who is near whom.

    Attributes:
      near_tt: 1 where frame j is among the nearest of frame i; zero rows at invalid frames.
      count_t: the number of neighbours of each frame.
      frames: the number of valid frames, NaN where undefined.
    """

    near_tt: jax.Array
    count_t: jax.Array
    frames: jax.Array


def metric(*, neighbours: int = 10, distance: str = "euclidean") -> Metric:
    """Mean Jaccard index of each frame's sets of nearest frames in the two images.

        score = mean_t |N_x(t) and N_y(t)| / |N_x(t) or N_y(t)|

    N(t) holds the `neighbours` nearest other frames and all that tie with the last of them. The images may
    have different rows. Range [0, 1]; by chance about a / (2 - a), a = neighbours / (frames - 1), more
    where frames change slowly. NaN for an image of equal frames, for fewer than 16 valid frames, and
    where every other frame would be a neighbour. Symmetric, unsigned, not an inner product.

    It is blind to delays, to much of what sparse maps hold, and to signals that are weaker than the noise.
    See docs/measurements/metric_benchmark.md.

    Args:
      neighbours: size of the sets.
      distance: "euclidean" or "cosine" (of uncentred frames; NaN if a valid frame is zero).

    Raises:
      ValueError: no neighbours, or an unknown distance.

    Reference: M. Klabunde et al., "Similarity of neural network models: a survey of functional and
    representational measures", 2023.
    """
    if neighbours < 1:
        raise ValueError(f"knn_jaccard expected at least 1 neighbour, got {neighbours}")
    if distance not in DISTANCES:
        raise ValueError(f"knn_jaccard expected distance to be one of {DISTANCES}, got {distance!r}")
    prepare = functools.partial(_prepare, neighbours=neighbours, distance=distance)
    return Metric(
        name="knn_jaccard",
        prepare_x=prepare,
        prepare_y=prepare,
        compare=_compare,
        views=("map",),
        range=(0.0, 1.0, 0.0),
        reference="Klabunde et al. 2023",
        invariant_to=("scale", "shift"),
        observes="image",
        compares="frames",
        signed=False,
        dot=False,
        pair_copies=1,
        min_observations=MIN_FRAMES,
        options={"neighbours": neighbours, "distance": distance},
        cost="steps",
    )


def _prepare(values_ft: jax.Array, mask_t: jax.Array, context: Context, *, neighbours: int, distance: str):
    values_ft = _directions(values_ft) if distance == "cosine" else unit_frames(values_ft, mask_t)
    values_ft = jnp.where(mask_t[None, :], values_ft, jnp.zeros_like(values_ft))
    squared_tt = distances_squared(values_ft)
    others_tt = mask_t[:, None] & mask_t[None, :] & ~jnp.eye(mask_t.shape[0], dtype=bool)
    reach_t = jax.vmap(order_statistic, (0, 0, None))(
        squared_tt, others_tt, jnp.asarray(neighbours - 1, jnp.int32)
    )
    near_tt = (others_tt & (squared_tt <= reach_t[:, None])).astype(jnp.float32)
    frames = jnp.sum(mask_t)
    differ = jnp.max(jnp.where(others_tt, squared_tt, jnp.zeros_like(squared_tt))) > 0
    defined = differ & (neighbours < frames - 1) & ~jnp.any(jnp.isnan(values_ft))
    return Neighbours(near_tt, jnp.sum(near_tt, 1), jnp.where(defined, frames.astype(jnp.float32), jnp.nan))


def _compare(px: Neighbours, py: Neighbours) -> dict[str, jax.Array]:
    # Counts up to t are exact in any precision.
    both_t = jnp.einsum("ij,ij->i", px.near_tt, py.near_tt, precision=PRECISION)
    either_t = px.count_t + py.count_t - both_t
    total = jnp.sum(both_t / jnp.where(either_t > 0, either_t, 1.0))
    return {"score": jnp.clip(total / px.frames * (py.frames / py.frames), 0.0, 1.0)}


def _directions(values_ft: jax.Array) -> jax.Array:
    largest = jnp.max(jnp.abs(values_ft), 0, keepdims=True)
    values_ft = values_ft / jnp.where(largest > 0, largest, jnp.nan)
    return values_ft / jnp.sqrt(jnp.sum(values_ft * values_ft, 0, keepdims=True))
