"""Moments of whole arrays by the kernel of a GPU, in two programs: scores, and what clears a doubt of them.

Within one program a doubt would be a wait in the middle of it, and the way that hardly any data need would
be compiled each time.
"""

import functools
from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp

from actjax import precision
from actjax.similarity.accumulators import whole_moments
from actjax.similarity.accumulators.moments import Moments
from actjax.types import Metric

Scores = Mapping[str, jax.Array]
# (metric, x, y, [o] mask, the observations' axis): the scores without the kernel.
Plain = Callable[[Metric, jax.Array, jax.Array, jax.Array, int], Scores]


def finalize(metric: Metric, moments: Moments) -> Scores:
    """The metric's outputs."""
    assert metric.accumulator is not None, "moments are accumulated"
    outputs = metric.accumulator.finalize(moments)
    return {name: outputs[name] for name in metric.outputs}


def pairwise_scores(
    metric: Metric, x: jax.Array, y: jax.Array, mask_o: jax.Array | None, axis: int, plain: Plain
) -> Scores:
    """The scores [n, k] of all pairs, outside of any program; the host waits for the answer to the doubt.

    Args:
      metric: one of moments.
      x, y: observations stand on `axis`, 0 or 1.
      mask_o: [o] bool, None where all count.
      axis: of the observations.
      plain: what computes the scores where the kernel cannot.
    """
    scores, doubtful, moments = _sampled(metric, x, y, mask_o, axis)
    return _fitting(metric, moments, x, y, mask_o, axis, plain) if doubtful else scores


@functools.partial(jax.jit, static_argnames=("metric", "axis"))
def _sampled(
    metric: Metric, x: jax.Array, y: jax.Array, mask_o: jax.Array | None, axis: int
) -> whole_moments.Sampled:
    with precision.products("fast"):
        of = functools.partial(finalize, metric)
        return whole_moments.at_sampled_scales(of, _float32(x), _float32(y), mask_o, axis)


@functools.partial(jax.jit, static_argnames=("metric", "axis", "plain"))
def _fitting(
    metric: Metric,
    moments: Moments,
    x: jax.Array,
    y: jax.Array,
    mask_o: jax.Array | None,
    axis: int,
    plain: Plain,
) -> Scores:
    x, y = _float32(x), _float32(y)

    def otherwise() -> Scores:
        # A mask that is known while compiling would be folded, with all that follows from it.
        counts = jnp.ones((x.shape[axis],), bool) if mask_o is None else mask_o
        return plain(metric, x, y, jax.lax.optimization_barrier(counts), axis)

    with precision.products("fast"):
        of = functools.partial(finalize, metric)
        return whole_moments.at_fitting_scales(of, moments, x, y, mask_o, axis, otherwise)


def _float32(side: jax.Array) -> jax.Array:
    return jnp.asarray(side).astype(jnp.float32)
