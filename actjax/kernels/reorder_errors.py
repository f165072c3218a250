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

# Observations are told by sixteen bits.
MOST = 1 << 16
# Bits of a word; words of a block of neurons, neurons of a program, and bits that it takes at a time.
_WORD, _WORDS, _NEURONS, _AT_ONCE = 32, 4, 64, 2
# Threads of a program that turns words.
_THREADS = 128
# What turned words take at a time, in bytes, and the most concepts: programs of a grid's second axis.
_SCRATCH_BYTES, _MOST_CONCEPTS = 1 << 31, (1 << 16) - 1
# Neurons' activations of a tile are numbered by int32.
_MOST_VALUES = 1 << 29


class Strongest(NamedTuple):
    """Neurons' strongest inputs, t at most of each.

    Attributes:
      index_nt: int32 observations, each once in a row, the strongest first.
      value_nt: float32 activations there, falling.
      taken_n: int32, how many of the t places count.
    """

    index_nt: jax.Array
    value_nt: jax.Array
    taken_n: jax.Array


class Concepts(NamedTuple):
    """Concepts' orders.

    Attributes:
      order_ko: uint16 observations, the least likely first; those that tie in the order of the observations.
      p_ko: float32 probabilities of the observations, which rise along the order.
    """

    order_ko: jax.Array
    p_ko: jax.Array


class _Blocks(NamedTuple):
    """Neurons in blocks, lanes neurons of 32 words' bits each.

    Attributes:
      member_bow: [b, o, words] int32, whose bit j of word i is lane j * words + i.
      value_bol: [b, o, lanes] float32, each neuron's activation where it is among the strongest.
      falling_btl: [b, t, lanes] float32, the strongest activations.
      taken_bl: [b, lanes] int32, how many of the t count.
    """

    member_bow: jax.Array
    value_bol: jax.Array
    falling_btl: jax.Array
    taken_bl: jax.Array


