"""Puts neurons' strongest inputs where the kernels that reorder them read them: neurons side by side."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from actjax.kernels.turned_words import WORD


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


class Blocks(NamedTuple):
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


def in_blocks(strongest: Strongest, o: int, words: int) -> Blocks:
    """Neurons in blocks of 32 * words; those of the last block that are none have no inputs."""
    n, t = strongest.index_nt.shape
    lanes = WORD * words
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
    return Blocks(member, value, jnp.swapaxes(falling, 1, 2), taken)
