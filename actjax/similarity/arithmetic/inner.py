"""Sums over observations that keep their digits at any length.

float32 added up one after the other loses a digit for every tenfold of the observations, and stands still
at 2^24 ones. Long vectors are therefore taken in chunks, whose sums are added with what each addition lost.
Under the doubly vmapped kernel a chunk is one matrix product.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from actjax.precision import PRECISION

# Observations at a time: products of such length are as fast as longer ones.
CHUNK = 1 << 13
# 0 and 1 are exact in TF32 and bfloat16 and sums are kept in float32, so the fastest product is exact.
EXACT = jax.lax.Precision.DEFAULT
# Sums of so many ones are whole in float32.
_WHOLE = 1 << 22


def inner(a: jax.Array, b: jax.Array) -> jax.Array:
    """sum of a * b over all axes, the last of which are the observations."""
    return _over_chunks(lambda a, b: jnp.vdot(a, b, precision=PRECISION), CHUNK, _add_lost, a, b)


def product(a: jax.Array, b: jax.Array) -> jax.Array:
    """The matrix product at the precision of scores; its sums are plain."""
    return jnp.matmul(a, b, precision=PRECISION)


def total(values: jax.Array) -> jax.Array:
    """sum over the last axis."""
    return _over_chunks(lambda part: jnp.sum(part, -1), CHUNK, _add_lost, values)


def count_both(a_o: jax.Array, b_o: jax.Array) -> jax.Array:
    """int32, how often two vectors of 0 and 1 are both 1."""

    def count(a, b):
        return jnp.vdot(a, b, precision=EXACT).astype(jnp.int32)

    return _over_chunks(count, _WHOLE, _add_whole, a_o, b_o)


def count_table(a_qo: jax.Array, b_ro: jax.Array) -> jax.Array:
    """[q, r] int32, `count_both` of all rows."""

    def count(a, b):
        return jnp.dot(a, b.T, precision=EXACT).astype(jnp.int32)

    return _over_chunks(count, _WHOLE, _add_whole, a_qo, b_ro)


def add_compensated(sum_: jax.Array, lost: jax.Array, term: jax.Array) -> tuple[jax.Array, jax.Array]:
    """One step of Kahan's sum: (sum, what it is too large by)."""
    corrected = term - lost
    grown = sum_ + corrected
    return grown, (grown - sum_) - corrected


def _add_lost(state: Any, term: jax.Array) -> Any:
    return add_compensated(*state, term)


def _add_whole(state: Any, term: jax.Array) -> Any:
    return (state[0] + term, state[1])


def _over_chunks(of_chunk: Callable[..., jax.Array], chunk: int, add: Callable, *sides: jax.Array):
    """of_chunk of stretches of the last axis, added up; the last stretch may be shorter."""
    o = sides[0].shape[-1]
    if o <= chunk:
        return of_chunk(*sides)

    def of(start, size):
        return of_chunk(*(jax.lax.dynamic_slice_in_dim(side, start, size, -1) for side in sides))

    # The rest comes first: it says what the sum looks like.
    first = of(o - o % chunk, o % chunk) if o % chunk else of(0, chunk)
    done = 0 if o % chunk else 1
    state = (first, jnp.zeros_like(first))
    return jax.lax.fori_loop(done, o // chunk, lambda i, state: add(state, of(i * chunk, chunk)), state)[0]
