"""Weighted pointwise mutual information with soft membership in a neuron's strongest inputs."""

import functools
import math

import jax
import jax.numpy as jnp

from actjax import precision
from actjax.similarity.arithmetic.inner import inner
from actjax.similarity.families.concept import (
    PROBABILITIES,
    Concept,
    Weights,
    log_prior,
    nan_if_constant,
)
from actjax.similarity.families.concept import probability as probability_of
from actjax.similarity.families.soft_membership import Membership, basis, sums_at_once, weights
from actjax.similarity.families.vectors import masked
from actjax.types import Context, Metric


def metric(
    *,
    k: int = 100,
    start: float = 0.998,
    end: float = 0.97,
    lam: float = 1.0,
    probability: str = "quantile",
) -> Metric:
    """WPMI in which the i-th strongest input belongs to the neuron's set with probability m_i.

        soft wpmi = mean over i < k of log(1 + m_i (p(concept | input i) - 1)) - lam log mean p(concept)
        m_i = start - i / k (start - end)

    An input that may not belong is not held against the concept: log p is bounded by log(1 - m_i). Inputs
    that tie share their places; of fewer than 2k observations the top half is taken. A continuous feature
    becomes a probability by its empirical quantile, (rank - 1/2) / n; a column of 0 and 1 is taken as it
    is. Unbounded; quantiles without relation to the neuron score about -1 + lam log 2; NaN where a side is
    constant. One inner product: log(1 + m (p - 1)) is interpolated in logit m to 1e-6, from 9 stacked
    vectors by default. Does not stream.

    It sees the strongest inputs alone, so it is blind to relations that are inverted, weak for sparse
    neurons, and is undefined within clips where the neuron is silent in more than a tenth of them. See
    docs/measurements/metric_benchmark.md.

    Args:
      k: number of strongest inputs.
      start, end: membership of the strongest one, and of the one after the last.
      lam: weight of the concept's own frequency.
      probability: "quantile", or "given" for features that are probabilities (outside of [0, 1]: NaN).

    Raises:
      ValueError: an option outside of its domain.

    Reference: T. Oikarinen, T.-W. Weng, "CLIP-Dissect: automatic description of neuron representations in
    deep vision networks", 2023.
    """
    if k < 1 or probability not in PROBABILITIES or not 0 < end <= start < 1:
        raise ValueError(
            f"soft_wpmi expected k >= 1, 0 < end <= start < 1 and probability in {PROBABILITIES}, "
            f"got {k}, {start}, {end}, {probability!r}"
        )
    membership = Membership(k, start, end)
    return Metric(
        name="soft_wpmi",
        prepare_x=functools.partial(_prepare_x, membership=membership),
        prepare_y=functools.partial(_prepare_y, kind=probability, lam=lam, membership=membership),
        compare=functools.partial(_compare, membership=membership),
        views=("clip", "frame"),
        range=(-math.inf, math.inf, -1.0 + lam * math.log(2)),
        reference="Oikarinen and Weng 2023",
        invariant_to=("scale", "shift", "order") if probability == "quantile" else (),
        symmetric=False,
        signed=False,
        options={"k": k, "start": start, "end": end, "lam": lam, "probability": probability},
        cost="steps",
    )


def _gathers() -> bool:
    """Whether strongest inputs are gathered, pair by pair, instead of weighing all inputs."""
    return precision.current_way() == "fast"


def _prepare_x(
    values_o: jax.Array, mask_o: jax.Array, context: Context, *, membership: Membership
) -> Weights:
    offset = nan_if_constant(values_o, mask_o)
    if _gathers():
        return Weights(jnp.where(mask_o, values_o, -jnp.inf), offset)
    return Weights(weights(values_o, mask_o, membership), offset)


def _prepare_y(
    values_o: jax.Array, mask_o: jax.Array, context: Context, *, kind: str, lam: float, membership: Membership
) -> Concept:
    p = probability_of(values_o, mask_o, kind)
    if _gathers():
        return Concept(jnp.where(mask_o, p, 1.0), lam * log_prior(p, mask_o))
    prepared = masked(basis(p, membership), mask_o[None, :])
    return Concept(prepared, lam * log_prior(p, mask_o))


def _compare(px: Weights, py: Concept, *, membership: Membership) -> dict[str, jax.Array]:
    sums = sums_at_once(membership) if _gathers() else inner
    return {"score": sums(px.weights, py.basis) + px.offset - py.log_prior}
