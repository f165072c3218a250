"""Compares neurons' strongest activations with the same in concepts' orders: two kernels of a GPU, no sorts.

A concept's observations stand in its order once for all neurons, and whether each is among the strongest
inputs of 32 neurons is one word. The first kernel takes words in a concept's order, 32 at a time, and turns
them round: a word a neuron, whose bits are 32 observations. The second has a neuron a thread, which steps
from bit to bit: the r-th of them is the r-th of the neuron's strongest inputs in the concept's order.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from actjax.kernels.strongest_blocks import Blocks, Strongest, in_blocks
from actjax.kernels.trial import computed
from actjax.kernels.turned_words import WORD, turned_words

# Observations are told by sixteen bits.
MOST = (1 << 16) - 2
# Words of a block of neurons at most; neurons and warps of a program, and bits that it takes at a time.
_WORDS, _NEURONS, _WARPS, _AT_ONCE = 4, 32, 1, 2
# What turned words take at a time, in bytes: so many concepts that those which run last, and leave a GPU half
# idle, are few. And the most of them, programs of a grid's second axis.
_SCRATCH_BYTES, _MOST_CONCEPTS = 1 << 32, (1 << 16) - 1
# Neurons' activations of a tile are numbered by int32.
_MOST_VALUES = 1 << 29


class Concepts(NamedTuple):
    """Concepts' orders.

    Attributes:
      order_ko: uint16 observations, the least likely first; those that tie in the order of the observations.
      p_ko: float32 probabilities of the observations, which rise along the order.
    """

    order_ko: jax.Array
    p_ko: jax.Array


def mean_errors(strongest: Strongest, concepts: Concepts, *, power: float) -> jax.Array:
    """[n, k] the mean of |activation - the activation that the concept's order puts in its place|^power.

    NaN where all of a neuron's inputs have the same p.
    """
    n, (k, o) = len(strongest.taken_n), concepts.order_ko.shape
    words = min(_WORDS, 1 << (-(-n // WORD) - 1).bit_length())
    lanes = WORD * words
    row_bytes = 4 * -(-o // WORD) * lanes
    size_k = _even(k, min(_MOST_CONCEPTS, max(1, _SCRATCH_BYTES // row_bytes)))
    most_blocks = min(_SCRATCH_BYTES // (row_bytes * size_k), _MOST_VALUES // (o * lanes))
    size_n = min(n, lanes * max(1, most_blocks))

    def of_concepts(some: Concepts) -> jax.Array:
        def of_neurons(few: Strongest) -> jax.Array:
            return _launch(in_blocks(few, o, words), some, power)[: len(few.taken_n)]

        return _in_tiles(of_neurons, strongest, size_n).T

    return _in_tiles(of_concepts, concepts, size_k).T


@functools.cache
def holds() -> bool:
    """Whether the kernels compile on this process's device, and give the errors; raises what stops them."""
    rng = np.random.default_rng(0)
    n, k, o, t = 3, 5, 700, 40
    index = rng.permuted(np.tile(np.arange(o, dtype=np.int32), (n, 1)), axis=1)[:, :t]
    falling = -np.sort(-rng.random((n, t), np.float32), 1)
    order = rng.permuted(np.tile(np.arange(o, dtype=np.uint16), (k, 1)), axis=1)
    p = np.argsort(order, 1).astype(np.float32)

    def of_arrays(index: jax.Array, falling: jax.Array, taken: jax.Array, order: jax.Array, p: jax.Array):
        return mean_errors(Strongest(index, falling, taken), Concepts(order, p), power=3)

    means = computed(of_arrays, index, falling, np.full((n,), t, np.int32), order, p)
    there = np.argsort(p[:, index], 2).transpose(1, 0, 2)
    moved = falling[np.arange(n)[:, None, None], there]
    exact = np.mean(np.abs(moved - falling[:, None, ::-1]) ** 3, 2)
    return bool(np.abs(np.asarray(means) - exact).max() < 1e-6)


