"""Turns words that say which of 32 neurons have an observation into words of 32 observations: a kernel of a
GPU."""

import functools
from typing import Any

import jax
import jax.numpy as jnp

# Bits of a word, and threads of a program.
WORD = 32
_THREADS = 128


def turned_words(member_bow: jax.Array, order_ko: jax.Array, threads: int = _THREADS) -> jax.Array:
    """The same bits for each order of the observations, whose word of 32 observations each neuron has.

    Args:
      member_bow: [b, o, words] int32, in blocks of neurons: bit j of word i is neuron j * words + i of a
        block.
      order_ko: uint16 or int32 observations in k orders.

    Returns:
      [b, k, ceil(o / 32), 32 * words] int32: bit i of word j is the (32 j + i)-th observation of the order.
    """
    # A JAX without Pallas has no kernels, and nothing else needs it.
    from jax.experimental import pallas as pl
    from jax.experimental.pallas import triton as gpu

    (blocks, o, words), k = member_bow.shape, len(order_ko)
    steps = -(-o // WORD)
    few = min(threads // words, 1 << max(steps - 1, 1).bit_length())
    return pl.pallas_call(
        functools.partial(_turn, o=o, words=words, steps=few),
        out_shape=jax.ShapeDtypeStruct((blocks, k, steps, WORD * words), jnp.int32),
        grid=(-(-steps // few), k, blocks),
        compiler_params=gpu.CompilerParams(num_warps=max(1, few * words // WORD), num_stages=1),
    )(member_bow, order_ko)


def _turn(member_ref: Any, order_ref: Any, turned_ref: Any, *, o: int, words: int, steps: int) -> None:
    """One program: some words in a concept's order, of a block of neurons."""
    from jax.experimental import pallas as pl
    from jax.experimental.pallas import triton as gpu

    chunk, concept, block = (pl.program_id(axis) for axis in range(3))
    thread = jnp.arange(steps * words, dtype=jnp.int32)
    step, word = chunk * steps + thread // words, thread % words
    rows = []
    for j in range(WORD):
        place = step * WORD + j
        observation = gpu.load(order_ref.at[concept, place], mask=place < o, other=0).astype(jnp.int32)
        rows.append(gpu.load(member_ref.at[block, observation, word], mask=place < o, other=0))
    inside = step < turned_ref.shape[2]
    for j, row in enumerate(_transposed(rows)):
        gpu.store(turned_ref.at[block, concept, step, j * words + word], row, mask=inside)


def _transposed(rows: list[jax.Array]) -> list[jax.Array]:
    """Bit i of row j as bit j of row i: squares change places, of 16 bits, of 8 and so on."""
    rows = list(rows)
    for half in (16, 8, 4, 2, 1):
        low = sum(((1 << half) - 1) << i for i in range(0, WORD, 2 * half))
        for j in range(WORD):
            if not j & half:
                moved = ((rows[j] >> half) ^ rows[j + half]) & low
                rows[j + half] = rows[j + half] ^ moved
                rows[j] = rows[j] ^ (moved << half)
    return rows
