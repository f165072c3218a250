"""Ranks of observations, by whichever of three ways is fastest where they are computed.

XLA's sort on a CPU takes 100 to 300 ns an element. There short vectors are ranked by counting, which
needs no sort (7 ns an element at 100 observations, 25 at 400), and long ones by the host, which sorts
16-bit halves in threads (20 ns a thread), unless several devices would call it at once;
elsewhere the device sorts. `twice_ranks` is the one place that decides.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from actjax import precision
from actjax.kernels import platform, row_ranks
from actjax.similarity.host.dispatch import call_host, host_or_device
from actjax.similarity.host.radix import ordered_bits, stable_order
from actjax.similarity.host.select import ordered_bits as float_bits
from actjax.similarity.host.threads import in_blocks

# Up to here counting all pairs beats the host's sort and its round trip (measured, see the notes).
COUNTING_LIMIT = 512
_UNROLL = 8
_BLOCK_ELEMENTS = 1 << 17


def twice_ranks(values_o: jax.Array, mask_o: jax.Array, *, ties: str = "average") -> jax.Array:
    """Twice the rank, which is a whole number: 2 for the smallest valid value; 0 where the mask is False.

    Args:
      values_o: [o] float32, finite where valid; o below 2^30.
      mask_o: [o] bool.
      ties: "average" (mid-ranks) or "ordinal" (the earlier observation first).

    Returns:
      [o] int32, exact. Works under vmap and inside jit and pmap.
    """
    values_o = jnp.where(mask_o, values_o, jnp.inf)
    by_counting, by_host, by_sort = (
        functools.partial(way, ties=ties) for way in (_by_counting, _by_host, _by_device_sort)
    )
    by_rows = by_sort if ties == "ordinal" else lambda values_o, _: _by_rows(values_o)
    if values_o.shape[-1] <= COUNTING_LIMIT:
        twice_o = platform.dependent(values_o, mask_o, cpu=by_counting, default=by_rows)
    else:
        twice_o = host_or_device(by_host, by_sort, values_o, mask_o, accelerator=by_rows)
    return jnp.where(mask_o, twice_o, jnp.zeros_like(twice_o))


def ranks(values_o: jax.Array, mask_o: jax.Array, *, ties: str = "average") -> jax.Array:
    """The ranks as [o] float32, which holds them exactly up to 2^23; see `twice_ranks`."""
    return twice_ranks(values_o, mask_o, ties=ties).astype(jnp.float32) / 2


def centred_ranks(twice_o: jax.Array, mask_o: jax.Array) -> jax.Array:
    """[o] float32 the ranks minus their mean, 0 where the mask is False, from `twice_ranks`.

    The mean of n ranks is (n + 1) / 2, whatever the ties. It is taken off in whole numbers, so that the one
    rounding left is that of a centred rank, at most 2^-25 of it.
    """
    twice_mean = jnp.sum(mask_o, dtype=jnp.int32) + 1
    centred_o = (twice_o - twice_mean).astype(jnp.float32) / 2
    return jnp.where(mask_o, centred_o, jnp.zeros_like(centred_o))


def twice_random_ranks(values_o: jax.Array, mask_o: jax.Array, key: jax.Array) -> jax.Array:
    """`twice_ranks` whose ties are broken at random, by one order drawn from `key`."""
    order = jax.random.permutation(key, values_o.shape[-1])
    shuffled = twice_ranks(values_o[order], mask_o[order], ties="ordinal")
    return jnp.zeros_like(shuffled).at[order].set(shuffled)


def _by_counting(values_o: jax.Array, mask_o: jax.Array, ties: str) -> jax.Array:
    """Counts, for each value, those before it; in a loop of elementwise steps, which XLA vectorises."""
    o = values_o.shape[0]
    steps = -(-o // _UNROLL)
    padded = jnp.pad(values_o, (0, steps * _UNROLL - o), constant_values=jnp.inf)
    place = jnp.arange(o, dtype=jnp.int32)

    def add(count: jax.Array, step: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, None]:
        start, others = step
        for j in range(_UNROLL):
            smaller, tied = others[j] < values_o, others[j] == values_o
            if ties == "average":
                count = count + smaller.astype(jnp.int32) + (smaller | tied).astype(jnp.int32)
            else:
                count = count + (smaller | (tied & (start + j <= place))).astype(jnp.int32)
        return count, None

    starts = jnp.arange(steps, dtype=jnp.int32) * _UNROLL
    count, _ = jax.lax.scan(add, jnp.zeros((o,), jnp.int32), (starts, padded.reshape(steps, _UNROLL)))
    if ties == "average":
        # (number smaller + number smaller or equal + 1) / 2 is the mean of the tied places.
        return count + 1
    return 2 * count


def _by_device_sort(values_o: jax.Array, mask_o: jax.Array, ties: str) -> jax.Array:
    place = jnp.arange(values_o.shape[0], dtype=jnp.int32)
    values, order = jax.lax.sort((values_o, place), num_keys=1, is_stable=True)
    twice = 2 * place + 2
    if ties == "average":
        differs = values[1:] != values[:-1]
        starts = jnp.concatenate([jnp.ones((1,), bool), differs])
        ends = jnp.concatenate([differs, jnp.ones((1,), bool)])
        first = jax.lax.cummax(jnp.where(starts, place, 0))
        last = jax.lax.cummin(jnp.where(ends, place, values_o.shape[0]), reverse=True)
        twice = first + last + 2
    return jnp.zeros_like(place).at[order].set(twice)


# Mid-ranks of a device under vmap are those of all rows at once, which are asked together whether any tie.
@jax.custom_batching.custom_vmap
def _by_rows(values_o: jax.Array) -> jax.Array:
    return _of_rows(values_o[None])[0]


@_by_rows.def_vmap
def _(axis_size: int, in_batched: list[bool], values: jax.Array) -> tuple[jax.Array, bool]:
    return _of_rows(values), True


@jax.custom_batching.custom_vmap
def _of_rows(values_no: jax.Array) -> jax.Array:
    """[n, o] twice the mid-ranks; any for infinite values."""
    if values_no.shape[1] > row_ranks.MOST or not precision.kernel_ranks():
        return _by_sorting_places(values_no).astype(jnp.int32)
    twice_no, unsettled = row_ranks.twice_ranks(values_no)
    twice_no = jax.lax.cond(unsettled, lambda: _by_sorting_places(values_no), lambda: twice_no)
    return twice_no.astype(jnp.int32)


def _by_sorting_places(values_no: jax.Array) -> jax.Array:
    """[n, o] twice the mid-ranks, uint16 where these hold them, from the order of each row.

    Bits sort twice as fast as floats do, and short places faster than long ones. Finding where ties begin and
    end takes a quarter of the sort, and what is continuous has none.
    """
    n, o = values_no.shape
    place = jnp.arange(o, dtype=jnp.int32)
    short = jnp.uint16 if o <= 1 << 16 else jnp.uint32
    places = jnp.broadcast_to(place.astype(short), (n, o))
    keys, order = jax.lax.sort((float_bits(values_no), places), dimension=1, num_keys=1, is_stable=False)
    tied = jnp.any((keys[:, 1:] == keys[:, :-1]) & (keys[:, 1:] < float_bits(jnp.float32(jnp.inf))))
    # Twice a rank is at most 2 o, and half the bytes are put to their places sooner.
    zeros = jnp.zeros((o,), jnp.uint16 if 2 * o < 1 << 16 else jnp.int32)

    def placed(order_o: jax.Array, twice_o: jax.Array) -> jax.Array:
        at = zeros.at[order_o.astype(jnp.int32)]
        return at.set(twice_o.astype(zeros.dtype), unique_indices=True, mode="promise_in_bounds")

    return jax.lax.cond(
        tied,
        lambda: jax.vmap(placed)(order, _mid_ranks(keys)),
        lambda: jax.vmap(placed, (0, None))(order, 2 * place + 2),
    )


@_of_rows.def_vmap
def _(axis_size: int, in_batched: list[bool], values: jax.Array) -> tuple[jax.Array, bool]:
    return _of_rows(values.reshape(-1, values.shape[-1])).reshape(values.shape), True


def _mid_ranks(sorted_no: jax.Array) -> jax.Array:
    """Twice the mean place, from 1, of the values that tie with each of a sorted row."""
    n, o = sorted_no.shape
    place = jnp.arange(o, dtype=jnp.int32)[None, :]
    differs, edge = sorted_no[:, 1:] != sorted_no[:, :-1], jnp.ones((n, 1), bool)
    starts, ends = jnp.concatenate([edge, differs], 1), jnp.concatenate([differs, edge], 1)
    first = jax.lax.cummax(jnp.where(starts, place, 0), axis=1)
    last = jax.lax.cummin(jnp.where(ends, place, o), axis=1, reverse=True)
    return first + last + 2


def _by_host(values_o: jax.Array, mask_o: jax.Array, ties: str) -> jax.Array:
    shape = jax.ShapeDtypeStruct(values_o.shape, jnp.int32)
    return call_host(
        functools.partial(host_twice_ranks, ties=ties), shape, values_o.astype(jnp.float32), mask_o
    )


def host_twice_ranks(values: np.ndarray, mask: np.ndarray, *, ties: str = "average") -> np.ndarray:
    """`twice_ranks` of the last axis on the host; values [..., o], mask of the same rank or broadcastable."""
    shape = np.broadcast_shapes(values.shape, mask.shape)
    rows = np.broadcast_to(values, shape).reshape(-1, shape[-1])
    masks = np.broadcast_to(mask, shape).reshape(-1, shape[-1])
    out = np.zeros(rows.shape, np.int32)

    def work(block: slice) -> None:
        if masks[block].all():
            out[block] = _rank_rows(rows[block], ties)
            return
        for row, valid, twice in zip(rows[block], masks[block], out[block], strict=True):
            twice[valid] = _rank_rows(row[valid][None], ties)[0]

    in_blocks(work, len(rows), of=shape[-1], most=_BLOCK_ELEMENTS)
    return out.reshape(shape)


def _rank_rows(values: np.ndarray, ties: str) -> np.ndarray:
    """[rows, o] -> twice the ranks along o, by bits that are ordered as the values are.

    Several rows at a time, in few calls of NumPy: with one row a call two threads wait for the interpreter
    more than they gain (21 ns an element in two threads, 10 like this).
    """
    bits = ordered_bits(values)
    order = stable_order(bits)
    order += (np.arange(len(values)) * values.shape[1])[:, None]
    order = order.ravel()
    twice = np.tile(np.arange(2, 2 * values.shape[1] + 2, 2, dtype=np.int32), len(values))
    if ties == "average":
        _average_ties(np.take(bits, order).reshape(values.shape), twice)
    out = np.empty(values.shape, np.int32)
    out.reshape(-1)[order] = twice
    return out


def _average_ties(ordered: np.ndarray, twice: np.ndarray) -> None:
    """Gives each stretch of equal values in a sorted row twice the mean of its ranks, in place."""
    ties_before = np.zeros((len(ordered), ordered.shape[1] + 1), bool)
    np.equal(ordered[:, 1:], ordered[:, :-1], out=ties_before[:, 1:-1])
    # A stretch starts before the first element that ties with the one before it, and ends with the last.
    (changes,) = np.nonzero(ties_before.ravel()[1:] != ties_before.ravel()[:-1])
    changes -= changes // ties_before.shape[1]
    first, last = changes[::2], changes[1::2]
    lengths = last - first + 1
    start_of_each = np.repeat(first - np.cumsum(lengths) + lengths, lengths)
    inside = start_of_each + np.arange(start_of_each.size)
    # Twice the mean is the first rank plus the last.
    twice[inside] = np.repeat(twice[first] // 2 + twice[last] // 2, lengths)
