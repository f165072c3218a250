"""A neuron's strongest activations, put into the order in which a concept ranks their inputs."""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from actjax.similarity._host import cpu_way
from actjax.similarity._radix import stable_order
from actjax.similarity._threads import in_blocks
from actjax.similarity._top import top_k

# Sorted pairs of so many elements at a time stay in the cache.
_BLOCK_ELEMENTS = 1 << 16
_UNROLL = 8


class Strongest(NamedTuple):
    """A neuron's strongest inputs.

    Attributes:
      index_i: [t] int32, which observations, the strongest first.
      value_i: [t] their activations over the root of the expected error, so that chance scores 1.
      taken: int32 scalar, how many of the t places count.
    """

    index_i: Any
    value_i: Any
    taken: Any


class Order(NamedTuple):
    """A concept: [o] int32 place of each observation in its order (earlier first where tied), [o] p."""

    place_o: Any
    probability_o: Any


def strongest(values_o, mask_o, *, share: float, power: float) -> Strongest:
    """The int(share n) strongest inputs, at least 2; NaN activations where they are all equal."""
    most = max(2, int(share * values_o.shape[0] + 1e-6))
    found, index = top_k(jnp.where(mask_o, values_o, -jnp.inf), min(most, values_o.shape[0]))
    count = jnp.sum(mask_o).astype(jnp.float32)
    taken = jnp.maximum(jnp.floor(share * count + 1e-4).astype(jnp.int32), 2)
    inside = jnp.arange(found.shape[0]) < taken
    value = jnp.where(inside, found - found[0], 0.0)
    # Powers of large activations leave float32, so they are brought to [-1, 0] first.
    spread = -jnp.min(value)
    value = value / jnp.where(spread > 0, spread, jnp.nan)
    expected = _expected_error(value, inside, power)
    return Strongest(index.astype(jnp.int32), value / expected ** (1 / power), taken)


def _expected_error(value_i, inside_i, power) -> jax.Array:
    """The mean of |v_i - v_j|^power over all ordered pairs, i = j included: a random order's error."""
    padding = (0, -value_i.shape[0] % _UNROLL)
    counts = jnp.pad(inside_i.astype(jnp.float32), padding)
    value = jnp.pad(value_i, padding)

    def add(total, rows):
        # Elementwise steps, which XLA vectorises where it would sum one number after the other.
        for other, weight in zip(*rows, strict=True):
            total = total + weight * jnp.abs(value - other) ** power
        return total, None

    rows = (value.reshape(-1, _UNROLL), counts.reshape(-1, _UNROLL))
    total, _ = jax.lax.scan(add, jnp.zeros_like(value), rows)
    return jnp.sum(counts * total) / jnp.sum(counts) ** 2


def reorder_error(px: Strongest, py: Order, *, power: float) -> jax.Array:
    """The mean of |activation - the activation that the concept's order puts in its place|^power."""
    return jax.lax.platform_dependent(
        px,
        py.place_o,
        cpu=functools.partial(cpu_way(_by_host, _by_sort), power=power),
        default=functools.partial(_by_sort, power=power),
    )


def _by_sort(px: Strongest, place_o, *, power) -> jax.Array:
    i = jnp.arange(px.index_i.shape[0], dtype=jnp.int32)
    inside = i < px.taken
    key = jnp.where(inside, place_o[px.index_i], jnp.iinfo(jnp.int32).max)
    _, which = jax.lax.sort((key, i), num_keys=1)
    # The input that the concept puts last among those taken gets the strongest activation.
    given = px.value_i[jnp.maximum(px.taken - 1 - i, 0)]
    error = jnp.where(inside, jnp.abs(px.value_i[which] - given) ** power, 0.0)
    return jnp.sum(error) / px.taken.astype(jnp.float32)


def _by_host(px: Strongest, place_o, *, power) -> jax.Array:
    return jax.pure_callback(
        lambda *arrays: host_reorder_errors(*(np.asarray(a) for a in arrays), power=power),
        jax.ShapeDtypeStruct((), jnp.float32),
        *px,
        place_o,
        vmap_method="expand_dims",
    )


def host_reorder_errors(index, value, taken, place, *, power: float) -> np.ndarray:
    """Errors over the last axis of index, value [..., t], taken [...] and place [..., o], broadcast."""
    t, o = index.shape[-1], place.shape[-1]
    # Whatever vmap left unbatched has fewer leading axes, or shorter ones, than the rest of its side.
    of_side = np.broadcast_shapes(index.shape[:-1], value.shape[:-1], taken.shape)
    lead = np.broadcast_shapes(of_side, place.shape[:-1])
    of_neuron, of_concept = _item(of_side, lead), _item(place.shape[:-1], lead)
    index, value = (np.broadcast_to(side, (*of_side, t)).reshape(-1, t) for side in (index, value))
    taken = np.broadcast_to(taken, of_side).reshape(-1).astype(np.intp)
    # Sixteen bits, where they hold all places, sort in one pass.
    kind = np.uint16 if o < np.iinfo(np.uint16).max else np.uint32
    place, after_all, column = place.reshape(-1).astype(kind), np.iinfo(kind).max, np.arange(t)
    out = np.empty(of_neuron.size, np.float32)
    # The i-th of a concept's order, from its lowest, is given the i-th smallest activation.
    given = np.take_along_axis(value, np.maximum(taken[:, None] - 1 - column, 0), 1)

    def work(part: slice) -> None:
        neuron, concept = of_neuron[part], of_concept[part]
        keys = place[index[neuron] + (concept * o)[:, None]]
        outside = column >= taken[neuron][:, None]
        all_count = not outside.any()
        if not all_count:
            keys[outside] = after_all
        error = value.reshape(-1)[stable_order(keys) + (neuron * t)[:, None]]
        error -= given[neuron]
        np.abs(error, out=error)
        if not all_count:
            error[outside] = 0
        out[part] = np.sum(_power(error, power), 1, dtype=np.float64) / taken[neuron]

    in_blocks(work, out.size, max(1, _BLOCK_ELEMENTS // t))
    return out.reshape(lead)


def _item(shape: tuple[int, ...], lead: tuple[int, ...]) -> np.ndarray:
    """For every pair the flat number of its item on one side."""
    return np.broadcast_to(np.arange(int(np.prod(shape))).reshape(shape), lead).ravel()


def _power(error: np.ndarray, power: float) -> np.ndarray:
    # NumPy takes the general power, as costly as the sort, for all but squares.
    if isinstance(power, int) and power < 8:
        return functools.reduce(np.multiply, [error] * power)
    return error**power
