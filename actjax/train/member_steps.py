"""Takes training steps of several networks: vmapped in one call, or one network after another.

On accelerators the members of a step are vmapped inside pmap. A vmapped convolution is a grouped one, which
XLA computes slowly on a CPU: there each member takes its step by itself, in the program of one network that
all of them share, so that its weights are those of the run alone to the last bit.
"""

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from actjax import parallel
from actjax.train.imaged import imaged
from actjax.train.recipe import Recipe, Sums
from actjax.train.state import TrainState
from actjax.train.supply import Supply


class InTurn:
    """Members that take each call one after another, in one program; one that has finished takes none."""

    def __init__(
        self,
        recipe: Recipe,
        states: Sequence[TrainState],
        varied: Sequence[Mapping[str, np.ndarray]],
        source: Supply,
    ) -> None:
        """Puts each member's state and its values of VARIED on the devices; all take clips of `source`."""
        self._recipe, self._source = recipe, imaged(source, recipe.frontend)
        self._states = [parallel.replicate(state) for state in states]
        self._varied = [parallel.replicate(one) for one in varied]
        self._programs: dict[int, Callable[..., Any]] = {}

    def steps(self, count: int, batches: Sequence[Any], active: Sequence[int]) -> dict[int, Sums]:
        """The sums of each active member's `count` steps, unreplicated; `batches` holds every member's."""
        if count not in self._programs:
            self._programs[count] = self._recipe.program(self._source.gather, count)
        sums = {}
        for i in active:
            self._states[i], of_member = self._programs[count](
                self._states[i], self._source.on_device, batches[i], self._varied[i]
            )
            sums[i] = of_member
        return {i: parallel.unreplicate(of_member) for i, of_member in sums.items()}

    def state(self, i: int) -> TrainState:
        """A member's state, unreplicated."""
        return parallel.unreplicate(self._states[i])


class Vmapped:
    """Members whose steps are one call; one that has finished stays as it is."""

    def __init__(
        self,
        recipe: Recipe,
        states: Sequence[TrainState],
        varied: Sequence[Mapping[str, np.ndarray]],
        source: Supply,
    ) -> None:
        """Puts the stacked states on the devices, [d, w, ...]; the arguments are those of InTurn."""
        self._recipe, self._source, self._size = recipe, source, len(states)
        self._state_w = parallel.replicate(_stacked(states, 0))
        self._varied_w = parallel.replicate(_stacked(varied, 0))
        self._programs: dict[int, Callable[..., Any]] = {}

    def steps(self, count: int, batches: Sequence[Any], active: Sequence[int]) -> dict[int, Sums]:
        """The sums of each active member's `count` steps, unreplicated; `batches` holds every member's."""
        if count not in self._programs:
            one_member = functools.partial(self._recipe.steps, gather=self._source.gather, count=count)
            self._programs[count] = parallel.pmap(functools.partial(_every_member, one_member), donate=(0,))
        self._state_w, sums_w = self._programs[count](
            self._state_w,
            self._source.on_device,
            _stacked(batches, 1),
            parallel.replicate(np.isin(np.arange(self._size), active)),
            self._varied_w,
        )
        sums_w = parallel.unreplicate(sums_w)
        return {i: {name: value[i] for name, value in sums_w.items()} for i in active}

    def state(self, i: int) -> TrainState:
        """A member's state, unreplicated."""
        return jax.tree.map(lambda leaf: leaf[i], parallel.unreplicate(self._state_w))


def _stacked(trees: Sequence[Any], axis: int) -> Any:
    """The members' host arrays along a new axis [w] at that place."""
    return jax.tree.map(lambda *leaves: np.stack(leaves, axis), *trees)


def _every_member(
    one_member: Callable[..., Any],
    state_w: TrainState,
    on_device: Any,
    sent_w: Any,
    active_w: jax.Array,
    varied_w: Mapping[str, jax.Array],
) -> tuple[TrainState, Sums]:
    """The members' steps on one device."""

    def step(state: Any, sent: Any, active: jax.Array, varied: Any) -> tuple[TrainState, Sums]:
        new, sums = one_member(state, on_device, sent, varied)
        return jax.tree.map(lambda after, before: jnp.where(active, after, before), new, state), sums

    return jax.vmap(step)(state_w, sent_w, active_w, varied_w)
