"""A neuron's strongest activations, put into the order in which a concept ranks their inputs."""

import functools
import itertools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from actjax import precision
from actjax.kernels import reorder_errors, strongest_blocks
from actjax.similarity.arithmetic.all_pairs import OfSides, seen_at_once
from actjax.similarity.arithmetic.inner import add_compensated, inner, total
from actjax.similarity.families.concept import nan_if_constant
from actjax.similarity.families.sampled import top_k
from actjax.similarity.host.dispatch import call_host, host_or_device
from actjax.similarity.host.order import fraction_of, share_of
from actjax.similarity.host.radix import stable_order
from actjax.similarity.host.threads import at_least_one, in_blocks

# Sorted pairs of so many elements at a time stay in the cache.
_BLOCK_ELEMENTS = 1 << 17
_UNROLL = 8
# Inputs of all pairs from which on kernels of a GPU gain.
_LEAST_SORTED = 1 << 20


class Strongest(NamedTuple):
    """A neuron's strongest inputs.

    Attributes:
      index_i: [t] int32, which observations, the strongest first.
      value_i: [t] their activations over the root of the expected error, so that chance scores 1.
      taken: int32 scalar, how many of the t places count.
    """

    index_i: jax.Array
    value_i: jax.Array
    taken: jax.Array


def place_type(o: int) -> type[np.unsignedinteger]:
    """The type of the places of o observations: sixteen bits, where they hold them, sort in one pass."""
    return np.uint16 if o < np.iinfo(np.uint16).max else np.uint32


class Order(NamedTuple):
    """A concept: [o] unsigned place of each observation, equal where they tie, and its [o] p."""

    place_o: jax.Array
    probability_o: jax.Array


def strongest(values_o: jax.Array, mask_o: jax.Array, *, share: float, power: float) -> Strongest:
    """The int(share n) strongest inputs, at least 2; NaN activations where they are all equal."""
    most = max(2, int(fraction_of(share) * values_o.shape[0]))
    largest, index = top_k(jnp.where(mask_o, values_o, -jnp.inf), min(most, values_o.shape[0]))
    taken = jnp.maximum(share_of(jnp.sum(mask_o, dtype=jnp.int32), share)[0], 2)
    inside = jnp.arange(largest.shape[0]) < taken
    value = jnp.where(inside, largest - largest[0], 0.0)
    # Powers of large activations leave float32, so they are brought to [-1, 0] first.
    spread = -jnp.min(value)
    value = value / jnp.where(spread > 0, spread, jnp.nan)
    expected = _expected_error(value, inside, power)
    return Strongest(index.astype(jnp.int32), value / expected ** (1 / power), taken)


def _expected_error(value_i: jax.Array, inside_i: jax.Array, power: float) -> jax.Array:
    """The mean of |v_i - v_j|^power over all ordered pairs, i = j included: a random order's error."""
    number = jnp.maximum(jnp.sum(inside_i, dtype=jnp.int32), 1).astype(jnp.float32)
    if precision.current_way() != "plain":
        # A GPU sums all pairs as it makes them.
        difference = jnp.abs(value_i[:, None] - value_i[None, :]) ** power
        sums = jnp.sum(jnp.where(inside_i[None, :], difference, 0.0), 1)
        return jnp.sum(jnp.where(inside_i, sums / number, 0.0)) / number
    padding = (0, -value_i.shape[0] % _UNROLL)
    counts = jnp.pad(inside_i.astype(jnp.float32), padding)
    value = jnp.pad(value_i, padding)

    def add(state: tuple[jax.Array, jax.Array], rows: tuple[jax.Array, jax.Array]):
        # Elementwise steps, which XLA vectorises where it would sum one number after the other.
        few = jnp.zeros_like(value)
        for other, weight in zip(*rows, strict=True):
            few = few + weight * jnp.abs(value - other) ** power
        return add_compensated(*state, few), None

    rows = (value.reshape(-1, _UNROLL), counts.reshape(-1, _UNROLL))
    (sums, _), _ = jax.lax.scan(add, (jnp.zeros_like(value), jnp.zeros_like(value)), rows)
    return total(counts * (sums / number)) / number


