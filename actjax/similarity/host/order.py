"""Order statistics of many vectors, and the cutoffs and edges that are made from them.

On a CPU the host partitions or sorts blocks of rows in threads; elsewhere the device bisects the bits of
float32, 32 counting passes a statistic, where it can in a kernel that reads a row once, or sorts where many
places are asked for.
"""

from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np

from actjax import precision
from actjax.kernels import kth_value, platform
from actjax.similarity.host.dispatch import call_host, host_or_device
from actjax.similarity.host.select import from_ordered_bits, order_statistic, ordered_bits
from actjax.similarity.host.threads import in_blocks

_BLOCK_ELEMENTS = 1 << 17
# With more places than these a device sorts: it takes as long as five of its kernel's passes.
_MOST_BISECTIONS = 4
# Shares are taken as fractions of at most this denominator: three of it are an int32.
_DENOMINATOR = 1 << 29


def order_statistics(values_o: jax.Array, mask_o: jax.Array, places_q: jax.Array) -> jax.Array:
    """The valid values at several places of their sorted order.

    Args:
      values_o: [o] float32, finite where valid.
      mask_o: [o] bool.
      places_q: [q] int32, 0 for the smallest valid value.

    Returns:
      [q] float32, NaN where the place does not exist. Works under vmap and inside jit and pmap.
    """
    valid_o = jnp.where(mask_o, values_o, jnp.inf)
    statistics_q = host_or_device(_by_host, _by_bisection, valid_o, places_q, accelerator=_of_item)
    return jnp.where((places_q >= 0) & (places_q < jnp.sum(mask_o)), statistics_q, jnp.nan)


def kth_largest(values_o: jax.Array, mask_o: jax.Array, k: jax.Array) -> jax.Array:
    """The k-th largest valid value, k >= 1; NaN if there are fewer."""
    return order_statistics(values_o, mask_o, (jnp.sum(mask_o) - k).astype(jnp.int32)[None])[0]


def top_count(mask_o: jax.Array, alpha: float) -> jax.Array:
    """int32 ceil(alpha n), how many of the n valid observations are a share of alpha; at least 1."""
    whole, left_over = share_of(jnp.sum(mask_o, dtype=jnp.int32), alpha)
    return jnp.maximum(whole + (left_over > 0).astype(jnp.int32), 1)


def share_of(count: jax.Array, share: float) -> tuple[jax.Array, jax.Array]:
    """int32 (floor(share count), what is left over, in parts of 1), exact for the share as it is written.

    0.05 is a twentieth here, of 20 as of 10^9, while a product in float32 would round.
    """
    fraction = fraction_of(share)
    p, q = fraction.numerator, fraction.denominator
    whole, remainder = count // q * p, count % q
    # floor(p remainder / q) bit by bit of p, since the product leaves int32.
    more, left = jnp.zeros_like(remainder), jnp.zeros_like(remainder)
    for bit in bin(p)[2:]:
        left = 2 * left + remainder * int(bit)
        more, left = 2 * more + left // q, left % q
    return whole + more, left


def fraction_of(share: float) -> Fraction:
    """The fraction that the decimal number means."""
    return Fraction(repr(float(share))).limit_denominator(_DENOMINATOR)


def at_least(values_o: jax.Array, mask_o: jax.Array, cutoff: jax.Array) -> jax.Array:
    """[o] bool: valid and >= cutoff, or > cutoff where the cutoff is the smallest valid value.

    A rectified neuron that is 0 on most observations has a cutoff of 0, which every observation
    reaches; its active ones are those above 0. A column of two values is split between them whatever
    the cutoff, so that binary data is taken as it is.
    """
    lowest = jnp.min(jnp.where(mask_o, values_o, jnp.inf))
    return mask_o & jnp.where(cutoff > lowest, values_o >= cutoff, values_o > lowest)


def top_active(values_o: jax.Array, mask_o: jax.Array, alpha: float) -> tuple[jax.Array, jax.Array]:
    """The ceil(alpha n) largest valid values and all that tie with the least of them.

    Returns:
      ([o] bool, or int8 where a kernel of a GPU marks them; int32, how many there are).
    """
    k = top_count(mask_o, alpha)
    if precision.kernel_selects() and values_o.shape[-1] <= kth_value.MOST:
        return platform.dependent(values_o, mask_o, k, cpu=_top_as_bytes, default=_top_of_item)
    active_o = at_least(values_o, mask_o, kth_largest(values_o, mask_o, k))
    return active_o, jnp.sum(active_o, dtype=jnp.int32)


def _top_as_bytes(values_o: jax.Array, mask_o: jax.Array, k: jax.Array) -> tuple[jax.Array, jax.Array]:
    active_o = at_least(values_o, mask_o, kth_largest(values_o, mask_o, k))
    return active_o.astype(jnp.int8), jnp.sum(active_o, dtype=jnp.int32)


# Rows that share a mask are marked by the kernel that finds their values; others are marked after it.
@jax.custom_batching.custom_vmap
def _top_of_item(values_o: jax.Array, mask_o: jax.Array, k: jax.Array) -> tuple[jax.Array, jax.Array]:
    return _top_as_bytes(values_o, mask_o, k)


