"""Lets what is written for one pair see whole matrices under the doubly vmapped kernel."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

# [n, o] and [k, o] -> [n, k]; or [o] and [o] -> a scalar. Sides may be pytrees of such, and so may results.
OfSides = Callable[[Any, Any], Any]


def seen_at_once(of_pair: OfSides, of_matrices: OfSides, of_rows: OfSides | None = None) -> OfSides:
    """`of_pair`, for which `of_matrices` computes all pairs of two sides where vmap makes such.

    The kernel batches one side at a time: [o] with [o], [o] with [k, o], [n, o] with [k, o]. What is batched
    otherwise, for further axes such as clips, is left to vmap.

    Args:
      of_pair: two vectors to a scalar.
      of_matrices: [n, o] and [k, o] to [n, k].
      of_rows: [n, o] and [n, o] to [n], row by row; `of_pair` under vmap by default.
    """

    def of_row(a_o: Any, b_ko: Any) -> Any:
        return jax.vmap(of_pair, (None, 0))(a_o, b_ko)

    def of_all(a_no: Any, b_ko: Any) -> Any:
        return jax.vmap(of_row, (0, None))(a_no, b_ko)

    pair, row = jax.custom_batching.custom_vmap(of_pair), jax.custom_batching.custom_vmap(of_row)
    matrices = jax.custom_batching.custom_vmap(of_matrices)

    @pair.def_vmap
    def _(size: int, in_batched: list[Any], a: Any, b: Any) -> tuple[Any, Any]:
        in_batched, (a, b) = _whole(size, in_batched, a, b)
        if all(in_batched):
            return _batched((of_rows or jax.vmap(of_pair))(a, b))
        if in_batched[0]:
            # The other side comes first: as many results in a row, of sides that changed places.
            return _batched(swapped_row(b, a))
        return _batched(row(a, b))

    @row.def_vmap
    def _(size: int, in_batched: list[Any], a: Any, b: Any) -> tuple[Any, Any]:
        in_batched, (a, b) = _whole(size, in_batched, a, b)
        if in_batched[1]:
            return _batched(jax.vmap(of_row, (0 if in_batched[0] else None, 0))(a, b))
        return _batched(matrices(a, b))

    @jax.custom_batching.custom_vmap
    def swapped_row(b_o: Any, a_no: Any) -> Any:
        return jax.vmap(of_pair, (0, None))(a_no, b_o)

    @swapped_row.def_vmap
    def _(size: int, in_batched: list[Any], b: Any, a: Any) -> tuple[Any, Any]:
        in_batched, (b, a) = _whole(size, in_batched, b, a)
        if in_batched[1]:
            vectors = jax.vmap(jax.vmap(of_pair, (0, None)), (0, 0 if in_batched[0] else None))
            return _batched(vectors(a, b))
        return _batched(jax.tree.map(jnp.transpose, matrices(a, b)))

    @matrices.def_vmap
    def _(size: int, in_batched: list[Any], a: Any, b: Any) -> tuple[Any, Any]:
        in_batched, sides = _whole(size, in_batched, a, b)
        return _batched(jax.vmap(of_all, [0 if batched else None for batched in in_batched])(*sides))

    return pair


def _batched(results: Any) -> tuple[Any, Any]:
    return results, jax.tree.map(lambda _: True, results)


def _whole(size: int, in_batched: list[Any], *sides: Any) -> tuple[list[bool], list[Any]]:
    """Which sides are batched, and the sides: of a batched one each array is, repeated where it was not."""
    of_sides = [any(jax.tree.leaves(batched)) for batched in in_batched]

    def repeated(leaf: jax.Array, batched: bool) -> jax.Array:
        return leaf if batched else jnp.broadcast_to(leaf, (size, *leaf.shape))

    return of_sides, [
        jax.tree.map(repeated, side, batched) if whole else side
        for side, batched, whole in zip(sides, in_batched, of_sides, strict=True)
    ]