def reordered(px: Strongest, py: Order, *, power: float) -> tuple[jax.Array, jax.Array]:
    """What the concept's order does to the strongest activations, and how likely it is on their inputs.

    Returns:
      The mean of |activation - the activation that the concept's order puts in its place|^power, and the mean
      of p_i; NaN where p_i is the same for all of these inputs, since nothing then says how to order them.
    """
    by_host, by_sort = (functools.partial(way, power=power) for way in (_by_host, _by_sort))
    return host_or_device(by_host, by_sort, px, py, accelerator=_at_once(power))


def at_once(o: int) -> bool:
    """Whether all pairs of o observations are compared at once, in what is being traced."""
    return precision.kernel_reorders() and o <= reorder_errors.MOST


@functools.cache
def _at_once(power: float) -> OfSides:
    """`_by_sort`, for which kernels of a GPU take whole sides.

    They go through a concept's order in words of 32 observations, a bit for each, and stop at a neuron's
    strongest inputs alone: one step an input, and one a word. A sort takes an input about a hundred steps.
    Few pairs leave most of a GPU idle either way, and are sorted, for that starts sooner.
    """
    of_pair = functools.partial(_by_sort, power=power)

    def of_matrices(px: Strongest, py: Order) -> tuple[jax.Array, jax.Array]:
        (n, t), (k, o) = px.index_i.shape, py.place_o.shape
        if not at_once(o) or n * k * t < _LEAST_SORTED:
            return jax.vmap(jax.vmap(of_pair, (None, 0)), (0, None))(px, py)
        inside_nt = jnp.arange(t, dtype=jnp.int32)[None, :] < px.taken[:, None]
        member_no = jnp.zeros((n, o), jnp.float32)
        member_no = member_no.at[jnp.arange(n)[:, None], px.index_i].set(inside_nt.astype(jnp.float32))
        sums_nk = jax.vmap(jax.vmap(inner, (None, 0)), (0, None))(member_no, py.probability_o)
        concepts = reorder_errors.Concepts(_orders(py.place_o), py.probability_o)
        error_nk = reorder_errors.mean_errors(strongest_blocks.Strongest(*px), concepts, power=power)
        return error_nk, sums_nk / px.taken.astype(jnp.float32)[:, None]

    return seen_at_once(of_pair, of_matrices)


def _orders(place_ko: jax.Array) -> jax.Array:
    """[k, o] uint16 the order of places of sixteen bits: each above its observation, sorted as one number."""
    observation_o = jnp.arange(place_ko.shape[1], dtype=jnp.uint32)
    packed = (place_ko.astype(jnp.uint32) << 16) | observation_o[None, :]
    return jax.lax.sort(packed, is_stable=False).astype(jnp.uint16)


def _by_sort(px: Strongest, py: Order, *, power: float) -> tuple[jax.Array, jax.Array]:
    i = jnp.arange(px.index_i.shape[0], dtype=jnp.int32)
    inside, taken = i < px.taken, px.taken.astype(jnp.float32)
    # In the order of the observations, which is the neuron's and found once for all concepts: what ties stays
    # in this order, and places are read one after the other.
    in_time = jnp.argsort(px.index_i)
    place = py.place_o[px.index_i[in_time]]
    key = jnp.where(inside[in_time], place, jnp.full_like(place, np.iinfo(place.dtype).max))
    which = _order_of_short(key) if place.dtype == np.uint16 else _order(key)
    # The input that the concept puts last among those taken gets the strongest activation.
    in_place = px.value_i[jnp.maximum(px.taken - 1 - i, 0)]
    error = jnp.where(inside, jnp.abs(px.value_i[in_time][which] - in_place) ** power, 0.0)
    p = py.probability_o[px.index_i]
    mean = total(jnp.where(inside, p, 0.0)) / taken
    return total(error) / taken, mean + nan_if_constant(p, inside)


def _order(key_i: jax.Array) -> jax.Array:
    """[t] int32 the order of the keys; those that tie stay as they are."""
    i = jnp.arange(key_i.shape[0], dtype=jnp.int32)
    return jax.lax.sort((key_i, i), num_keys=1, is_stable=True)[1]


