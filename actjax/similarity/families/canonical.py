"""The family of canonical correlations between two images' frames."""

import functools
from collections.abc import Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp

from actjax.precision import PRECISION
from actjax.similarity.families.geometry import MIN_FRAMES, frame_subspace
from actjax.types import Context, Metric


class Subspace(NamedTuple):
    """Orthonormal basis [r, t] of the rows' span and its rank, NaN where undefined."""

    basis_rt: jax.Array
    rank: jax.Array


def canonical_metric(
    name: str, reference: str, *, variance: float = 1.0, options: Mapping[str, float] | None = None
) -> Metric:
    """The mean canonical correlation of two images, each cut to its leading share of variance."""
    prepare = functools.partial(_prepare, variance=variance)
    return Metric(
        name=name,
        prepare_x=prepare,
        prepare_y=prepare,
        compare=_compare,
        views=("map",),
        range=(0.0, 1.0, 0.0),
        reference=reference,
        invariant_to=("scale", "shift"),
        observes="image",
        compares="frames",
        signed=False,
        dot=False,
        cost="steps",
        min_observations=MIN_FRAMES,
        options={} if options is None else options,
    )


def _prepare(values_ft: jax.Array, mask_t: jax.Array, context: Context, *, variance: float):
    return Subspace(*frame_subspace(values_ft, mask_t, variance))


def _compare(px: Subspace, py: Subspace) -> dict[str, jax.Array]:
    cosines = jnp.linalg.svd(jnp.dot(px.basis_rt, py.basis_rt.T, precision=PRECISION), compute_uv=False)
    mean = jnp.sum(jnp.clip(cosines, 0.0, 1.0)) / jnp.minimum(px.rank, py.rank)
    return {"score": jnp.clip(mean, 0.0, 1.0)}
