"""Mutual information from counts of pairs of bins, in nats.

Bins are kept as nested sets: one indicator for each edge, 1 where a value reaches it. B bins need B - 1 of
them, their joint counts are one matrix product, and differences of neighbours give the table.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from actjax.similarity.arithmetic import long_counts
from actjax.similarity.arithmetic.inner import EXACT, count_table, indicator_type
from actjax.similarity.host.order import at_least, quantile_edges
from actjax.types import Accumulator, Context

# Observations of a batch whose joint counts are made at a time, whole in float32.
_AT_A_TIME = 1 << 22
# Of a pair: (information, entropy of x, entropy of y, joint entropy).
AVERAGES = {
    "arithmetic": lambda x, y: (x + y) / 2,
    "geometric": lambda x, y: jnp.sqrt(x * y),
    "min": jnp.minimum,
    "max": jnp.maximum,
}


# Ascending edges of bins: [q] for all columns alike, or [columns, q].
Edges = np.ndarray | Sequence[float]
# Whole numbers: an array, or a `long_counts.Count` of arrays.
Words = Any


class Binned(NamedTuple):
    """A side in bins.

    Attributes:
      above_qo: [bins - 1, o] of `indicator_type`, 1 where the value reaches the edge.
      above_q: [bins - 1] int32, how many do.
      count: int32 scalar, how many observations there are.
    """

    above_qo: jax.Array
    above_q: jax.Array
    count: jax.Array


class Tables(NamedTuple):
    """Joint counts of all pairs, both above an edge, each side above its own, all."""

    above_nkqr: long_counts.Count
    above_nq: long_counts.Count
    above_kr: long_counts.Count
    count: long_counts.Count


@functools.cache
def binned(bins: int, edges: tuple[float, ...] | None) -> Callable[[jax.Array, jax.Array, Context], Binned]:
    """The prepare function of a side in bins; the same object for the same options."""

    def prepare(values_o: jax.Array, mask_o: jax.Array, context: Context):
        if edges is None:
            edges_q = quantile_edges(values_o, mask_o, bins)
            above = jax.vmap(lambda edge: at_least(values_o, mask_o, edge))(edges_q)
        else:
            above = mask_o[None, :] & (values_o[None, :] >= jnp.asarray(edges, values_o.dtype)[:, None])
        reach_q = jnp.sum(above, 1, dtype=jnp.int32)
        return Binned(above.astype(indicator_type()), reach_q, jnp.sum(mask_o, dtype=jnp.int32))

    return prepare


def joint_counts(px: Binned, py: Binned) -> jax.Array:
    """[bins_x, bins_y] the table of one pair, exact."""
    above_qr = count_table(px.above_qo, py.above_qo)
    return _differences(above_qr, px.above_q, py.above_q, px.count, jnp.subtract).astype(jnp.float32)


def information(table: jax.Array, *, normalized: str | None, miller_madow: bool) -> jax.Array:
    """Mutual information of a table of counts [bins_x, bins_y]; NaN where a side has one bin only.

    Cells with counts c, of rows r and columns s, add (1 + e) log(1 + e) - e times their share r s / n^2,
    where 1 + e = c n / (r s): no term is negative, so little information is not lost in rounding.
    """
    rows, columns, count = jnp.sum(table, 1), jnp.sum(table, 0), jnp.sum(table)
    product = rows[:, None] * columns[None, :]
    excess = (count * table - product) / jnp.where(product > 0, product, 1.0)
    log = jnp.log1p(jnp.where(table > 0, excess, 0.0))
    terms = jnp.where(table > 0, (1 + excess) * log - excess, 1.0)
    nats = jnp.sum(product * terms) / count**2
    if miller_madow:
        nats = nats + (_occupied(rows) + _occupied(columns) - _occupied(table) - 1) / (2 * count)
    if normalized is not None:
        nats = nats / AVERAGES[normalized](
            entropy(rows, count, miller_madow), entropy(columns, count, miller_madow)
        )
    return jnp.where((_occupied(rows) > 1) & (_occupied(columns) > 1), nats, jnp.nan)


def entropy(counts: jax.Array, count: jax.Array, miller_madow: bool = False) -> jax.Array:
    """-sum p log p of counts of any shape, in nats; Miller and Madow's estimate adds (bins - 1) / 2n."""
    share = counts / count
    nats = -jnp.sum(share * jnp.log(jnp.where(share > 0, share, 1.0)))
    return nats + (_occupied(counts) - 1) / (2 * count) if miller_madow else nats


