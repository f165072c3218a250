"""Sums products of neurons and permuted rows by adding: each pair of clips is multiplied once.

A permutation picks one of a clip's partners, so that its sum has one product a clip. On a CPU adding what is
picked beats a matrix product with picks as zeros and ones, which multiplies every other partner by zero: with
30 partners and 200 permutations by 2 to 6.
"""

import jax
import jax.numpy as jnp

from actjax.precision import PRECISION

# Rows at a time: the sums of all permutations with them stay in a processor's cache.
_ROWS = 32


def permuted_products(
    x_bon: jax.Array, y_bok: jax.Array, partner_bj: jax.Array, slot_rb: jax.Array
) -> jax.Array:
    """[r, n, k] sum over b and o of x[b, o, n] y[partner[b, slot[r, b]], o, k].

    Args:
      x_bon: [b, o, n] neurons, zero where masked.
      y_bok: [b, o, k] feature rows, zero where masked.
      partner_bj: [b, j] int32, the clips that clip b can meet.
      slot_rb: [r, b] int32, which of them it meets.
    """
    (clips, observations, k), n = y_bok.shape, x_bon.shape[2]
    rows = min(_ROWS, k)
    count = -(-k // rows)
    y_bko = jnp.pad(y_bok, ((0, 0), (0, 0), (0, count * rows - k))).transpose(0, 2, 1)
    zero = jnp.zeros((len(slot_rb), rows, n), x_bon.dtype)

    def of_rows(rows_bko: jax.Array) -> jax.Array:
        def add(total: jax.Array, clip: tuple[jax.Array, ...]) -> tuple[jax.Array, None]:
            x_on, met_j, slot_r = clip
            products_jkn = jnp.einsum("jko,on->jkn", rows_bko[met_j], x_on, precision=PRECISION)
            return total + products_jkn[slot_r], None

        return jax.lax.scan(add, zero, (x_bon, partner_bj, slot_rb.T))[0]

    in_turn = y_bko.reshape(clips, count, rows, observations).transpose(1, 0, 2, 3)
    sums_crkn = jax.lax.map(of_rows, in_turn)
    return sums_crkn.transpose(1, 3, 0, 2).reshape(len(slot_rb), n, count * rows)[:, :, :k]
