"""Lets what is written for one pair see whole matrices under the doubly vmapped kernel."""

from collections.abc import Callable

import jax

# [n, o] and [k, o] -> [n, k]; or [o] and [o] -> a scalar.
OfSides = Callable[[jax.Array, jax.Array], jax.Array]


def seen_at_once(of_pair: OfSides, of_matrices: OfSides, of_rows: OfSides | None = None) -> OfSides:
    """`of_pair`, for which `of_matrices` computes all pairs of two sides where vmap makes such.

    The kernel batches one side at a time: [o] with [o], [o] with [k, o], [n, o] with [k, o]. What is batched
    otherwise, for further axes such as clips, is left to vmap.

    Args:
      of_pair: two vectors to a scalar.
      of_matrices: [n, o] and [k, o] to [n, k].
      of_rows: [n, o] and [n, o] to [n], row by row; `of_pair` under vmap by default.
    """

    def of_row(a_o: jax.Array, b_ko: jax.Array) -> jax.Array:
        return jax.vmap(of_pair, (None, 0))(a_o, b_ko)

    def of_all(a_no: jax.Array, b_ko: jax.Array) -> jax.Array:
        return jax.vmap(of_row, (0, None))(a_no, b_ko)

    pair, row = jax.custom_batching.custom_vmap(of_pair), jax.custom_batching.custom_vmap(of_row)
    matrices = jax.custom_batching.custom_vmap(of_matrices)

    @pair.def_vmap
    def _(size: int, in_batched: list[bool], a: jax.Array, b: jax.Array) -> tuple[jax.Array, bool]:
        if all(in_batched):
            return (of_rows or jax.vmap(of_pair))(a, b), True
        if in_batched[0]:
            # The other side comes first: as many results in a row, of sides that changed places.
            return swapped_row(b, a), True
        return row(a, b), True

    @row.def_vmap
    def _(size: int, in_batched: list[bool], a: jax.Array, b: jax.Array) -> tuple[jax.Array, bool]:
        if in_batched[1]:
            return jax.vmap(of_row, (0 if in_batched[0] else None, 0))(a, b), True
        return matrices(a, b), True

    @jax.custom_batching.custom_vmap
    def swapped_row(b_o: jax.Array, a_no: jax.Array) -> jax.Array:
        return jax.vmap(of_pair, (0, None))(a_no, b_o)

    @swapped_row.def_vmap
    def _(size: int, in_batched: list[bool], b: jax.Array, a: jax.Array) -> tuple[jax.Array, bool]:
        if in_batched[1]:
            vectors = jax.vmap(jax.vmap(of_pair, (0, None)), (0, 0 if in_batched[0] else None))
            return vectors(a, b), True
        return matrices(a, b).T, True

    @matrices.def_vmap
    def _(size: int, in_batched: list[bool], a: jax.Array, b: jax.Array) -> tuple[jax.Array, bool]:
        return jax.vmap(of_all, [0 if batched else None for batched in in_batched])(a, b), True

    return pair
