"""Accumulates the comparisons of a stack in one program, for all networks of all of them."""

import collections
import concurrent.futures
import functools
import os
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from actjax import parallel
from actjax.activations.capture import BothSides
from actjax.scoring.stacks import Sizes, Stack
from actjax.similarity.arithmetic import long_counts
from actjax.similarity.stream import PairStream, State
from actjax.types import Context

# "clip" and "fold" of each clip of a batch.
ClipContext = Mapping[str, jax.Array]
# {metric: {output: [n, k]}} of one network in one comparison.
Outputs = Mapping[str, Mapping[str, np.ndarray]]
# How many programs may be under way on a CPU, whose cores they share, and how many batches elsewhere.
PROGRAMS, BATCHES = 2, 2


class Running:
    """All stacks of a pass: adds batches without waiting for them, as many under way as memory is for.

    Attributes:
      stacks: the states.
    """

    def __init__(self, stacks: Sequence[Stack]) -> None:
        """No clips yet."""
        self.stacks = [Accumulating(stack) for stack in stacks]
        self._under_way: collections.deque[jax.Array] = collections.deque()
        self._compiled = False

    def add(self, sides: Sequence[Sequence[BothSides]], mask: jax.Array, context: ClipContext) -> None:
        """Adds a batch, [d, ...]: by family and comparison its two sides."""

        def start(stack: Accumulating) -> None:
            of_members = [sides[place.family][place.comparison] for place in stack.stack.members]
            self._under_way.append(stack.add(of_members, mask, context))

        if not self._compiled:
            # The first batch compiles, which threads can share; later ones keep order.
            with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
                for started in [pool.submit(start, stack) for stack in self.stacks]:
                    started.result()
            self._compiled = True
            return
        most = self._most()
        for stack in self.stacks:
            while len(self._under_way) >= most:
                jax.block_until_ready(self._under_way.popleft())
            start(stack)

    def finish(self) -> dict[tuple[int, int], list[Outputs]]:
        """{(family, comparison): for each network {metric: {output: [n, k]}}}."""
        under_way = [stack.finish() for stack in self.stacks]
        apart: dict[tuple[int, int], list[Outputs]] = {}
        for stack, outputs in zip(self.stacks, under_way, strict=True):
            apart |= of_members(stack.stack, long_counts.on_host(outputs))
        return apart

    def _most(self) -> int:
        """How many programs may be under way.

        Each holds at most a quarter of the memory that a run may take (`Stack.stream.tile_bytes`). Programs of an
        accelerator come one after another and use the same memory, so that what counts there are the sides of
        batches that wait.
        """
        return len(self.stacks) * BATCHES if not parallel.on_cpu() else PROGRAMS


class Accumulating:
    """The accumulating state of a stack.

    Attributes:
      stack: its comparisons.
      state: [d, items, ...] on the devices.
    """

    def __init__(self, stack: Stack) -> None:
        """No clips yet; the first batch makes the state what it is before any clip."""
        self.stack, self._fresh = stack, True
        shapes = jax.eval_shape(stack.stream.init)
        empty = jax.tree.map(lambda leaf: np.zeros((stack.items, *leaf.shape), leaf.dtype), shapes)
        self.state: State = parallel.replicate(empty)

    def add(self, sides: Sequence[BothSides], mask: jax.Array, context: ClipContext) -> jax.Array:
        """Adds a batch, [d, ...], without waiting for it; gives an array that is there once it is added."""
        fresh = parallel.replicate(np.asarray(self._fresh))
        members = tuple(place.networks for place in self.stack.members)
        shape = self.stack.stream, self.stack.sizes, members
        self.state, done = _update(*shape, self.state, fresh, tuple(sides), mask, context)
        self._fresh = False
        return done

    def finish(self) -> Mapping[str, Any]:
        """{metric: {output: [items, n, k]}} on the devices, on its way."""
        if parallel.process_count() == 1:
            return _finish(self.stack.stream, self.state)
        of_processes = parallel.gather_hosts(parallel.to_host(self.state))
        return _finish(self.stack.stream, jax.tree.map(lambda *leaves: np.concatenate(leaves), *of_processes))