@_top_of_item.def_vmap
def _(
    axis_size: int, in_batched: list[bool], values: jax.Array, mask: jax.Array, k: jax.Array
) -> tuple[tuple[jax.Array, jax.Array], tuple[bool, bool]]:
    axes = tuple(0 if batched else None for batched in in_batched)
    if axes != (0, None, None):
        return jax.vmap(_top_as_bytes, axes)(values, mask, k), (True, True)
    return _top_of_rows(values, mask, k), (True, True)


@jax.custom_batching.custom_vmap
def _top_of_rows(values_no: jax.Array, mask_o: jax.Array, k: jax.Array) -> tuple[jax.Array, jax.Array]:
    if values_no.size > kth_value.MOST_MARKS:
        return jax.vmap(_top_as_bytes, (0, None, None))(values_no, mask_o, k)
    place = jnp.sum(mask_o, dtype=jnp.int32) - k
    marked = kth_value.marked(values_no, mask_o, jnp.full((len(values_no),), place))
    return marked.marks_no, marked.count_n


@_top_of_rows.def_vmap
def _(
    axis_size: int, in_batched: list[bool], values: jax.Array, mask: jax.Array, k: jax.Array
) -> tuple[tuple[jax.Array, jax.Array], tuple[bool, bool]]:
    axes = tuple(0 if batched else None for batched in in_batched)
    rows = jax.vmap(_top_as_bytes, (0, None, None))
    return jax.vmap(rows, axes)(values, mask, k), (True, True)


def quantile_edges(values_o: jax.Array, mask_o: jax.Array, bins: int) -> jax.Array:
    """[bins - 1] the values at places floor(i n / bins), i = 1 .. bins - 1, of the sorted ones."""
    count = jnp.sum(mask_o).astype(jnp.int32)
    # i n / bins without the product, which leaves int32 at 2^31.
    i = jnp.arange(1, bins, dtype=jnp.int32)
    return order_statistics(values_o, mask_o, i * (count // bins) + i * (count % bins) // bins)


def _by_bisection(values_o: jax.Array, places_q: jax.Array) -> jax.Array:
    everywhere = jnp.ones(values_o.shape, bool)
    return jax.vmap(lambda place: order_statistic(values_o, everywhere, place))(places_q)


# An accelerator sees all rows at once under vmap; further axes, such as clips, are rows too.
@jax.custom_batching.custom_vmap
def _of_item(values_o: jax.Array, places_q: jax.Array) -> jax.Array:
    return _of_rows(values_o[None], places_q[None])[0]


@_of_item.def_vmap
def _(axis_size: int, in_batched: list[bool], values: jax.Array, places: jax.Array) -> tuple[jax.Array, bool]:
    return _of_rows(*_with_rows(axis_size, in_batched, values, places)), True


@jax.custom_batching.custom_vmap
def _of_rows(values_no: jax.Array, places_nq: jax.Array) -> jax.Array:
    """[n, q]; places beyond a row give any of its values."""
    q, o = places_nq.shape[1], values_no.shape[1]
    if q > _MOST_BISECTIONS:
        keys = jnp.sort(ordered_bits(values_no), 1)
        return from_ordered_bits(jnp.take_along_axis(keys, jnp.clip(places_nq, 0, o - 1), 1))
    if precision.kernel_selects() and o <= kth_value.MOST:
        return jnp.stack([kth_value.kth_values(values_no, places_nq[:, i]) for i in range(q)], 1)
    return jax.vmap(_by_bisection)(values_no, places_nq)


@_of_rows.def_vmap
def _(axis_size: int, in_batched: list[bool], values: jax.Array, places: jax.Array) -> tuple[jax.Array, bool]:
    values, places = _with_rows(axis_size, in_batched, values, places)
    rows = [side.reshape(-1, side.shape[-1]) for side in (values, places)]
    return _of_rows(*rows).reshape(places.shape), True


def _with_rows(size: int, in_batched: list[bool], *sides: jax.Array) -> list[jax.Array]:
    """The sides with a leading axis each."""
    return [
        side if batched else jnp.broadcast_to(side, (size, *side.shape))
        for side, batched in zip(sides, in_batched, strict=True)
    ]


def _by_host(values_o: jax.Array, places_q: jax.Array) -> jax.Array:
    shape = jax.ShapeDtypeStruct(places_q.shape, jnp.float32)
    return call_host(host_order_statistics, shape, values_o.astype(jnp.float32), places_q)


def host_order_statistics(values: np.ndarray, places: np.ndarray) -> np.ndarray:
    """[..., q] of values [..., o] and places [..., q], the leading axes broadcast; places are clipped."""
    lead = np.broadcast_shapes(values.shape[:-1], places.shape[:-1])
    rows = np.broadcast_to(values, lead + values.shape[-1:]).reshape(-1, values.shape[-1])
    places = np.broadcast_to(places, lead + places.shape[-1:]).reshape(-1, places.shape[-1])
    places = np.clip(places, 0, rows.shape[1] - 1).astype(np.intp)
    out = np.empty(places.shape, np.float32)

    def work(block: slice) -> None:
        wanted = places[block]
        if wanted.shape[1] == 1 and (wanted == wanted[0]).all():
            place = int(wanted[0, 0])
            out[block, 0] = np.partition(rows[block], place, axis=-1)[:, place]
        else:
            out[block] = np.take_along_axis(np.sort(rows[block], axis=-1), wanted, axis=-1)

    in_blocks(work, len(rows), of=rows.shape[1], most=_BLOCK_ELEMENTS)
    return out.reshape(lead + places.shape[-1:])
