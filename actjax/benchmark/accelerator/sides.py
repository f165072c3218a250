"""Neurons and rows that the metrics of the table are timed on, made on the device."""

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from actjax import lookup
from actjax.benchmark.accelerator.references import Reference
from actjax.benchmark.accelerator.rows import Job, Peer
from actjax.similarity.api import make_metric
from actjax.similarity.kernel import pairwise
from actjax.types import Context

# Neurons made at a time: random bits and the numbers made of them take three times the memory.
_BLOCK = 2048


class Shape(NamedTuple):
    """How many neurons, rows and observations."""

    neurons: int
    rows: int
    observations: int

    def __str__(self) -> str:
        """As the table says it."""
        return f"{self.neurons:,} x {self.rows:,} x {self.observations:,}"

    @property
    def least_bytes(self) -> float:
        """Both sides read once and the scores written, in float32."""
        n, k, o = self
        return 4.0 * (n * o + k * o + n * k)

    @property
    def operations(self) -> float:
        """Of the product of both sides."""
        return 2.0 * self.neurons * self.rows * self.observations


class Sides(NamedTuple):
    """Neurons [n, o] and rows [k, o]."""

    x_no: jax.Array
    y_ko: jax.Array


@functools.lru_cache(maxsize=1)
def normal(shape: Shape) -> Sides:
    """Normal values; every row follows the neuron of its number, where there is one, with r about 0.5."""
    n, k, o = shape
    x_no, noise_ko = (_normal(seed, count, o) for seed, count in enumerate((n, k)))
    related = jnp.arange(k) < n
    y_ko = noise_ko + jnp.where(related[:, None], 0.58, 0.0) * x_no[jnp.minimum(jnp.arange(k), n - 1)]
    return jax.block_until_ready(Sides(x_no, y_ko))


@functools.lru_cache(maxsize=1)
def concepts(shape: Shape) -> Sides:
    """Normal neurons, and rows that are the probabilities of as many concepts on each observation."""
    n, k, o = shape
    x_no, logits_ko = (_normal(seed, count, o) for seed, count in enumerate((n, k)))
    return jax.block_until_ready(Sides(x_no, _softmax(logits_ko)))


def free() -> None:
    """Forgets the sides that were made last."""
    normal.cache_clear()
    concepts.cache_clear()


def job(
    spec: str,
    shape: Shape,
    reference: Reference | None = None,
    *,
    make: Callable[[Shape], Sides] = normal,
    sample: tuple[int, int] = (8, 16),
    peers: Sequence[Peer] = (),
    **limits: Any,
) -> Job:
    """A metric on arrays of the device, neurons first.

    Args:
      spec: the metric, with its options.
      shape: of both sides.
      reference: what a sample of its scores is compared with.
      make: the sides.
      sample: how many neurons and rows are compared.
      peers: of the row.
      **limits: fields of the job that differ.
    """
    [(name, options)] = lookup.parse_specs(spec)
    metric = make_metric(name, **options)
    sides = make(shape)
    fields: dict[str, Any] = {"memory_bytes": shape.least_bytes, "operations": shape.operations} | limits

    def work() -> jax.Array:
        return pairwise(metric, *sides, None, Context(), neurons_first=True)["score"]

    return Job(
        work,
        str(shape),
        pairs=shape.neurons * shape.rows,
        error=None if reference is None else functools.partial(largest_error, reference, sides, sample),
        peers=peers,
        **fields,
    )


def largest_error(reference: Reference, sides: Sides, sample: tuple[int, int], scores_nk: Any) -> float:
    """The largest difference of the first scores from the reference, by the largest where that is above 1."""
    n, k = sample
    x, y = (np.asarray(side[:count], np.float64) for side, count in zip(sides, sample, strict=True))
    expected = reference(x, y)
    difference = np.abs(np.asarray(scores_nk[:n, :k], np.float64) - expected).max()
    return float(difference / max(1.0, np.abs(expected).max()))


@functools.partial(jax.jit, static_argnums=(0, 1, 2))
def _normal(seed: int, count: int, o: int) -> jax.Array:
    keys = jax.random.split(jax.random.key(seed), count)
    # A number of blocks that leaves nothing over: the remainder would be joined on by a copy of all.
    block = max(size for size in range(1, min(_BLOCK, count) + 1) if count % size == 0)
    return jax.lax.map(lambda key: jax.random.normal(key, (o,)), keys, batch_size=block)


@functools.partial(jax.jit, donate_argnums=0)
def _softmax(logits_ko: jax.Array) -> jax.Array:
    return jax.nn.softmax(3.0 * logits_ko, axis=0)
