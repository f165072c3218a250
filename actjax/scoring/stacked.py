"""Accumulates the comparisons of a stack in one program, for all networks of all of them."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from actjax import parallel
from actjax.activations.capture import BothSides
from actjax.scoring.stacks import Sizes, Stack
from actjax.similarity.beforehand import ranked_beforehand, ranks_beforehand
from actjax.similarity.host.dispatch import watched
from actjax.similarity.stream import PairStream, State
from actjax.types import Context

# "clip" and "fold" of each clip of a batch.
ClipContext = Mapping[str, jax.Array]


# The shapes of programs that call the host.
_CALLING: set[tuple[PairStream, Sizes, tuple[int, ...]]] = set()


class Accumulating:
    """The accumulating state of a stack.

    Attributes:
      stack: its comparisons.
      state: [d, items, ...] on the devices.
      calls_host: whether its program calls the host, as far as one was compiled.
    """

    def __init__(self, stack: Stack, saved: Sequence[np.ndarray] | None = None) -> None:
        """No clips yet: the first batch makes the state what it is before any. Or a state's leaves, saved."""
        self.stack, self._fresh, self.calls_host = stack, saved is None, False
        observations = stack.sizes.frames * (stack.sizes.bands[0] if stack.stream.images else 1)
        self._ranks = ranks_beforehand(stack.stream, observations)
        shapes = jax.eval_shape(stack.stream.init)
        empty = jax.tree.map(lambda leaf: np.zeros((stack.items, *leaf.shape), leaf.dtype), shapes)
        if saved is None:
            self.state: State = parallel.replicate(empty)
        else:
            self.state = parallel.restore(jax.tree.unflatten(jax.tree.structure(empty), saved))

    def add(self, sides: Sequence[BothSides], mask: jax.Array, context: ClipContext) -> jax.Array:
        """Adds a batch, [d, ...], without waiting for it; gives an array that is there once it is added."""
        ranks = None
        if self._ranks:
            images = self.stack.stream.images
            ranks = [one._replace(**_ranks_of(one, images)) for one in sides]
        with self._watched():
            self.state, done = _update(*self._shape, *self._before(), tuple(sides), ranks, mask, context)
        self._fresh = False
        return done

    def lower(self, sides: Sequence[BothSides], mask: jax.Array, context: ClipContext) -> jax.stages.Lowered:
        """The program of `add`, traced; once it is compiled, `add` takes it as it is.

        Args:
          sides: as `add` takes them, of which the shapes and where they lie are enough.
          mask, context: as in `add`.
        """
        ranks = [one._replace(**_shapes_of_ranks(one)) for one in sides] if self._ranks else None
        with self._watched():
            return _update.lower(*self._shape, *self._before(), tuple(sides), ranks, mask, context)

    @property
    def _shape(self) -> Any:
        """What the program is compiled for, beside its arguments' shapes."""
        return self.stack.stream, self.stack.sizes, tuple(place.networks for place in self.stack.members)

    def _before(self) -> tuple[State, jax.Array]:
        """The state of the clips before, and whether there were none."""
        return self.state, parallel.replicate(np.asarray(self._fresh))

    @contextlib.contextmanager
    def _watched(self) -> Iterator[None]:
        """Notes whether the program that is traced meanwhile calls the host."""
        with watched() as calls:
            yield
        if calls:
            _CALLING.add(self._shape)
        self.calls_host = self._shape in _CALLING

    def gathered(self) -> State:
        """The state [d, items, ...] of all devices of all processes."""
        if parallel.process_count() == 1:
            return self.state
        of_processes = parallel.gather_hosts(parallel.to_host(self.state))
        return jax.tree.map(lambda *leaves: np.concatenate(leaves), *of_processes)


def update_items(
    stream: PairStream,
    sizes: Sizes,
    networks: tuple[int, ...],
    state: State,
    fresh: jax.Array,
    sides: Sequence[BothSides],
    ranks: Sequence[BothSides] | None,
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
      ranks: the same of their ranks, where these were made beforehand.
      mask_b: [b] bool, the clips that are no padding.
      context: [b] numbers of clips.

    Returns:
      The states, and the number of clips added.
    """
    state = jax.tree.map(lambda leaf, first: jnp.where(fresh, first, leaf), state, stream.init())
    x, of_member = _together([_padded(stream, sizes, one) for one in sides])
    ranked_x, ranked_of_member = None, None
    if ranks is not None:
        ranked_x, ranked_of_member = _together([_padded(stream, sizes, one) for one in ranks])
    member_of_item = np.repeat(np.arange(len(networks), dtype=np.int32), networks)

    def update(item: tuple[State, jax.Array, jax.Array | None, jax.Array]) -> State:
        before, x_b, ranked_b, member = item
        (y, nuisance, counts), ranked = jax.tree.map(lambda leaf: leaf[member], (of_member, ranked_of_member))
        both = None if ranked is None or ranked_b is None else (ranked_b, ranked[0])
        at = _context(stream, context, nuisance, counts.shape[1])
        return stream.update(before, x_b, y, counts, mask_b, at, both)

    items = state, x, ranked_x, jnp.asarray(member_of_item)
    return jax.lax.map(update, items), jnp.sum(mask_b)


def _together(padded: Sequence[tuple[Any, ...]]) -> tuple[jax.Array, tuple[Any, ...]]:
    """The neurons of all members, [items, b, ...], and their rows, nuisances and masks, [members, b, ...]."""
    x = jnp.concatenate([member[0] for member in padded])
    return x, jax.tree.map(lambda *leaves: jnp.stack(leaves), *(member[1:] for member in padded))


def _ranks_of(sides: BothSides, images: bool) -> dict[str, np.ndarray]:
    neurons, rows = ranked_beforehand(*sides, images=images)
    return {"neurons": neurons, "rows": rows}


def _shapes_of_ranks(sides: BothSides) -> dict[str, jax.ShapeDtypeStruct]:
    """What `_ranks_of` gives, as shapes alone."""
    both = {"neurons": sides.neurons, "rows": sides.rows}
    return {side: jax.ShapeDtypeStruct(values.shape, np.float32) for side, values in both.items()}


def _context(stream: PairStream, context: ClipContext, nuisance: jax.Array | None, o: int) -> Context:
    if stream.images:
        return Context(nuisance_oq=nuisance)
    clips, folds = (jnp.broadcast_to(context[of][:, None], (len(context[of]), o)) for of in ("clip", "fold"))
    return Context(clip_ids_o=clips, folds_o=folds, nuisance_oq=nuisance)


def _padded(
    stream: PairStream, sizes: Sizes, sides: BothSides
) -> tuple[jax.Array, jax.Array, jax.Array | None, jax.Array]:
    """Neurons, rows, nuisances [b, o, q] or None, and what counts, with room to spare.

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