def of_members(stack: Stack, outputs: Mapping[str, Mapping[str, Any]]) -> dict[tuple[int, int], list[Outputs]]:
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


def update_items(
    stream: PairStream,
    sizes: Sizes,
    networks: tuple[int, ...],
    state: State,
    fresh: jax.Array,
    sides: Sequence[BothSides],
    mask_b: jax.Array,
    context: ClipContext,
) -> tuple[State, jax.Array]:
    """Adds a batch to the states [items, ...] of all networks of all members.

    Args:
      stream: of one item.
      sizes: that the sides are padded to.
      networks: how many each member has.
      state: of clips before.
      fresh: whether there were none, and the state says nothing.
      sides: of each member, neurons [networks, b, ...].
      mask_b: [b] bool, the clips that are no padding.
      context: [b] numbers of clips.

    Returns:
      The states, and the number of clips added.
    """
    state = jax.tree.map(lambda leaf, first: jnp.where(fresh, first, leaf), state, stream.init())
    of_members = [_padded(stream, sizes, one) for one in sides]
    x = jnp.concatenate([member[0] for member in of_members])
    rows, held, valid = (
        jax.tree.map(lambda *leaves: jnp.stack(leaves), *(member[i] for member in of_members))
        for i in (1, 2, 3)
    )
    member_of_item = np.repeat(np.arange(len(networks), dtype=np.int32), networks)

    def update(item: tuple[State, jax.Array, jax.Array]) -> State:
        before, x_b, member = item
        y, nuisance, counts = jax.tree.map(lambda leaf: leaf[member], (rows, held, valid))
        at = _context(stream, context, nuisance, counts.shape[1])
        return stream.update(before, x_b, y, counts, mask_b, at)

    return jax.lax.map(update, (state, x, jnp.asarray(member_of_item))), jnp.sum(mask_b)


def _context(stream: PairStream, context: ClipContext, nuisance: jax.Array | None, o: int) -> Context:
    if stream.images:
        return Context(nuisance_oq=nuisance)
    clips, folds = (jnp.broadcast_to(context[of][:, None], (len(context[of]), o)) for of in ("clip", "fold"))
    return Context(clip_ids_o=clips, folds_o=folds, nuisance_oq=nuisance)


def _padded(
    stream: PairStream, sizes: Sizes, sides: BothSides
) -> tuple[jax.Array, jax.Array, jax.Array | None, jax.Array]:
    """Neurons, rows, nuisances [b, o, q] or None, and what counts, with neurons, rows, bands, frames to spare.

    What is spare in neurons and rows is not looked at later; spare frames do not count, and bands of zeros
    change no geometry of frames.
    """
    x, y, valid = sides
    (w, b), axis = x.shape[:2], 1 if stream.images else 2
    rows, held = jnp.split(y, [y.shape[axis] - sizes.held], axis=axis)
    counts = _widened(valid, (b, sizes.frames))
    if stream.images:
        x = _widened(x, (w, b, sizes.n, sizes.bands[0], sizes.frames))
        rows = _widened(rows, (b, sizes.k, sizes.bands[1], sizes.frames))
        held = _widened(held, (*held.shape[:3], sizes.frames)).transpose(0, 2, 3, 1)
        held = held.reshape(b, held.shape[1] * sizes.frames, sizes.held)
    else:
        x, rows = _widened(x, (w, b, sizes.frames, sizes.n)), _widened(rows, (b, sizes.frames, sizes.k))
        held = _widened(held, (b, sizes.frames, sizes.held))
    return x, rows, held if sizes.held else None, counts


def _widened(values: jax.Array, shape: tuple[int, ...]) -> jax.Array:
    """The values with zeros behind them along every axis."""
    if values.shape == shape:
        return values
    return jnp.pad(values, [(0, wide - narrow) for wide, narrow in zip(shape, values.shape, strict=True)])


_update = parallel.pmap(update_items, static=(0, 1, 2), donate=(3,))


@functools.partial(jax.jit, static_argnums=0)
def _finish(stream: PairStream, states: State) -> Mapping[str, Any]:
    """The outputs of all items, from states [d, items, ...] of all devices."""
    return jax.vmap(lambda of_item: stream.finalize(stream.merge_stacked(of_item)), in_axes=1)(states)