def mean_errors(
    strongest: Strongest,
    concepts: Concepts,
    *,
    power: float,
    words: int = _WORDS,
    neurons: int = _NEURONS,
    at_once: int = _AT_ONCE,
    threads: int = _THREADS,
    scratch_bytes: int = _SCRATCH_BYTES,
) -> jax.Array:
    """[n, k] the mean of |activation - the activation that the concept's order puts in its place|^power.

    NaN where all of a neuron's inputs have the same p.
    """
    n, (k, o) = len(strongest.taken_n), concepts.order_ko.shape
    lanes = _WORD * words
    row_bytes = 4 * -(-o // _WORD) * lanes
    size_k = min(k, _MOST_CONCEPTS, max(1, scratch_bytes // row_bytes))
    most_blocks = min(scratch_bytes // (row_bytes * size_k), _MOST_VALUES // (o * lanes))
    size_n = min(n, lanes * max(1, most_blocks))
    launch = functools.partial(
        _launch, power=power, neurons=min(neurons, lanes), at_once=at_once, threads=threads
    )

    def of_concepts(some: Concepts) -> jax.Array:
        def of_neurons(few: Strongest) -> jax.Array:
            return launch(_in_blocks(few, o, words), some)[: len(few.taken_n)]

        return _in_tiles(of_neurons, strongest, size_n).T

    return _in_tiles(of_concepts, concepts, size_k).T


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


def _in_blocks(strongest: Strongest, o: int, words: int) -> _Blocks:
    n, t = strongest.index_nt.shape
    lanes = _WORD * words
    blocks = -(-n // lanes)
    number_n1 = jnp.arange(n, dtype=jnp.int32)[:, None]
    block_n1, lane_n1 = number_n1 // lanes, number_n1 % lanes
    inside_nt = jnp.arange(t, dtype=jnp.int32)[None, :] < strongest.taken_n[:, None]
    # What does not count is dropped, since there is no observation o.
    at_nt = jnp.where(inside_nt, strongest.index_nt, o)
    bit_nt = jnp.broadcast_to(jnp.left_shift(jnp.int32(1), lane_n1 // words), at_nt.shape)
    member = jnp.zeros((blocks, o, words), jnp.int32)
    member = member.at[block_n1, at_nt, lane_n1 % words].add(bit_nt, mode="drop")
    value = jnp.zeros((blocks, o, lanes), jnp.float32)
    value = value.at[block_n1, at_nt, lane_n1].set(strongest.value_nt, mode="drop")
    more = blocks * lanes - n
    falling = jnp.pad(strongest.value_nt, ((0, more), (0, 0))).reshape(blocks, lanes, t)
    taken = jnp.pad(strongest.taken_n, (0, more), constant_values=1).reshape(blocks, lanes)
    return _Blocks(member, value, jnp.swapaxes(falling, 1, 2), taken)


def _launch(
    sides: _Blocks, concepts: Concepts, *, power: float, neurons: int, at_once: int, threads: int
) -> jax.Array:
    """[blocks * lanes, k] of neurons and concepts whose turned words fit."""
    # A JAX without Pallas has no kernels, and nothing else needs it.
    from jax.experimental import pallas as pl
    from jax.experimental.pallas import triton as gpu

    turned = _turned_words(sides.member_bow, concepts.order_ko, threads)
    blocks, k, steps, lanes = turned.shape
    means = pl.pallas_call(
        functools.partial(_walk, steps=steps, power=power, at_once=at_once, neurons=neurons),
        out_shape=jax.ShapeDtypeStruct((blocks, k, lanes), jnp.float32),
        # Programs that run together share neurons, whose activations then stay in the cache.
        grid=(k, lanes // neurons, blocks),
        compiler_params=gpu.CompilerParams(num_warps=1, num_stages=1),
    )(turned, sides.value_bol, sides.falling_btl, sides.taken_bl, *concepts)
    return jnp.swapaxes(means, 1, 2).reshape(blocks * lanes, k)


def _turned_words(member_bow: jax.Array, order_ko: jax.Array, threads: int) -> jax.Array:
    """[blocks, k, words of observations, lanes] int32."""
    from jax.experimental import pallas as pl
    from jax.experimental.pallas import triton as gpu

    (blocks, o, words), k = member_bow.shape, len(order_ko)
    steps = -(-o // _WORD)
    few = min(threads // words, 1 << max(steps - 1, 1).bit_length())
    return pl.pallas_call(
        functools.partial(_turn, o=o, words=words, steps=few),
        out_shape=jax.ShapeDtypeStruct((blocks, k, steps, _WORD * words), jnp.int32),
        grid=(-(-steps // few), k, blocks),
        compiler_params=gpu.CompilerParams(num_warps=max(1, few * words // _WORD), num_stages=1),
    )(member_bow, order_ko)


def _turn(member_ref: Any, order_ref: Any, turned_ref: Any, *, o: int, words: int, steps: int) -> None:
    """One program: some words in a concept's order, of a block of neurons."""
    from jax.experimental import pallas as pl
    from jax.experimental.pallas import triton as gpu

    chunk, concept, block = (pl.program_id(axis) for axis in range(3))
    thread = jnp.arange(steps * words, dtype=jnp.int32)
    step, word = chunk * steps + thread // words, thread % words
    rows = []
    for j in range(_WORD):
        place = step * _WORD + j
        observation = gpu.load(order_ref.at[concept, place], mask=place < o, other=0).astype(jnp.int32)
        rows.append(gpu.load(member_ref.at[block, observation, word], mask=place < o, other=0))
    inside = step < turned_ref.shape[2]
    for j, row in enumerate(_transposed(rows)):
        gpu.store(turned_ref.at[block, concept, step, j * words + word], row, mask=inside)


def _transposed(rows: list[jax.Array]) -> list[jax.Array]:
    """Bit i of row j as bit j of row i: squares change places, of 16 bits, of 8 and so on."""
    rows = list(rows)
    for half in (16, 8, 4, 2, 1):
        low = sum(((1 << half) - 1) << i for i in range(0, _WORD, 2 * half))
        for j in range(_WORD):
            if not j & half:
                moved = ((rows[j] >> half) ^ rows[j + half]) & low
                rows[j + half] = rows[j + half] ^ moved
                rows[j] = rows[j] ^ (moved << half)
    return rows


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


def _walk(*refs: Any, steps: int, power: float, at_once: int, neurons: int) -> None:
    """One program: a concept's errors for some neurons of a block."""
    from jax.experimental import pallas as pl
    from jax.experimental.pallas import triton as gpu

    turned_ref, value_ref, falling_ref, taken_ref, order_ref, p_ref, out_ref = refs
    concept, block = pl.program_id(0), pl.program_id(2)
    at_l = pl.program_id(1) * neurons + jnp.arange(neurons, dtype=jnp.int32)

    def of_word(step: jax.Array, state: _State) -> _State:
        word, base = state.word, step * _WORD
        # The next word comes while this one is taken; behind the last it is read and not used.
        following = gpu.load(turned_ref.at[block, concept, jnp.minimum(step + 1, steps - 1), at_l])
        counts = word != 0
        first = jnp.where(counts & (state.first < 0), base + _lowest(word), state.first)
        last = jnp.where(counts, base + (_WORD - 1) - jax.lax.clz(word), state.last)

        def of_few(_: jax.Array, carry: tuple[jax.Array, jax.Array, jax.Array]):
            word, rank, few = carry
            for _ in range(at_once):
                hit = word != 0
                observation = gpu.load(order_ref.at[concept, base + _lowest(word)], mask=hit, other=0)
                observation = observation.astype(jnp.int32)
                activation = gpu.load(value_ref.at[block, observation, at_l], mask=hit, other=0.0)
                in_place = gpu.load(falling_ref.at[block, rank, at_l], mask=hit, other=0.0)
                few = few + jnp.abs(activation - in_place) ** power
                rank, word = rank - hit.astype(jnp.int32), word & (word - 1)
            return word, rank, few

        most = jnp.max(jax.lax.population_count(word))
        turns = (most + (at_once - 1)) >> (at_once.bit_length() - 1)
        zeros = jnp.zeros((neurons,), jnp.float32)
        _, rank, few = jax.lax.fori_loop(0, turns, of_few, (word, state.rank, zeros))
        corrected = few - state.lost
        grown = state.sum + corrected
        return _State(following, rank, grown, (grown - state.sum) - corrected, first, last)

    taken = gpu.load(taken_ref.at[block, at_l])
    zeros, before = jnp.zeros((neurons,), jnp.float32), jnp.full((neurons,), -1, jnp.int32)
    word = gpu.load(turned_ref.at[block, concept, concept * 0, at_l])
    state = jax.lax.fori_loop(0, steps, of_word, _State(word, taken - 1, zeros, zeros, before, before))

    def p_at(place: jax.Array) -> jax.Array:
        observation = gpu.load(order_ref.at[concept, jnp.maximum(place, 0)]).astype(jnp.int32)
        return gpu.load(p_ref.at[concept, observation])

    mean = state.sum / taken.astype(jnp.float32)
    constant = p_at(state.first) == p_at(state.last)
    gpu.store(out_ref.at[block, concept, at_l], jnp.where(constant, jnp.nan, mean))


def _lowest(word: jax.Array) -> jax.Array:
    """The place of the lowest bit that is set; -1 where none is."""
    return (_WORD - 1) - jax.lax.clz(word & -word)
