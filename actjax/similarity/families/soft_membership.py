"""Soft membership of a neuron's strongest inputs; a GPU gathers these inputs alone, for all pairs at once."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from actjax.similarity.arithmetic.all_pairs import OfSides, seen_at_once
from actjax.similarity.arithmetic.inner import inner, total
from actjax.similarity.families.concept import at_most_half, interpolation
from actjax.similarity.families.strongest_inputs import Inputs, strongest_inputs
from actjax.similarity.host.ranks import twice_ranks
from actjax.similarity.host.threads import at_least_one

# What the items that are taken at a time may need, in bytes.
_BLOCK_BYTES = 1 << 31


class Membership(NamedTuple):
    """How many strongest inputs belong, with what probability the first does, and the one after the last."""

    k: int
    start: float
    end: float


def weights(values_o: jax.Array, mask_o: jax.Array, membership: Membership) -> jax.Array:
    """[q, o] a neuron's weights on the interpolated log likelihoods of `basis`.

    An input that ties with others takes the mean over their places.
    """
    taken = at_most_half(mask_o, membership.k)
    place = jnp.arange(membership.k, dtype=jnp.int32)
    inside = place < taken
    # Places beyond those taken may have no logarithm.
    without = _without(jnp.where(inside, place, 0), taken, membership)
    basis_qi = jnp.where(inside[None, :], _at_nodes(without, membership), 0.0)
    sums_qi = jnp.concatenate([jnp.zeros_like(basis_qi[:, :1]), jnp.cumsum(basis_qi, 1)], 1)
    # The places of what ties: first .. last, counted from the top.
    first, last = _places(values_o, mask_o)
    k = membership.k
    spread = (sums_qi[:, jnp.minimum(last + 1, k)] - sums_qi[:, jnp.minimum(first, k)]) / (
        last - first + 1
    ).astype(jnp.float32)[None, :]
    return jnp.where(mask_o[None, :], spread, 0.0) / taken.astype(jnp.float32)


def basis(p_o: jax.Array, membership: Membership) -> jax.Array:
    """[q, o] log(1 + m (p - 1)) at the nodes of the interpolation."""
    nodes, _ = interpolation(membership.start, membership.end)
    without = jnp.asarray(1 / (1 + np.exp(nodes)), p_o.dtype)[:, None]
    return jnp.log(without + (1 - without) * p_o[None, :])


@functools.cache
def sums_at_once(membership: Membership) -> OfSides:
    """The inner product of `weights` and `basis`, from values, -inf where masked, and p, 1 where masked."""

    def of_pair(values_o: jax.Array, p_o: jax.Array) -> jax.Array:
        return inner(weights(values_o, values_o > -jnp.inf, membership), basis(p_o, membership))

    def weighed(values_no: jax.Array, p_ko: jax.Array) -> jax.Array:
        return jax.vmap(jax.vmap(of_pair, (None, 0)), (0, None))(values_no, p_ko)

    def of_matrices(values_no: jax.Array, p_ko: jax.Array) -> jax.Array:
        inputs = strongest_inputs(values_no, membership.k)
        # What the stacked vectors of an item take with their scaled copies.
        vectors = 12 * values_no.shape[1] * len(interpolation(membership.start, membership.end)[0])

        def by_gathering() -> jax.Array:
            listed = 8 * p_ko.shape[0] * inputs.at_nt.shape[1]
            return _in_blocks(lambda some: _gathered(some, p_ko, membership), inputs, listed)

        def by_weighing() -> jax.Array:
            def of_neurons(some_no: jax.Array) -> jax.Array:
                return _in_blocks(lambda some_ko: weighed(some_no, some_ko).T, p_ko, vectors).T

            return _in_blocks(of_neurons, values_no, vectors)

        many_share = jnp.any((inputs.tied_n > 0) & ~inputs.lowest_n)
        return jax.lax.cond(many_share, by_weighing, by_gathering)

    return seen_at_once(of_pair, of_matrices)


def _in_blocks(of_some: Callable[[Any], jax.Array], items: Any, item_bytes: int) -> jax.Array:
    """of_some(items), an array whose rows are theirs, some of the items at a time."""
    count = len(jax.tree.leaves(items)[0])
    blocks = -(-count // at_least_one(_BLOCK_BYTES, item_bytes))
    if blocks == 1:
        return of_some(items)
    size = -(-count // blocks)

    def in_blocks(leaf: jax.Array) -> jax.Array:
        # The last items are repeated up to whole blocks.
        return leaf[jnp.minimum(jnp.arange(blocks * size), count - 1)].reshape(blocks, size, *leaf.shape[1:])

    memberships = jax.lax.map(of_some, jax.tree.map(in_blocks, items))
    return memberships.reshape(blocks * size, *memberships.shape[2:])[:count]


def _gathered(inputs: Inputs, p_ko: jax.Array, membership: Membership) -> jax.Array:
    """[n, k] the mean of log(1 + m_i (p_i - 1)) over the strongest inputs; those that tie share places."""
    # Kept, not gathered anew for each place of a run.
    p_knt = jax.lax.optimization_barrier(p_ko[:, inputs.at_nt])
    most = p_knt.shape[2]
    place_nt = jnp.arange(most, dtype=jnp.int32)[None, :]
    listed_nt = place_nt < inputs.listed_n[:, None]
    first_nt, run_nt, taken_n1 = inputs.first_nt, inputs.run_nt, inputs.taken_n[:, None]

    def add(turn: jax.Array, sums_kn: jax.Array) -> jax.Array:
        # Every input of a run takes each of its places, one a turn.
        at_nt = first_nt + (place_nt - first_nt + turn) % run_nt
        counts_nt = listed_nt & (turn < run_nt) & (at_nt < taken_n1)
        without_nt = jnp.where(counts_nt, _without(at_nt, taken_n1, membership), 1.0)
        share_nt = counts_nt.astype(jnp.float32) / run_nt.astype(jnp.float32)
        likelihood_knt = jnp.log(without_nt[None] + (1 - without_nt)[None] * p_knt)
        return sums_kn + jnp.sum(share_nt[None] * likelihood_knt, 2)

    turns = jnp.max(jnp.where(listed_nt, run_nt, 1))
    sums_kn = jax.lax.fori_loop(0, turns, add, jnp.zeros(p_knt.shape[:2], jnp.float32))
    share = jax.lax.cond(
        jnp.any(inputs.tied_n > 0),
        lambda: _of_lowest(inputs, p_ko, p_knt, membership),
        lambda: jnp.zeros_like(sums_kn),
    )
    return (sums_kn + share).T / inputs.taken_n.astype(jnp.float32)[:, None]


def _of_lowest(inputs: Inputs, p_ko: jax.Array, p_knt: jax.Array, membership: Membership) -> jax.Array:
    """[k, n] the share of inputs that tie at a neuron's smallest value: of all inputs, less those listed."""
    nodes, _ = interpolation(membership.start, membership.end)
    place_i, taken_n1 = jnp.arange(membership.k, dtype=jnp.int32)[None, :], inputs.taken_n[:, None]
    # What each node weighs in the places that are shared, those below the ones listed.
    basis_qni = _at_nodes(_without(place_i, taken_n1, membership), membership)
    tied_n1 = inputs.tied_n[:, None]
    shared_ni = (place_i >= inputs.listed_n[:, None]) & (place_i < taken_n1) & (tied_n1 > 0)
    share_ni = shared_ni.astype(jnp.float32) / jnp.maximum(tied_n1, 1).astype(jnp.float32)
    weight_qn = jnp.sum(jnp.where(shared_ni[None], basis_qni * share_ni[None], 0.0), 2)
    listed_nt = jnp.arange(p_knt.shape[2])[None, :] < inputs.listed_n[:, None]
    share_kn = jnp.zeros(p_knt.shape[:2], jnp.float32)
    for node, weight_n in zip(nodes, weight_qn, strict=True):
        every_k = total(_likelihood(p_ko, node))
        listed_kn = jnp.sum(jnp.where(listed_nt[None], _likelihood(p_knt, node), 0.0), 2)
        share_kn = share_kn + weight_n[None] * (every_k[:, None] - listed_kn)
    return share_kn