def tables(score: Callable[[jax.Array], jax.Array], edges_n: Edges, edges_k: Edges) -> Accumulator:
    """Streams joint counts between edges that are known.

    Args:
      score: of one finished table [bins_x, bins_y].
      edges_n, edges_k: ascending edges, [q] for all columns alike or [n, q] and [k, q].
    """
    lows_n, lows_k = jnp.asarray(edges_n, jnp.float32), jnp.asarray(edges_k, jnp.float32)
    q, r = lows_n.shape[-1], lows_k.shape[-1]

    def init(n: int, k: int) -> Tables:
        shapes = ((n, k, q, r), (n, q), (k, r), ())
        return Tables(*map(long_counts.zero, shapes))

    def update(
        state: Tables, x_on: jax.Array, y_ok: jax.Array, mask_o: jax.Array, context: Context | None = None
    ) -> Tables:
        x_onq, y_okr = _reaches(x_on, mask_o, lows_n), _reaches(y_ok, mask_o, lows_k)
        joint = sum(
            jnp.einsum(
                "onq,okr->nkqr", x_onq[p].astype(jnp.float32), y_okr[p].astype(jnp.float32), precision=EXACT
            ).astype(jnp.int32)
            for p in (slice(i, i + _AT_A_TIME) for i in range(0, len(mask_o), _AT_A_TIME))
        )
        margins = (
            long_counts.of_mask(x_onq, 0),
            long_counts.of_mask(y_okr, 0),
            long_counts.of_mask(mask_o),
        )
        return merge(state, Tables(long_counts.of(joint), *margins))

    def finalize(state: Tables) -> dict[str, Any]:
        def of_pair(above_qr: Words, above_q: Words, above_r: Words) -> jax.Array:
            cells = _differences(above_qr, above_q, above_r, state.count, long_counts.less)
            return score(long_counts.as_float(cells))

        of_row = jax.vmap(of_pair, (0, None, 0))
        scores = jax.vmap(of_row, (0, 0, None))(state.above_nkqr, state.above_nq, state.above_kr)
        return {"score": scores, "n_observations": state.count}

    def merge(a: Tables, b: Tables) -> Tables:
        return Tables(*map(long_counts.add, a, b))

    name = f"tables({lows_n.tolist()}, {lows_k.tolist()})"
    return Accumulator(name, init, update, merge, finalize)


def _reaches(values: jax.Array, mask_o: jax.Array, edges: jax.Array) -> jax.Array:
    edges = jnp.broadcast_to(edges, (values.shape[1], edges.shape[-1]))
    return mask_o[:, None, None] & (values[:, :, None] >= edges[None])


def _differences(
    above_qr: Words,
    above_q: Words,
    above_r: Words,
    count: Words,
    less: Callable[[Words, Words], Words],
) -> Words:
    """The table of bins from counts above pairs of edges, those of x and of y alone, and of all.

    They stay whole numbers throughout: arrays, or `long_counts.Count`, as `less` subtracts them.
    """

    def nest(above_qr: jax.Array, above_q: jax.Array, above_r: jax.Array, count: jax.Array) -> jax.Array:
        first = jnp.concatenate([jnp.asarray(count)[None], above_r])[None, :]
        nested = jnp.concatenate([first, jnp.concatenate([above_q[:, None], above_qr], 1)])
        return jnp.pad(nested, ((0, 1), (0, 1)))

    def cut(table: Words, cells: tuple[slice, ...] | slice) -> Words:
        return jax.tree.map(lambda word: word[cells], table)

    nested = jax.tree.map(nest, above_qr, above_q, above_r, count)
    by_row = less(cut(nested, np.s_[:-1]), cut(nested, np.s_[1:]))
    return less(cut(by_row, np.s_[:, :-1]), cut(by_row, np.s_[:, 1:]))


def _occupied(counts: jax.Array) -> jax.Array:
    return jnp.sum(counts > 0).astype(jnp.float32)
