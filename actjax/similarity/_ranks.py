"""Ranks of observations, by whichever of three ways is fastest where they are computed.

XLA's sort on a CPU takes 100 to 300 ns an element. There short vectors are ranked by counting, which
needs no sort (7 ns an element at 100 observations, 25 at 400), and long ones by the host, which sorts
16-bit halves in threads (16 ns a thread), unless several devices would call it at once;
elsewhere the device sorts. `ranks` is the one place that decides.
"""

import os
from concurrent.futures import ThreadPoolExecutor

import jax
import jax.numpy as jnp
import numpy as np

from actjax.similarity._host import cpu_way
from actjax.similarity._radix import ordered_bits, stable_order

# Up to here counting all pairs beats the host's sort and its round trip (measured, see the notes).
COUNTING_LIMIT = 512
_UNROLL = 8
_BLOCK_ELEMENTS = 1 << 17


def ranks(values_o: jax.Array, mask_o: jax.Array, *, ties: str = "average") -> jax.Array:
    """1 for the smallest valid value up to the number of valid ones; 0 where the mask is False.

    Args:
      values_o: [o] float32, finite where valid.
      mask_o: [o] bool.
      ties: "average" (mid-ranks) or "ordinal" (the earlier observation first).

    Returns:
      [o] float32. Works under vmap and inside jit and pmap.
    """
    values_o = jnp.where(mask_o, values_o, jnp.inf)
    short = values_o.shape[-1] <= COUNTING_LIMIT
    on_cpu = _by_counting if short else cpu_way(_by_host, _by_device_sort)
    found = jax.lax.platform_dependent(
        values_o,
        mask_o,
        cpu=lambda v, m: on_cpu(v, m, ties),
        default=lambda v, m: _by_device_sort(v, m, ties),
    )
    return jnp.where(mask_o, found, jnp.zeros_like(found))


def random_ranks(values_o: jax.Array, mask_o: jax.Array, key: jax.Array) -> jax.Array:
    """Ranks whose ties are broken at random, by one order drawn from `key`."""
    order = jax.random.permutation(key, values_o.shape[-1])
    shuffled = ranks(values_o[order], mask_o[order], ties="ordinal")
    return jnp.zeros_like(shuffled).at[order].set(shuffled)


def _by_counting(values_o: jax.Array, _: jax.Array, ties: str) -> jax.Array:
    """Counts, for each value, those before it; in a loop of elementwise steps, which XLA vectorises."""
    o = values_o.shape[0]
    steps = -(-o // _UNROLL)
    padded = jnp.pad(values_o, (0, steps * _UNROLL - o), constant_values=jnp.inf)
    place = jnp.arange(o, dtype=jnp.int32)

    def add(count, step):
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
        return (count + 1).astype(values_o.dtype) / 2
    return count.astype(values_o.dtype)


def _by_device_sort(values_o: jax.Array, _: jax.Array, ties: str) -> jax.Array:
    place = jnp.arange(values_o.shape[0], dtype=jnp.int32)
    values, order = jax.lax.sort((values_o, place), num_keys=1, is_stable=True)
    found = place + 1
    if ties == "average":
        differs = values[1:] != values[:-1]
        starts = jnp.concatenate([jnp.ones((1,), bool), differs])
        ends = jnp.concatenate([differs, jnp.ones((1,), bool)])
        first = jax.lax.cummax(jnp.where(starts, place, 0))
        last = jax.lax.cummin(jnp.where(ends, place, values_o.shape[0]), reverse=True)
        found = (first + last + 2).astype(values_o.dtype) / 2
    return jnp.zeros_like(values_o).at[order].set(found.astype(values_o.dtype))


def _by_host(values_o: jax.Array, mask_o: jax.Array, ties: str) -> jax.Array:
    shape = jax.ShapeDtypeStruct(values_o.shape, jnp.float32)
    return jax.pure_callback(
        lambda v, m: host_ranks(np.asarray(v), np.asarray(m), ties=ties),
        shape,
        values_o.astype(jnp.float32),
        mask_o,
        vmap_method="expand_dims",
    )


def host_ranks(values: np.ndarray, mask: np.ndarray, *, ties: str = "average") -> np.ndarray:
    """`ranks` of the last axis on the host; values [..., o], mask of the same rank or broadcastable."""
    shape = np.broadcast_shapes(values.shape, mask.shape)
    rows = np.broadcast_to(values, shape).reshape(-1, shape[-1])
    masks = np.broadcast_to(mask, shape).reshape(-1, shape[-1])
    out = np.zeros(rows.shape, np.float32)
    block = max(1, _BLOCK_ELEMENTS // max(shape[-1], 1))

    def work(start: int) -> None:
        for row in range(start, min(start + block, len(rows))):
            valid = masks[row]
            if valid.all():
                _rank_row(rows[row], out[row], ties)
            elif valid.any():
                part = np.empty(int(valid.sum()), np.float32)
                _rank_row(rows[row][valid], part, ties)
                out[row][valid] = part

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(work, range(0, len(rows), block)))
    return out.reshape(shape)


def _rank_row(values: np.ndarray, out: np.ndarray, ties: str) -> None:
    """Writes the ranks of one contiguous row, sorted by bits that are ordered as the values are."""
    bits = ordered_bits(values)
    place = stable_order(bits)
    ranks = np.arange(1, values.size + 1, dtype=np.float32)
    if ties == "average":
        ordered = bits[place]
        differs = ordered[1:] != ordered[:-1]
        if not differs.all():
            starts = np.flatnonzero(np.concatenate([[True], differs]))
            lengths = np.diff(starts, append=values.size)
            ranks = np.repeat((2 * starts + lengths + 1).astype(np.float32) / 2, lengths)
    out[place] = ranks