def _likelihood(p: jax.Array, logit: float) -> jax.Array:
    """log(1 + m (p - 1)), m of this logit."""
    without = float(1 / (1 + np.exp(logit)))
    return jnp.log(without + (1 - without) * p)


def _at_nodes(without: jax.Array, membership: Membership) -> jax.Array:
    """[q, ...] the weights of the interpolation's nodes at memberships, told by 1 - m."""
    logit = jnp.log1p(-without) - jnp.log(without)
    return interpolation(membership.start, membership.end)[1](logit)


def _without(place: jax.Array, taken: jax.Array, membership: Membership) -> jax.Array:
    """1 - m of the places from the top, from 0.

    1 - m, not m, so that its logarithm keeps its digits near m = 1.
    """
    _, start, end = membership
    return (1 - start) + (start - end) * place.astype(jnp.float32) / taken.astype(jnp.float32)


def _places(values_o: jax.Array, mask_o: jax.Array) -> tuple[jax.Array, jax.Array]:
    """int32 [o] first and last place, from the top and from 0, of the values that tie with each."""
    doubled = twice_ranks(values_o, mask_o)
    ties = jnp.zeros((2 * values_o.shape[0] + 1,), jnp.int32).at[doubled].add(1)[doubled]
    # A mid-rank is (2 smaller + ties + 1) / 2.
    smaller = (doubled - ties - 1) // 2
    last = jnp.sum(mask_o).astype(jnp.int32) - 1 - smaller
    return jnp.where(mask_o, last - ties + 1, 0), jnp.where(mask_o, last, 0)