def _in_tiles(of_some: Callable[[Any], jax.Array], items: Any, size: int) -> jax.Array:
    """of_some(items), whose rows are those of the items, for `size` of them at a time; the last overlap."""
    count = len(jax.tree.leaves(items)[0])
    if size >= count:
        return of_some(items)

    def some(start: jax.Array | int) -> jax.Array:
        return of_some(jax.tree.map(lambda leaf: jax.lax.dynamic_slice_in_dim(leaf, start, size), items))

    def fill(i: jax.Array, out: jax.Array) -> jax.Array:
        start = jnp.minimum(i * size, count - size)
        return jax.lax.dynamic_update_slice_in_dim(out, some(start), start, 0)

    shape = jax.eval_shape(lambda: some(0))
    empty = jnp.zeros((count, *shape.shape[1:]), shape.dtype)
    return jax.lax.fori_loop(0, -(-count // size), fill, empty)


def _even(items: int, most: int) -> int:
    """The size of the fewest tiles of at most `most`, as equal as can be: overlaps are computed twice."""
    return -(-items // -(-items // min(items, most)))


def _launch(sides: Blocks, concepts: Concepts, power: float) -> jax.Array:
    """[blocks * lanes, k] of neurons and concepts whose turned words fit."""
    # A JAX without Pallas has no kernels, and nothing else needs it.
    from jax.experimental import pallas as pl
    from jax.experimental.pallas import triton as gpu

    turned = turned_words(sides.member_bow, concepts.order_ko)
    blocks, k, steps, lanes = turned.shape
    means = pl.pallas_call(
        functools.partial(_walk, steps=steps, power=power),
        out_shape=jax.ShapeDtypeStruct((blocks, k, lanes), jnp.float32),
        # Programs that run together share neurons, whose activations then stay in the cache.
        grid=(k, lanes // _NEURONS, blocks),
        compiler_params=gpu.CompilerParams(num_warps=_WARPS, num_stages=1),
    )(turned, sides.value_bol, sides.falling_btl, sides.taken_bl, *concepts)
    return jnp.swapaxes(means, 1, 2).reshape(blocks * lanes, k)


class _Refs(NamedTuple):
    """The arrays of a program: turned words, `Blocks` but for the members, `Concepts`, and the means."""

    turned: Any
    value: Any
    falling: Any
    taken: Any
    order: Any
    p: Any
    out: Any


class _State(NamedTuple):
    """What a neuron's thread remembers between words.

    Attributes:
      word: the next word.
      rank: the place, from the strongest, of the activation that the next input gets.
      sum, lost: of the errors, and what the sum is too large by.
      first, last: the first and the last place of an input in the concept's order, -1 before any.
    """

    word: jax.Array
    rank: jax.Array
    sum: jax.Array
    lost: jax.Array
    first: jax.Array
    last: jax.Array


def _walk(*arrays: Any, steps: int, power: float) -> None:
    """One program: a concept's errors for some neurons of a block."""
    from jax.experimental import pallas as pl
    from jax.experimental.pallas import triton as gpu

    refs = _Refs(*arrays)
    concept, block = pl.program_id(0), pl.program_id(2)
    at_l = pl.program_id(1) * _NEURONS + jnp.arange(_NEURONS, dtype=jnp.int32)

    def of_word(step: jax.Array, state: _State) -> _State:
        word, base = state.word, step * WORD
        # The next word comes while this one is taken; behind the last it is read and not used.
        following = gpu.load(refs.turned.at[block, concept, jnp.minimum(step + 1, steps - 1), at_l])
        counts = word != 0
        first = jnp.where(counts & (state.first < 0), base + _lowest(word), state.first)
        last = jnp.where(counts, base + (WORD - 1) - jax.lax.clz(word), state.last)

        def of_few(turn: jax.Array, carry: tuple[jax.Array, jax.Array, jax.Array]):
            word, rank, few = carry
            for _ in range(_AT_ONCE):
                hit = word != 0
                observation = gpu.load(refs.order.at[concept, base + _lowest(word)], mask=hit, other=0)
                observation = observation.astype(jnp.int32)
                activation = gpu.load(refs.value.at[block, observation, at_l], mask=hit, other=0.0)
                in_place = gpu.load(refs.falling.at[block, rank, at_l], mask=hit, other=0.0)
                few = few + jnp.abs(activation - in_place) ** power
                rank, word = rank - hit.astype(jnp.int32), word & (word - 1)
            return word, rank, few

        most = jnp.max(jax.lax.population_count(word))
        turns = (most + (_AT_ONCE - 1)) >> (_AT_ONCE.bit_length() - 1)
        zeros = jnp.zeros((_NEURONS,), jnp.float32)
        _, rank, few = jax.lax.fori_loop(0, turns, of_few, (word, state.rank, zeros))
        corrected = few - state.lost
        grown = state.sum + corrected
        return _State(following, rank, grown, (grown - state.sum) - corrected, first, last)

    taken = gpu.load(refs.taken.at[block, at_l])
    zeros, before = jnp.zeros((_NEURONS,), jnp.float32), jnp.full((_NEURONS,), -1, jnp.int32)
    word = gpu.load(refs.turned.at[block, concept, concept * 0, at_l])
    state = jax.lax.fori_loop(0, steps, of_word, _State(word, taken - 1, zeros, zeros, before, before))

    def p_at(place: jax.Array) -> jax.Array:
        observation = gpu.load(refs.order.at[concept, jnp.maximum(place, 0)]).astype(jnp.int32)
        return gpu.load(refs.p.at[concept, observation])

    mean = state.sum / taken.astype(jnp.float32)
    constant = p_at(state.first) == p_at(state.last)
    gpu.store(refs.out.at[block, concept, at_l], jnp.where(constant, jnp.nan, mean))


def _lowest(word: jax.Array) -> jax.Array:
    """The place of the lowest bit that is set; -1 where none is."""
    return (WORD - 1) - jax.lax.clz(word & -word)
