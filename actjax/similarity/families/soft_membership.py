"""Soft membership of a neuron's strongest inputs; a GPU gathers these inputs alone, for all pairs at once."""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from actjax.similarity.arithmetic.all_pairs import OfSides, seen_at_once
from actjax.similarity.arithmetic.inner import inner
from actjax.similarity.families.concept import at_most_half, interpolation, nan_if_constant
from actjax.similarity.host.order import kth_largest
from actjax.similarity.host.ranks import twice_ranks
from actjax.similarity.host.threads import at_least_one

# Places below this are sorted as sixteen bits; the last number stands for no place.
_NO_PLACE = np.iinfo(np.uint16).max
# What the neurons that are taken at a time may need, in bytes.
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
    without, inside = _without(taken, membership)
    logit = jnp.log1p(-without) - jnp.log(without)
    _, lagrange = interpolation(membership.start, membership.end)
    basis_qi = jnp.where(inside[None, :], lagrange(jnp.where(inside, logit, logit[0])), 0.0)
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
    """The inner product of `weights` and `basis`, from values, -inf where masked, and probabilities."""

    def of_pair(values_o: jax.Array, p_o: jax.Array) -> jax.Array:
        return inner(weights(values_o, values_o > -jnp.inf, membership), basis(p_o, membership))

    def of_block(values_no: jax.Array, p_ko: jax.Array) -> jax.Array:
        def with_ties(inputs: _Inputs) -> jax.Array:
            return jax.vmap(jax.vmap(of_pair, (None, 0)), (0, None))(values_no, p_ko)

        inputs = _strongest(values_no, membership)
        return jax.lax.cond(inputs.distinct, lambda i: _gathered(i, p_ko, membership), with_ties, inputs)

    def of_matrices(values_no: jax.Array, p_ko: jax.Array) -> jax.Array:
        n, o = values_no.shape
        if o >= _NO_PLACE:
            return jax.vmap(jax.vmap(of_pair, (None, 0)), (0, None))(values_no, p_ko)
        # What the stacked vectors take with their scaled copies, should inputs tie.
        vectors = 3 * o * len(interpolation(membership.start, membership.end)[0])
        size = at_least_one(_BLOCK_BYTES, 4 * (vectors + len(p_ko) * membership.k))
        if size >= n:
            return of_block(values_no, p_ko)
        blocks = -(-n // size)
        size = -(-n // blocks)
        padded = jnp.pad(values_no, ((0, blocks * size - n), (0, 0)))
        sums = jax.lax.map(lambda block: of_block(block, p_ko), padded.reshape(blocks, size, o))
        return sums.reshape(blocks * size, -1)[:n]

    return seen_at_once(of_pair, of_matrices)


class _Inputs(NamedTuple):
    """Strongest inputs of neurons.

    Attributes:
      at_nt: [n, t] int32 places, the strongest first.
      taken_n: how many of them count.
      distinct: bool, whether none of them ties with another input, for all neurons.
    """

    at_nt: jax.Array
    taken_n: jax.Array
    distinct: jax.Array


def _strongest(values_no: jax.Array, membership: Membership) -> _Inputs:
    """By the value of the last one, then the places of what reaches it, which are as many but for ties."""
    o = values_no.shape[1]
    mask_no = values_no > -jnp.inf
    taken_n = jax.vmap(at_most_half, (0, None))(mask_no, membership.k)
    cutoff_n = jax.vmap(kth_largest)(values_no, mask_no, taken_n)
    member_no = values_no >= cutoff_n[:, None]
    place_no = jnp.where(member_no, jnp.arange(o, dtype=jnp.uint16)[None, :], jnp.uint16(_NO_PLACE))
    most = min(membership.k, o)
    at_nt = jax.lax.sort(place_no, is_stable=False)[:, :most].astype(jnp.int32)
    at_nt = jnp.minimum(at_nt, o - 1)
    inside = jnp.arange(most)[None, :] < taken_n[:, None]
    falling = jnp.where(inside, -jnp.take_along_axis(values_no, at_nt, 1), jnp.inf)
    falling, at_nt = jax.lax.sort((falling, at_nt), num_keys=1)
    tied = jnp.any((falling[:, 1:] == falling[:, :-1]) & inside[:, 1:], 1)
    alone = ~tied & (jnp.sum(member_no, 1, dtype=jnp.int32) == taken_n)
    # Nothing is asked of a constant neuron, whose score is NaN.
    constant = jnp.isnan(jax.vmap(nan_if_constant)(values_no, mask_no))
    return _Inputs(at_nt, taken_n, jnp.all(alone | constant))


def _gathered(inputs: _Inputs, p_ko: jax.Array, membership: Membership) -> jax.Array:
    """[n, k] the mean of log(1 + m_i (p_i - 1)) over the strongest inputs."""
    without, inside = jax.vmap(lambda taken: _without(taken, membership))(inputs.taken_n)
    most = inputs.at_nt.shape[1]
    without, inside = without[None, :, :most], inside[None, :, :most]
    p_knt = p_ko[:, inputs.at_nt]
    likelihood = jnp.where(inside, jnp.log(without + (1 - without) * p_knt), 0.0)
    return jnp.sum(likelihood, 2).T / inputs.taken_n.astype(jnp.float32)[:, None]


def _without(taken: jax.Array, membership: Membership) -> tuple[jax.Array, jax.Array]:
    """([k] 1 - m at each place from the top, whether it is taken).

    1 - m, not m, so that its logarithm keeps its digits near m = 1.
    """
    k, start, end = membership
    place = jnp.arange(k, dtype=jnp.int32)
    without = (1 - start) + (start - end) * place.astype(jnp.float32) / taken.astype(jnp.float32)
    return without, place < taken


def _places(values_o: jax.Array, mask_o: jax.Array) -> tuple[jax.Array, jax.Array]:
    """int32 [o] first and last place, from the top and from 0, of the values that tie with each."""
    doubled = twice_ranks(values_o, mask_o)
    ties = jnp.zeros((2 * values_o.shape[0] + 1,), jnp.int32).at[doubled].add(1)[doubled]
    # A mid-rank is (2 smaller + ties + 1) / 2.
    smaller = (doubled - ties - 1) // 2
    last = jnp.sum(mask_o).astype(jnp.int32) - 1 - smaller
    return jnp.where(mask_o, last - ties + 1, 0), jnp.where(mask_o, last, 0)
