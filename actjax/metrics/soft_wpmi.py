"""Weighted pointwise mutual information with soft membership in a neuron's strongest inputs."""

import functools
import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from actjax.similarity.arithmetic.inner import inner
from actjax.similarity.families.concept import (
    PROBABILITIES,
    Concept,
    Weights,
    at_most_half,
    interpolation,
    log_prior,
    nan_if_constant,
)
from actjax.similarity.families.concept import probability as probability_of
from actjax.similarity.families.vectors import masked
from actjax.similarity.host.ranks import twice_ranks
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
    nodes, lagrange = interpolation(start, end)
    return Metric(
        name="soft_wpmi",
        prepare_x=functools.partial(_prepare_x, k=k, start=start, end=end, lagrange=lagrange),
        prepare_y=functools.partial(_prepare_y, kind=probability, lam=lam, nodes=nodes),
        compare=_compare,
        views=("clip", "frame"),
        range=(-math.inf, math.inf, -1.0 + lam * math.log(2)),
        reference="Oikarinen and Weng 2023",
        invariant_to=("scale", "shift", "order") if probability == "quantile" else (),
        symmetric=False,
        signed=False,
        options={"k": k, "start": start, "end": end, "lam": lam, "probability": probability},
        cost="steps",
    )


def _prepare_x(
    values_o: jax.Array,
    mask_o: jax.Array,
    context: Context,
    *,
    k: int,
    start: float,
    end: float,
    lagrange: Callable[[jax.Array], jax.Array],
) -> Weights:
    taken = at_most_half(mask_o, k)
    place = jnp.arange(k, dtype=jnp.int32)
    # 1 - m, not m, so that its logarithm keeps its digits near m = 1.
    without = (1 - start) + (start - end) * place.astype(jnp.float32) / taken.astype(jnp.float32)
    inside = place < taken
    logit = jnp.log1p(-without) - jnp.log(without)
    basis_qi = jnp.where(inside[None, :], lagrange(jnp.where(inside, logit, logit[0])), 0.0)
    sums_qi = jnp.concatenate([jnp.zeros_like(basis_qi[:, :1]), jnp.cumsum(basis_qi, 1)], 1)
    # An input that ties with others takes the mean over their places: first .. last, counted from the top.
    first, last = _places(values_o, mask_o)
    spread = (sums_qi[:, jnp.minimum(last + 1, k)] - sums_qi[:, jnp.minimum(first, k)]) / (
        last - first + 1
    ).astype(jnp.float32)[None, :]
    weights = jnp.where(mask_o[None, :], spread, 0.0) / taken.astype(jnp.float32)
    return Weights(weights, nan_if_constant(values_o, mask_o))


def _prepare_y(
    values_o: jax.Array, mask_o: jax.Array, context: Context, *, kind: str, lam: float, nodes: np.ndarray
) -> Concept:
    p = probability_of(values_o, mask_o, kind)
    without = jnp.asarray(1 / (1 + np.exp(nodes)), p.dtype)[:, None]
    basis = jnp.log(without + (1 - without) * p[None, :])
    return Concept(masked(basis, mask_o[None, :]), lam * log_prior(p, mask_o))


def _places(values_o: jax.Array, mask_o: jax.Array):
    """int32 [o] first and last place, from the top and from 0, of the values that tie with each."""
    doubled = twice_ranks(values_o, mask_o)
    ties = jnp.zeros((2 * values_o.shape[0] + 1,), jnp.int32).at[doubled].add(1)[doubled]
    # A mid-rank is (2 smaller + ties + 1) / 2.
    smaller = (doubled - ties - 1) // 2
    last = jnp.sum(mask_o).astype(jnp.int32) - 1 - smaller
    return jnp.where(mask_o, last - ties + 1, 0), jnp.where(mask_o, last, 0)


def _compare(px: Weights, py: Concept) -> dict[str, jax.Array]:
    return {"score": inner(px.weights, py.basis) + px.offset - py.log_prior}
