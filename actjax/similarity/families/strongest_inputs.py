"""Finds the strongest inputs of many neurons at once, as a GPU gathers them, with what ties among them."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from actjax.similarity.families.concept import at_most_half, nan_if_constant
from actjax.similarity.host.order import kth_largest

# Inputs that are listed beyond those that count, for what ties with the last of them.
_SPARE = 8


class Inputs(NamedTuple):
    """Strongest inputs of neurons, t at most of each.

    Attributes:
      at_nt: [n, t] int32 places, the strongest first.
      listed_n: how many of them are inputs that count.
      taken_n: how many inputs count, those that share the last places counted once for each place.
      first_nt, run_nt: int32, the place from the top of the first input that ties with this one, and how many
        tie.
      tied_n: int32, how many inputs share the last places, where these are too many to be listed; else 0.
      lowest_n: bool, whether these are all the neuron's other inputs: its smallest value.
    """

    at_nt: jax.Array
    listed_n: jax.Array
    taken_n: jax.Array
    first_nt: jax.Array
    run_nt: jax.Array
    tied_n: jax.Array
    lowest_n: jax.Array


def strongest_inputs(values_no: jax.Array, k: int) -> Inputs:
    """The k strongest inputs, half of those that count at most; none of a constant neuron.

    Args:
      values_no: [n, o], -infinity where an observation does not count.
      k: how many.
    """
    o = values_no.shape[1]
    mask_no = values_no > -jnp.inf
    taken_n = jax.vmap(at_most_half, (0, None))(mask_no, k)
    cutoff_n = jax.vmap(kth_largest)(values_no, mask_no, taken_n)
    reached_n = _count(values_no >= cutoff_n[:, None])
    above_n = _count(values_no > cutoff_n[:, None])
    most = min(k + _SPARE, o)
    constant_n = jnp.isnan(jax.vmap(nan_if_constant)(values_no, mask_no))
    wide_n = reached_n > most
    listed_n = jnp.where(constant_n, 0, jnp.where(wide_n, above_n, reached_n))
    listed_no = (values_no > cutoff_n[:, None]) | ((values_no == cutoff_n[:, None]) & ~wide_n[:, None])
    at_nt = places(listed_no, most)
    inside_nt = jnp.arange(most)[None, :] < listed_n[:, None]
    falling_nt = jnp.where(inside_nt, -jnp.take_along_axis(values_no, at_nt, 1), jnp.inf)
    falling_nt, at_nt = jax.lax.sort((falling_nt, at_nt), num_keys=1)
    first_nt, last_nt = _runs(falling_nt)
    lowest_n = cutoff_n == jnp.min(jnp.where(mask_no, values_no, jnp.inf), 1)
    tied_n = jnp.where(wide_n & ~constant_n, reached_n - above_n, 0)
    return Inputs(at_nt, listed_n, taken_n, first_nt, last_nt - first_nt + 1, tied_n, lowest_n)


def _count(chosen_no: jax.Array) -> jax.Array:
    return jnp.sum(chosen_no, 1, dtype=jnp.int32)


def places(chosen_no: jax.Array, most: int) -> jax.Array:
    """[n, most] int32 the first places of those chosen, ascending; any places behind them."""
    n, o = chosen_no.shape
    # Sixteen bits are sorted in half the time; the largest number stands for no place.
    kind = np.uint16 if o < np.iinfo(np.uint16).max else np.uint32
    place_o = jnp.arange(o, dtype=kind)
    place_no = jnp.where(chosen_no, place_o[None, :], kind(np.iinfo(kind).max))
    ascending = jax.lax.sort(place_no, is_stable=False)[:, :most]
    return jnp.minimum(ascending, kind(o - 1)).astype(jnp.int32)


def _runs(sorted_nt: jax.Array) -> tuple[jax.Array, jax.Array]:
    """[n, t] int32 the first and the last place of what equals each value of a sorted row."""
    n, t = sorted_nt.shape
    place = jnp.arange(t, dtype=jnp.int32)[None, :]
    differs, edge = sorted_nt[:, 1:] != sorted_nt[:, :-1], jnp.ones((n, 1), bool)
    first = jax.lax.cummax(jnp.where(jnp.concatenate([edge, differs], 1), place, 0), axis=1)
    last = jax.lax.cummin(jnp.where(jnp.concatenate([differs, edge], 1), place, t), axis=1, reverse=True)
    return first, last
