"""Scores whole arrays by the kernel of a GPU, in two programs: the scores, and what clears a doubt of them.

Within one program a doubt would be a wait in the middle of it, and the way that hardly any data need would
be compiled each time.
"""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from actjax import precision
from actjax.similarity import blocks
from actjax.similarity.accumulators import whole_moments
from actjax.similarity.host import lent
from actjax.types import Metric

Side = lent.Array | np.ndarray
Mask = jax.Array | np.ndarray | None


def pairwise_scores(metric: Metric, x: Side, y: Side, mask_o: Mask, axis: int) -> tuple[blocks.Scores, bool]:
    """(the scores [n, k] of all pairs, whether all are surely numbers), outside of any program.

    The host waits to hear whether the scores hold.

    Args:
      metric: one of moments.
      x, y: arrays that exist, whose neurons and rows stand on `axis`, 0 or -1.
      mask_o: [o] bool, None where all count.
      axis: of neurons and rows.
    """
    sampled = _sampled(_flag_place(x))(metric, x, y, mask_o, axis)
    if sampled.doubtful:
        return _fitting(metric, sampled._replace(doubtful=None), x, y, mask_o, axis), False
    # Under a mask too few may count.
    return sampled.scores, mask_o is None


def _flag_place(x: Side) -> jax.sharding.Sharding | None:
    """The host's memory as the one device of x sees it: a flag there is read without a copy being asked for.

    The copy takes 0.4 ms of a program of 0.7 on an H100. None where x lies on several devices.
    """
    on = x.devices() if isinstance(x, jax.Array) else {jax.devices()[0]}
    return _of_device(next(iter(on))) if len(on) == 1 else None


@functools.cache
def _of_device(device: Any) -> jax.sharding.Sharding | None:
    if "pinned_host" not in {memory.kind for memory in device.addressable_memories()}:
        return None
    return jax.sharding.SingleDeviceSharding(device, memory_kind="pinned_host")


@functools.cache
def _sampled(flag_place: jax.sharding.Sharding | None) -> Callable[..., whole_moments.Sampled]:
    """The program of scores at scales of a sample; whether they are in doubt is to be in that place."""

    def run(metric: Metric, x: Side, y: Side, mask_o: Mask, axis: int) -> whole_moments.Sampled:
        with precision.products("fast"):
            finalize = functools.partial(blocks.finalized, metric)
            sampled = whole_moments.at_sampled_scales(
                finalize, _float32(x), _float32(y), _mask(mask_o), _other(axis)
            )
        return sampled._replace(scores=_once_seen(sampled.doubtful, sampled.scores))

    places = whole_moments.Sampled(None, flag_place, None)  # pyright: ignore (None: where it is made)
    return jax.jit(run, static_argnames=("metric", "axis"), out_shardings=places)


def _once_seen(flag: jax.Array, scores: blocks.Scores) -> blocks.Scores:
    """The scores once the host has seen the flag, turned round where it stands: a loop that asks the device.

    There the host looks again and again; outside of programs its thread sleeps until it is woken, which takes
    0.15 ms more of a program of 0.5. Because the loop may change the scores they are made before it, and
    nothing is left to be waited for behind it.
    """

    def turn(state: tuple[jax.Array, blocks.Scores]) -> tuple[jax.Array, blocks.Scores]:
        return jnp.zeros((), bool), _turned(state[1])

    return jax.lax.while_loop(lambda state: state[0], turn, (flag, scores))[1]


def _turned(scores: blocks.Scores) -> blocks.Scores:
    """The opposite of every score; done twice it is the scores."""
    return jax.tree.map(lambda leaf: ~leaf if leaf.dtype == bool else -leaf, scores)


@functools.partial(jax.jit, static_argnames=("metric", "axis"))
def _fitting(
    metric: Metric, sampled: whole_moments.Sampled, x: Side, y: Side, mask_o: Mask, axis: int
) -> blocks.Scores:
    x, y, along = _float32(x), _float32(y), _other(axis)
    sampled = sampled._replace(scores=_turned(sampled.scores))

    def plainly() -> blocks.Scores:
        # A mask that is known while compiling would be folded, with all that follows from it.
        counts = jnp.ones((x.shape[along],), bool) if mask_o is None else jnp.asarray(mask_o)
        return blocks.over_blocks(metric, x, y, jax.lax.optimization_barrier(counts), axis)

    with precision.products("fast"):
        finalize = functools.partial(blocks.finalized, metric)
        return whole_moments.at_fitting_scales(finalize, sampled, x, y, _mask(mask_o), along, plainly)


def _other(axis: int) -> int:
    """The observations' axis of a matrix."""
    return 1 if axis == 0 else 0


def _mask(mask_o: Mask) -> jax.Array | None:
    return None if mask_o is None else jnp.asarray(mask_o)


def _float32(side: Side) -> jax.Array:
    whole = side if isinstance(side, np.ndarray) else lent.whole(side)
    return jnp.asarray(whole).astype(jnp.float32)
