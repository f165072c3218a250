"""Compiles the programs of a pass over the clips side by side, before its first batch asks for them."""

import concurrent.futures
import os
from collections.abc import Mapping, Sequence

import jax
import numpy as np

from actjax import parallel
from actjax.activations.capture import BothSides
from actjax.activations.clips import Observer
from actjax.scoring.stacked import Accumulating
from actjax.types import Batch


def compile_pass(
    observer: Observer, stacks: Sequence[Accumulating], batch: Batch, context: Mapping[str, np.ndarray]
) -> None:
    """Compiles what observes a batch and what adds it to each stack.

    Python traces one program after another; XLA compiles them beside that, as many at once as there are
    cores. JAX then has every program at hand when the first batch comes.

    Args:
      observer: of the pass.
      stacks: that its batches are added to.
      batch: the first one, of whose arrays the shapes count; all others have these.
      context: of its clips, [b].
    """
    if parallel.process_count() > 1:
        return  # programs of several processes are called with other arrays than these
    inputs = parallel.shard((batch.audio, batch.length, observer.supply(batch)))
    observing = observer.program.lower(observer.variables, *inputs)
    sides = _on_devices(observer, observing.out_info[0])
    mask, of_clips = parallel.shard((batch.mask, context))
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        compiling = [pool.submit(observing.compile)]
        for one in stacks:
            of_members = [sides[place.family][place.comparison] for place in one.stack.members]
            compiling.append(pool.submit(one.lower(of_members, mask, of_clips).compile))
        for program in compiling:
            program.result()


def _on_devices(observer: Observer, shapes: Sequence[Sequence[BothSides]]) -> list[list[BothSides]]:
    """The shapes of both sides, laid out over the devices as everything of `parallel` is."""
    layout = jax.tree.leaves(observer.variables)[0].sharding
    return jax.tree.map(lambda one: jax.ShapeDtypeStruct(one.shape, one.dtype, sharding=layout), shapes)