def _order_of_short(key_i: jax.Array) -> jax.Array:
    """`_order` of keys of sixteen bits: each above its place, sorted as one number."""
    return _orders(key_i[None])[0].astype(jnp.int32)


def _by_host(px: Strongest, py: Order, *, power: float) -> tuple[jax.Array, jax.Array]:
    one = jax.ShapeDtypeStruct((), jnp.float32)
    return call_host(functools.partial(host_reordered, power=power), (one, one), *px, *py)


def host_reordered(
    index: np.ndarray,
    value: np.ndarray,
    taken: np.ndarray,
    place: np.ndarray,
    probability: np.ndarray,
    *,
    power: float,
) -> tuple[np.ndarray, np.ndarray]:
    """`reordered` over the last axis: index, value [..., t], taken [...], place, p [..., o], broadcast."""
    t, o = index.shape[-1], place.shape[-1]
    # Whatever vmap left unbatched has fewer leading axes, or shorter ones, than what else its side has.
    of_side = np.broadcast_shapes(index.shape[:-1], value.shape[:-1], taken.shape)
    of_other = np.broadcast_shapes(place.shape[:-1], probability.shape[:-1])
    lead = np.broadcast_shapes(of_side, of_other)
    index, value = (np.broadcast_to(side, (*of_side, t)).reshape(-1, t) for side in (index, value))
    place, p = (np.broadcast_to(side, (*of_other, o)).reshape(-1, o) for side in (place, probability))
    taken = np.broadcast_to(taken, of_side).ravel()
    ascending = np.ascontiguousarray(value[:, ::-1])
    # Places are read in the order of the observations, not at random: 1 ns an element instead of 9. A stable
    # sort then leaves those that tie in this order.
    in_time = stable_order(np.where(np.arange(t) < taken[:, None], index, o).astype(place.dtype))
    index, value = (np.take_along_axis(side, in_time, 1) for side in (index.astype(np.intp), value))
    neurons, concepts = _item(of_side, lead), _item(of_other, lead)
    error, mean = np.empty(neurons.size, np.float32), np.empty(neurons.size, np.float32)
    stretches = _stretches(neurons, concepts, at_least_one(_BLOCK_ELEMENTS, t))

    def work(block: slice) -> None:
        for pairs in stretches[block]:
            neuron, first, count = neurons[pairs.start], concepts[pairs.start], pairs.stop - pairs.start
            at, activation = index[neuron, : taken[neuron]], value[neuron, : taken[neuron]]
            order = stable_order(np.take(place[first : first + count], at, axis=1))
            # The i-th of a concept's order, from its lowest, is given the i-th smallest activation.
            difference = np.take(activation, order)
            difference -= ascending[neuron, t - taken[neuron] :]
            error[pairs] = np.mean(_power(np.abs(difference, out=difference), power), 1)
            # Probabilities rise along the order, so its ends tell whether all are equal.
            p_there = np.take(p[first : first + count], at, axis=1)
            row = np.arange(count)
            constant = p_there[row, order[:, 0]] == p_there[row, order[:, -1]]
            mean[pairs] = np.where(constant, np.nan, np.mean(p_there, 1))

    in_blocks(work, len(stretches), of=1, most=1)
    return error.reshape(lead), mean.reshape(lead)


def _item(shape: tuple[int, ...], lead: tuple[int, ...]) -> np.ndarray:
    """For every pair the flat number of its item on one side."""
    return np.broadcast_to(np.arange(int(np.prod(shape))).reshape(shape), lead).ravel()


def _stretches(neurons: np.ndarray, concepts: np.ndarray, most: int) -> list[slice]:
    """At most `most` pairs in a row of one neuron with concepts that follow each other."""
    breaks = (neurons[1:] != neurons[:-1]) | (concepts[1:] != concepts[:-1] + 1)
    bounds = [0, *(np.flatnonzero(breaks) + 1).tolist(), neurons.size]
    return [
        slice(i, min(i + most, stop))
        for start, stop in itertools.pairwise(bounds)
        for i in range(start, stop, most)
    ]


def _power(error: np.ndarray, power: float) -> np.ndarray:
    # NumPy takes the general power, as costly as the sort, for all but squares.
    if isinstance(power, int) and power < 8:
        return functools.reduce(np.multiply, [error] * power)
    return error**power
