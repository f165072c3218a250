"""Accumulates all stacks of a pass: adds batches without waiting for them, and makes scores of the states."""

import collections
import concurrent.futures
import functools
import os
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np

from actjax import parallel
from actjax.activations.capture import BothSides
from actjax.scoring.stacked import Accumulating, ClipContext
from actjax.scoring.stacks import Stack
from actjax.similarity.arithmetic import long_counts
from actjax.similarity.stream import PairStream, State

# {metric: {output: [n, k]}} of one network in one comparison.
Outputs = Mapping[str, Mapping[str, np.ndarray]]
# How many programs may be under way on a CPU, whose cores they share, and how many batches elsewhere.
PROGRAMS, BATCHES = 2, 2


class Running:
    """All stacks of a pass: adds batches without waiting for them, as many under way as memory is for.

    Attributes:
      stacks: the states.
    """

    def __init__(self, stacks: Sequence[Stack], saved: Sequence[Sequence[np.ndarray]] = ()) -> None:
        """No clips yet, or those of states that were `saved`."""
        states = saved or [None] * len(stacks)
        self.stacks = [Accumulating(*one) for one in zip(stacks, states, strict=True)]
        self._under_way: collections.deque[jax.Array] = collections.deque()
        self._compiled = False

    def add(self, sides: Sequence[Sequence[BothSides]], mask: jax.Array, context: ClipContext) -> None:
        """Adds a batch, [d, ...]: by family and comparison its two sides."""

        def start(stack: Accumulating) -> None:
            of_members = [sides[place.family][place.comparison] for place in stack.stack.members]
            done = stack.add(of_members, mask, context)
            # Programs that call the host hinder each other.
            waits = stack.calls_host or (parallel.on_cpu() and not self._compiled)
            self._under_way.append(jax.block_until_ready(done) if waits else done)

        if not self._compiled:
            # The first batch compiles, which threads can share; later ones keep order.
            with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
                for started in [pool.submit(start, stack) for stack in self.stacks]:
                    started.result()
            self._compiled = True
            return
        for stack in self.stacks:
            while len(self._under_way) >= self._most():
                jax.block_until_ready(self._under_way.popleft())
            start(stack)

    def saved(self) -> list[list[np.ndarray]]:
        """The leaves of every state on the host; waits for what is under way."""
        return [jax.tree.leaves(parallel.to_host(one.state)) for one in self.stacks]

    def finish(self) -> dict[tuple[int, int], list[Outputs]]:
        """{(family, comparison): for each network {metric: {output: [n, k]}}}."""
        streams = tuple(one.stack.stream for one in self.stacks)
        of_stacks = long_counts.on_host(_finished(streams, [one.gathered() for one in self.stacks]))
        apart: dict[tuple[int, int], list[Outputs]] = {}
        for one, outputs in zip(self.stacks, of_stacks, strict=True):
            apart |= of_members(one.stack, outputs)
        return apart

    def _most(self) -> int:
        """How many programs may be under way.

        Each holds at most a quarter of the memory that a run may take, its stream's `tile_bytes`. Those of an
        accelerator come one after another and use the same memory, so that what counts there are the sides
        of batches that wait.
        """
        return PROGRAMS if parallel.on_cpu() else BATCHES * len(self.stacks)


def of_members(
    stack: Stack, outputs: Mapping[str, Mapping[str, Any]]
) -> dict[tuple[int, int], list[Outputs]]:
    """Takes outputs {metric: {output: [items, n, k]}} of a stack apart, by comparison and network.

    What was padded goes; a metric of whole features has a column for each of them.
    """
    apart: dict[tuple[int, int], list[Outputs]] = {}
    first = 0
    for place in stack.members:
        apart[place.family, place.comparison] = [
            {
                metric: {
                    name: np.ascontiguousarray(values[item, : place.n, : place.k])
                    for name, values in of_metric.items()
                }
                for metric, of_metric in outputs.items()
            }
            for item in range(first, first + place.networks)
        ]
        first += place.networks
    return apart


@functools.partial(jax.jit, static_argnums=0)
def _finished(streams: tuple[PairStream, ...], states: Sequence[State]) -> list[Mapping[str, Any]]:
    """{metric: {output: [items, n, k]}} of each stack, from its states [d, items, ...] of all devices."""

    def finish(stream: PairStream, of_devices: State) -> Mapping[str, Any]:
        return jax.vmap(lambda one: stream.finalize(stream.merge_stacked(one)), in_axes=1)(of_devices)

    return [finish(*of_stack) for of_stack in zip(streams, states, strict=True)]
