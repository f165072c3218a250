"""Correlation on a neuron's strongest inputs and as many random ones, gathered for each neuron."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from actjax.similarity.families.vectors import Scaled, cosine_of, masked, unit_scaled
from actjax.similarity.host.dispatch import call_host, host_or_device
from actjax.similarity.host.radix import ordered_bits, stable_order
from actjax.similarity.host.threads import in_blocks
from actjax.types import Context, Metric

# ([i] values, [i] bool what counts) -> [i] what Pearson's r is taken of.
Transform = Callable[[jax.Array, jax.Array], jax.Array]
# Up to here the device finds the largest as fast as the host.
SHORT = 512
_BLOCK_ELEMENTS = 1 << 17


class Sample(NamedTuple):
    """A neuron's sampled inputs.

    Attributes:
      index_i: [2 k] int32, which observations: the strongest, then the random ones.
      inside_i: [2 k] bool, False where there were too few.
      scaled: the neuron's values there, as the correlation compares them.
    """

    index_i: jax.Array
    inside_i: jax.Array
    scaled: Scaled


def sampled_correlation(
    name: str, transform: Transform, *, k: int, reference: str, order: bool = False
) -> Metric:
    """Pearson's r of `transform(values_i, inside_i)` on the sample; `order` where that sees no more."""
    if k < 2:
        raise ValueError(f"{name} expected k of at least 2, got {k}")
    return Metric(
        name=name,
        prepare_x=functools.partial(_sample, transform=transform, k=k),
        prepare_y=lambda values_o, mask_o, context: masked(values_o, mask_o),
        compare=functools.partial(_compare, transform=transform),
        views=("clip", "frame"),
        range=(-1.0, 1.0, 0.0),
        reference=reference,
        invariant_to=("scale", "shift", "order") if order else ("scale", "shift"),
        symmetric=False,
        dot=False,
        cost="steps",
        pair_copies=8,
        min_observations=k,
        options={"k": k},
    )


def _sample(
    values_o: jax.Array, mask_o: jax.Array, context: Context, *, transform: Transform, k: int
) -> Sample:
    order, usable = random_order(mask_o, context.key)
    strongest = order[top_k(jnp.where(usable, values_o[order], -jnp.inf), k)[1]]
    index = jnp.concatenate([strongest, order[:k]]).astype(jnp.int32)
    inside = mask_o[index]
    return Sample(index, inside, unit_scaled(transform(values_o[index], inside)))


def top_k(values_o: jax.Array, k: int) -> tuple[jax.Array, jax.Array]:
    """The k largest values and where they are, the earlier first where they tie."""
    # The device's order puts -0 below 0, which are equal numbers.
    values_o = jnp.where(values_o == 0, jnp.zeros_like(values_o), values_o)
    if values_o.shape[-1] <= SHORT:
        return _by_device(values_o, k)
    by_host, by_device = (functools.partial(way, k=k) for way in (_by_host, _by_device))
    return host_or_device(by_host, by_device, values_o)


def _by_device(values_o: jax.Array, k: int) -> tuple[jax.Array, jax.Array]:
    largest_i, places_i = jax.lax.top_k(values_o, k)
    return largest_i, places_i


def _by_host(values_o: jax.Array, k: int) -> tuple[jax.Array, jax.Array]:
    shapes = jax.ShapeDtypeStruct((k,), jnp.float32), jax.ShapeDtypeStruct((k,), jnp.int32)
    return call_host(functools.partial(host_top_k, k=k), shapes, values_o.astype(jnp.float32))


def host_top_k(values: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """`top_k` of the last axis on the host; values [..., o] -> [..., k] float32, [..., k] int32."""
    rows = values.reshape(-1, values.shape[-1])
    largest, places = np.empty((len(rows), k), np.float32), np.empty((len(rows), k), np.int32)

    def work(block: slice) -> None:
        for row in range(block.start, block.stop):
            item = rows[row]
            # All that reach the k-th largest, those that tie with it included.
            reach = np.flatnonzero(item >= np.partition(item, item.size - k)[item.size - k])
            order = reach[stable_order(~ordered_bits(item[reach]))[:k]]
            largest[row], places[row] = item[order], order

    in_blocks(work, len(rows), of=rows.shape[1], most=_BLOCK_ELEMENTS)
    shape = (*values.shape[:-1], k)
    return largest.reshape(shape), places.reshape(shape)


def random_order(mask_o: jax.Array, key: Any) -> tuple[jax.Array, jax.Array]:
    """([o] the observations in an order drawn from `key`, valid ones first; [o] bool, the valid ones).

    The i-th valid observation draws the same number whatever padding stands between them. Without a key
    seed 0 is taken.
    """
    key = jax.random.key(0) if key is None else key
    place = jnp.maximum(jnp.cumsum(mask_o) - 1, 0)
    draw = jax.vmap(lambda i: jax.random.bits(jax.random.fold_in(key, i)))(place)
    order = jnp.lexsort((draw, ~mask_o))
    return order, mask_o[order]


def _compare(px: Sample, py_o: jax.Array, *, transform: Transform):
    other = unit_scaled(transform(py_o[px.index_i], px.inside_i))
    return {"score": cosine_of(px.scaled, other)}
