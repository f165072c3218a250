"""Makes controls, what a network scores without having learned: shuffled weights, rotated channels, class."""

import functools
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from actjax.precision import PRECISION
from actjax.similarity.arithmetic import least_squares
from actjax.statistics import moments
from actjax.statistics.requirements import StatisticsError

# A column with a smaller share of its deviation left is explained by the nuisances.
LEAST_LEFT = 1e-4


def shuffle_weights(params: Any, seed: int) -> Any:
    """The parameters with the entries of each array permuted among themselves, on the host.

    Every layer keeps the distribution of its weights and loses their arrangement. Batch norm
    statistics are no parameters: recompute them on the training clips.
    """
    leaves, structure = jax.tree.flatten(params)
    rng = np.random.default_rng([seed, 11])
    shuffled = [rng.permutation(np.ravel(leaf)).reshape(np.shape(leaf)) for leaf in leaves]
    return jax.tree.unflatten(structure, shuffled)


def rotations(seed: int, channels: int, count: int = 20) -> np.ndarray:
    """[count, c, c] uniformly random rotations (and reflections) of a layer's channels, float32.

    Q of a Gaussian matrix's QR decomposition, with signs fixed so that it is Haar distributed
    (Mezzadri, Notices of the AMS 54, 2007).
    """
    gaussian = np.random.default_rng([seed, 12]).standard_normal((count, channels, channels))
    q, r = np.linalg.qr(gaussian)
    return (q * np.sign(np.diagonal(r, axis1=1, axis2=2))[:, None, :]).astype(np.float32)


@functools.partial(jax.jit, static_argnames="centre")
def rotate_channels(
    x_bon: np.ndarray | jax.Array,
    mask_bo: np.ndarray | jax.Array,
    rotation_nn: np.ndarray | jax.Array,
    *,
    centre: str = "clip",
) -> jax.Array:
    """[b, o, n] neurons standardised, then rotated: x' = x @ rotation.

    If a layer's axes mean something, its units score above such mixtures of themselves.

    Args:
      x_bon: [b, o, n] neurons, all channels of a layer.
      mask_bo: [b, o] bool.
      rotation_nn: [n, n] one of `rotations`.
      centre: the deviations that are standardised: within clips ("clip") or from the mean ("all").
    """
    standard = moments.standardised(jnp.asarray(x_bon), jnp.asarray(mask_bo), centre)
    return jnp.einsum("bon,nm->bom", standard, jnp.asarray(rotation_nn), precision=PRECISION)


def eta_squared(values_bv: np.ndarray, class_ids: Sequence[Any] | np.ndarray) -> np.ndarray:
    """[v] the share of each column's variance over clips that lies between classes, in [0, 1].

        eta^2 = sum_c n_c (mean_c - mean)^2 / sum_b (v_b - mean)^2

    Without any relation its expectation is (classes - 1) / (clips - 1). NaN for constant columns; clips
    with NaN are left out of their column.

    Args:
      values_bv: [b, v] neurons or feature rows, pooled to one value a clip.
      class_ids: [b] the class of each clip.
    """
    values = np.asarray(values_bv, np.float64)
    labels = np.unique(np.asarray(class_ids), return_inverse=True)[1]
    if len(labels) != len(values):
        raise StatisticsError(f"expected one class for each of {len(values)} clips, got {len(labels)}")
    valid = ~np.isnan(values)
    member_cb = (labels[None, :] == np.arange(labels.max() + 1)[:, None]).astype(np.float64)
    mean = np.where(valid, values, 0.0).sum(axis=0) / np.maximum(valid.sum(axis=0), 1)
    deviation = np.where(valid, values - mean[None, :], 0.0)
    count_cv = member_cb @ valid
    between = ((member_cb @ deviation) ** 2 / np.maximum(count_cv, 1)).sum(axis=0)
    total = (deviation**2).sum(axis=0)
    floor = valid.sum(axis=0) * (1e-6 * np.abs(np.where(valid, values, 0.0)).max(axis=0)) ** 2
    return np.where(total > floor, between / np.where(total > floor, total, 1.0), np.nan)


@functools.partial(jax.jit, static_argnames="centre")
def residuals(
    values_bov: np.ndarray | jax.Array,
    nuisance_boq: np.ndarray | jax.Array,
    mask_bo: np.ndarray | jax.Array,
    *,
    centre: str = "clip",
) -> jax.Array:
    """[b, o, v] what the nuisance rows do not explain linearly, for partial scores.

    Least squares over all valid observations after centring both; neuron and feature residuals then go
    to `nulls.moment_null`. A column with less than LEAST_LEFT of its deviation left becomes zero (its
    scores are undefined), such as a nuisance against itself.

    Args:
      values_bov: [b, o, v] neurons or feature rows.
      nuisance_boq: [b, o, q] rows held fixed, such as loudness and local input energy.
      mask_bo: [b, o] bool.
      centre: as in `nulls.moment_null`.
    """
    mask = jnp.asarray(mask_bo)
    values = moments.centred(jnp.asarray(values_bov), mask, centre)
    nuisance = moments.centred(jnp.asarray(nuisance_boq), mask, centre)
    shape = values.shape
    flat, rows = values.reshape(-1, shape[2]), nuisance.reshape(-1, nuisance.shape[2])
    return least_squares.residuals(flat, least_squares.orthonormal(rows), LEAST_LEFT).reshape(shape)
