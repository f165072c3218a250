"""A feature as the probability of a concept, and a neuron as weights on its strongest inputs."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from actjax.similarity.arithmetic.inner import total
from actjax.similarity.families.vectors import masked
from actjax.similarity.host.order import kth_largest
from actjax.similarity.host.ranks import twice_ranks

PROBABILITIES = ("quantile", "given")


class Concept(NamedTuple):
    """A feature in the form in which inner products with weights give log likelihoods.

    Attributes:
      basis: [o] or [q, o] float32, 0 where the mask is False.
      log_prior: log of the mean probability, NaN for a constant feature.
    """

    basis: jax.Array
    log_prior: jax.Array


class Weights(NamedTuple):
    """A neuron: weights on a concept's basis, of its shape, and what is added to the inner product."""

    weights: jax.Array
    offset: jax.Array


def probability(
    values_o: jax.Array, mask_o: jax.Array, kind: str, twice_o: jax.Array | None = None
) -> jax.Array:
    """[o] the concept's probability at each input; NaN throughout for given values outside of [0, 1].

    A column of 0 and 1 is taken as it is; otherwise "quantile" gives (rank - 1/2) / n, ties averaged, from
    twice the ranks, if they are known already.
    """
    outside = jnp.any(mask_o & ((values_o < 0) | (values_o > 1)))
    if kind == "given":
        return jnp.where(outside, jnp.nan, values_o)
    binary = jnp.all(~mask_o | (values_o == 0) | (values_o == 1))
    count = jnp.maximum(jnp.sum(mask_o), 1).astype(values_o.dtype)
    twice_o = twice_ranks(values_o, mask_o) if twice_o is None else twice_o
    return jnp.where(binary, values_o, (twice_o - 1).astype(values_o.dtype) / 2 / count)


def log_prior(probability_o: jax.Array, mask_o: jax.Array) -> jax.Array:
    """The log of the mean probability; NaN for a constant one."""
    count = jnp.maximum(jnp.sum(mask_o), 1).astype(probability_o.dtype)
    return jnp.log(total(masked(probability_o, mask_o)) / count) + nan_if_constant(probability_o, mask_o)


def nan_if_constant(values_o: jax.Array, mask_o: jax.Array) -> jax.Array:
    """NaN if all valid values are equal, else 0."""
    low = jnp.min(jnp.where(mask_o, values_o, jnp.inf))
    high = jnp.max(jnp.where(mask_o, values_o, -jnp.inf))
    return jnp.where(high > low, 0.0, jnp.nan).astype(values_o.dtype)


def at_most_half(mask_o: jax.Array, k: int) -> jax.Array:
    """int32: k, or half of the valid observations where that is less, at least 1."""
    return jnp.clip(jnp.sum(mask_o) // 2, 1, k).astype(jnp.int32)


def top_share(values_o: jax.Array, mask_o: jax.Array, k: jax.Array) -> jax.Array:
    """[o] weights that sum to 1: 1/k at the k largest values; ties for the last places share them."""
    cutoff = kth_largest(values_o, mask_o, k)
    above, tied = mask_o & (values_o > cutoff), mask_o & (values_o == cutoff)
    left = (k - jnp.sum(above)).astype(jnp.float32) / jnp.maximum(jnp.sum(tied), 1).astype(jnp.float32)
    return (above.astype(jnp.float32) + tied.astype(jnp.float32) * left) / k.astype(jnp.float32)


@functools.cache
def interpolation(start: float, end: float) -> tuple[np.ndarray, Callable[[jax.Array], jax.Array]]:
    """Nodes t_q between the logits of `start` and `end`, and their Lagrange polynomials.

    With these log(1 + m (p - 1)) is interpolated in t = logit m, to 1e-6 for every p: its nearest poles in
    t are pi away from the real line, so few Chebyshev nodes suffice (9 from 0.998 to 0.97).
    """
    low, high = sorted(float(np.log(p / (1 - p))) for p in (start, end))
    p, t = np.logspace(-12, 0, 400)[:, None], np.linspace(low, high, 101)[None, :]

    def log_likelihood(t: np.ndarray) -> np.ndarray:
        return np.log((1 + np.exp(t) * p) / (1 + np.exp(t)))

    for q in range(1, 40):
        angles = (np.arange(q) + 0.5) * np.pi / q
        nodes = (low + high) / 2 - np.cos(angles) * (high - low) / 2
        basis = _lagrange(nodes, t[0], np)
        if np.abs(log_likelihood(nodes) @ basis - log_likelihood(t)).max() < 1e-6:
            break
    return nodes, functools.partial(_lagrange, nodes)


def _lagrange(nodes: np.ndarray, t: Any, xp: Any = jnp) -> Any:
    """[q, ...] the polynomials that are 1 at one node and 0 at the others."""
    factors = [
        [(t - other) / (node - other) for other in nodes if other != node] or [xp.ones_like(t)]
        for node in nodes.tolist()
    ]
    return xp.stack([functools.reduce(lambda a, b: a * b, row) for row in factors])
