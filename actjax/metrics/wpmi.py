"""Weighted pointwise mutual information of a neuron's strongest inputs and a concept."""

import functools
import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from actjax.precision import PRECISION
from actjax.similarity.arithmetic import long_counts
from actjax.similarity.arithmetic.inner import inner
from actjax.similarity.families.binary import active_set, check_sides
from actjax.similarity.families.concept import (
    PROBABILITIES,
    Concept,
    Weights,
    at_most_half,
    log_prior,
    nan_if_constant,
    top_share,
)
from actjax.similarity.families.concept import probability as probability_of
from actjax.similarity.families.vectors import masked
from actjax.types import Accumulator, Context, Metric


def metric(
    *,
    k: int = 28,
    alpha: float | None = None,
    threshold_x: float | None = None,
    lam: float = 0.6,
    probability: str = "quantile",
    min_probability: float = 1e-7,
) -> Metric:
    """How likely the concept is on the neuron's strongest inputs, against how likely it is at all.

        wpmi = mean over the top k inputs of log p(concept | input) - lam log mean p(concept)

    Inputs that tie for the last of the k places share them; of fewer than 2k observations the top half is
    taken. A continuous feature becomes a probability by its empirical quantile, (rank - 1/2) / n; a column
    of 0 and 1 is taken as it is. Unbounded; quantiles without relation to the neuron score
    -1 + lam log 2; NaN where a side is constant. One inner product; streams when `threshold_x` and
    probabilities are given.

    It sees the strongest inputs alone, so it is blind to relations that are inverted, weak for sparse or
    warped neurons, and is undefined within clips where the neuron is silent in more than a tenth of them. See
    docs/measurements/metric_benchmark.md.

    Args:
      k: number of strongest inputs (CLIP-Dissect's 28).
      alpha: takes this share of the inputs, with all that tie with the least of them, instead of k
        (Neuron_Eval's reading, with lam=1).
      threshold_x: takes the inputs on which the neuron reaches it, instead of k.
      lam: weight of the concept's own frequency.
      probability: "quantile", or "given" for features that are probabilities (outside of [0, 1]: NaN).
      min_probability: smaller ones count as this.

    Raises:
      ValueError: an option outside of its domain.

    Reference: T. Oikarinen, T.-W. Weng, "CLIP-Dissect: automatic description of neuron representations in
    deep vision networks", 2023.
    """
    if k < 1 or probability not in PROBABILITIES or not 0 < min_probability < 1:
        raise ValueError(
            f"wpmi expected k >= 1, probability in {PROBABILITIES} and 0 < min_probability < 1, "
            f"got {k}, {probability!r}, {min_probability}"
        )
    if alpha is not None:
        check_sides("wpmi", alpha=alpha)
    prepare_y = functools.partial(_prepare_y, kind=probability, lam=lam, floor=min_probability)
    accumulator = None
    if threshold_x is not None and probability == "given":
        accumulator = _streamed(threshold_x, lam, min_probability)
    return Metric(
        name="wpmi",
        prepare_x=functools.partial(_prepare_x, k=k, alpha=alpha, threshold=threshold_x),
        prepare_y=prepare_y,
        compare=_compare,
        views=("clip", "frame"),
        range=(-math.inf, math.inf, -1.0 + lam * math.log(2)),
        reference="Oikarinen and Weng 2023",
        invariant_to=("scale", "shift", "order") if threshold_x is None and probability == "quantile" else (),
        symmetric=False,
        signed=False,
        accumulator=accumulator,
        options={
            "k": k,
            "alpha": alpha,
            "threshold_x": threshold_x,
            "lam": lam,
            "probability": probability,
            "min_probability": min_probability,
        },
    )


def _prepare_x(
    values_o: jax.Array,
    mask_o: jax.Array,
    context: Context,
    *,
    k: int,
    alpha: float | None,
    threshold: float | None,
) -> Weights:
    if alpha is None and threshold is None:
        return Weights(
            top_share(values_o, mask_o, at_most_half(mask_o, k)), nan_if_constant(values_o, mask_o)
        )
    chosen = active_set(alpha or 0.5, threshold)(values_o, mask_o, context)
    return Weights(chosen.hot_o.astype(jnp.float32) / chosen.active.astype(jnp.float32), chosen.one - 1)


def _prepare_y(
    values_o: jax.Array, mask_o: jax.Array, context: Context, *, kind: str, lam: float, floor: float
) -> Concept:
    p = probability_of(values_o, mask_o, kind)
    return Concept(masked(jnp.log(jnp.maximum(p, floor)), mask_o), lam * log_prior(p, mask_o))


def _compare(px: Weights, py: Concept) -> dict[str, jax.Array]:
    likelihood = inner(px.weights, py.basis)
    return {"score": likelihood + px.offset - py.log_prior}


class Sums(NamedTuple):
    """Over the inputs so far: log p on active ones [n, k], active [n], p and its extremes [k], all."""

    log_nk: jax.Array
    active_n: long_counts.Count
    p_k: jax.Array
    low_k: jax.Array
    high_k: jax.Array
    count: long_counts.Count


def _streamed(threshold_x: float, lam: float, floor: float) -> Accumulator:
    def init(n: int, k: int) -> Sums:
        zero_k = jnp.zeros((k,), jnp.float32)
        log_nk = jnp.zeros((n, k), jnp.float32)
        return Sums(
            log_nk, long_counts.zero((n,)), zero_k, zero_k + jnp.inf, zero_k - jnp.inf, long_counts.zero()
        )

    def update(
        state: Sums, x_on: jax.Array, y_ok: jax.Array, mask_o: jax.Array, context: Context | None = None
    ) -> Sums:
        mask_o1 = mask_o[:, None]
        active = mask_o1 & (x_on >= threshold_x)
        log_p = masked(jnp.log(jnp.maximum(y_ok, floor)), mask_o1)
        batch = Sums(
            jnp.matmul(active.astype(jnp.float32).T, log_p, precision=PRECISION),
            long_counts.of_mask(active, 0),
            jnp.sum(masked(y_ok, mask_o1), 0),
            jnp.min(jnp.where(mask_o1, y_ok, jnp.inf), 0),
            jnp.max(jnp.where(mask_o1, y_ok, -jnp.inf), 0),
            long_counts.of_mask(mask_o),
        )
        return merge(state, batch)

    def merge(a: Sums, b: Sums) -> Sums:
        return Sums(
            a.log_nk + b.log_nk,
            long_counts.add(a.active_n, b.active_n),
            a.p_k + b.p_k,
            jnp.minimum(a.low_k, b.low_k),
            jnp.maximum(a.high_k, b.high_k),
            long_counts.add(a.count, b.count),
        )

    def finalize(state: Sums) -> dict[str, Any]:
        every = long_counts.spread(state.count, state.active_n.low.shape)
        off_n = long_counts.less(every, state.active_n)
        some = long_counts.reaches(state.active_n, 1) & long_counts.reaches(off_n, 1)
        usable = (state.low_k >= 0) & (state.high_k <= 1) & (state.high_k > state.low_k)
        prior = lam * jnp.log(jnp.where(usable, state.p_k, jnp.nan) / long_counts.as_float(state.count))
        likelihood = state.log_nk / jnp.where(some, long_counts.as_float(state.active_n), jnp.nan)[:, None]
        return {"score": likelihood - prior[None, :], "n_observations": state.count}

    return Accumulator(f"concept sums({threshold_x}, {floor})", init, update, merge, finalize)
