"""Scores all pairs of long vectors by accumulating observations: in blocks, or in one kernel of a GPU."""

import functools
from collections.abc import Mapping

import jax
import jax.numpy as jnp

from actjax import precision
from actjax.similarity.accumulators import moments, whole_moments
from actjax.similarity.host import lent
from actjax.types import Metric

# Observations that are centred and multiplied at a time.
BLOCK = 1024
# Blocks that are added up by themselves: every addition to a sum rounds it, and long ones would lose digits.
GROUP = 128

Scores = Mapping[str, jax.Array]


def first_block(o: int) -> int:
    """Observations of the first block; all that follow have BLOCK."""
    return o % BLOCK or BLOCK


def takes_blocks(metric: Metric) -> bool:
    """True if long vectors are taken in blocks of observations."""
    return metric.accumulator is not None and metric.accumulator.name == "moments"


def needs_blocks(metric: Metric, o: int) -> bool:
    """True if o observations of each item are more than one block."""
    return metric.observes == "vector" and takes_blocks(metric) and o > BLOCK


def over_observations(metric: Metric, x: lent.Array, y: lent.Array, mask_o: jax.Array, axis: int) -> Scores:
    """Accumulates all observations: in one kernel where a GPU has it, else in blocks."""

    plainly = functools.partial(over_blocks, metric, x, y, mask_o, axis)
    if precision.current_way() != "fast":
        return plainly()

    finalize = functools.partial(finalized, metric)
    along = 1 if axis == 0 else 0
    return whole_moments.scores(finalize, lent.whole(x), lent.whole(y), mask_o, along, plainly)


def over_blocks(metric: Metric, x: lent.Array, y: lent.Array, mask_o: jax.Array, axis: int) -> Scores:
    """Accumulates blocks of observations: each stays in the cache while it is centred and multiplied."""
    o, n, k = len(mask_o), x.shape[axis], y.shape[axis]
    along = 1 if axis == 0 else 0
    head = first_block(o)
    blocks = (o - head) // BLOCK

    def at_scales(scale_n: jax.Array, scale_k: jax.Array) -> moments.Moments:
        def add(i: jax.Array, state: moments.Moments) -> moments.Moments:
            start = head + i * BLOCK
            block_x, block_y = (lent.observations(side, start, BLOCK, along) for side in (x, y))
            block_mask = jax.lax.dynamic_slice_in_dim(mask_o, start, BLOCK)
            block = moments.of_scaled(block_x, block_y, block_mask, scale_n, scale_k, along)
            return moments.merge(state, block)

        def add_group(i: jax.Array, state: moments.Moments) -> moments.Moments:
            stop = jnp.minimum((i + 1) * GROUP, blocks)
            group = jax.lax.fori_loop(i * GROUP, stop, add, moments.init(n, k))
            return moments.merge(state, group)

        head_x, head_y = (lent.first(side, head, along) for side in (x, y))
        state = moments.of_scaled(head_x, head_y, mask_o[:head], scale_n, scale_k, along)
        if blocks <= GROUP:
            return jax.lax.fori_loop(0, blocks, add, state)
        return jax.lax.fori_loop(0, -(-blocks // GROUP), add_group, state)

    return finalized(metric, moments.at_safe_scales(at_scales, x, y, mask_o, along))


def finalized(metric: Metric, state: moments.Moments) -> Scores:
    """The metric's outputs."""
    assert metric.accumulator is not None, "only metrics that accumulate take blocks"
    scores = metric.accumulator.finalize(state)
    return {name: scores[name] for name in metric.outputs}
