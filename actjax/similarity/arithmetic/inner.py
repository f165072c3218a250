"""Sums over observations that keep their digits at any length.

float32 added up one after the other loses a digit for every tenfold of the observations, and stands still
at 2^24 ones. Long vectors are therefore taken in chunks, whose sums are added with what each addition lost.
Under the doubly vmapped kernel a chunk is one matrix product; where a GPU multiplies parts of float32 in a
kernel (`actjax.kernels.split_product`) all of it is one.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from actjax import parallel, precision
from actjax.kernels import both_split, split_product
from actjax.similarity.arithmetic.all_pairs import seen_at_once

# Observations at a time: sums of such length are as fast as longer ones, on accelerators products too.
CHUNK = 1 << 13
# The same of products on a CPU, which adds up one term after the other. Terms that are all alike, those of
# values that tie, are all rounded to the same side: sums of 8,192 lost 4e-5 of themselves, these lose 3e-6.
CPU_CHUNK = 1 << 8
# 0 and 1 are exact in TF32 and bfloat16 and sums are kept in float32, so the fastest product is exact.
EXACT = jax.lax.Precision.DEFAULT
# Sums of so many ones are whole in float32.
_WHOLE = 1 << 22
# Multiplications from which on a kernel of a GPU gains.
_LEAST_FOR_KERNEL = 1 << 24

# A sum, and what it is too large by.
_Sum = tuple[jax.Array, jax.Array]


def inner(a: jax.Array, b: jax.Array) -> jax.Array:
    """sum of a * b over all axes, the last of which are the observations; all values are finite."""
    if precision.current_way() == "fast":
        return _inner_at_once(jnp.ravel(a), jnp.ravel(b))
    return _inner(a, b)


def inner_near_one(a: jax.Array, b: jax.Array) -> jax.Array:
    """`inner` of vectors whose largest values are near 1: the kernel of a GPU need not look for them."""
    if precision.current_way() == "fast":
        return _inner_near_one_at_once(jnp.ravel(a), jnp.ravel(b))
    return _inner(a, b)


def product(a: jax.Array, b: jax.Array) -> jax.Array:
    """The matrix product at the precision of scores; its sums are plain."""
    return jnp.matmul(a, b, precision=precision.PRECISION)


def long_product(a_no: jax.Array, b_ok: jax.Array) -> jax.Array:
    """`product` over observations, whose sums keep their digits."""
    return over_observations(product, (a_no, 1), (b_ok, 0))


def over_observations(
    of_stretch: Callable[..., jax.Array],
    *sides: tuple[jax.Array, int],
    on_cpu: int = CPU_CHUNK,
    elsewhere: int | None = None,
) -> jax.Array:
    """of_stretch, sums of products, of stretches of the observations, added up with what each sum lost.

    Args:
      of_stretch: of the sides' stretches.
      *sides: arrays, each with the axis of its observations.
      on_cpu: observations of a stretch there.
      elsewhere: the same on accelerators; all by default.
    """
    arrays, axes = zip(*sides, strict=True)
    chunk = on_cpu if parallel.on_cpu() else elsewhere or arrays[0].shape[axes[0]]
    return _over_chunks(of_stretch, chunk, _add_lost, *arrays, axes=axes)


def _inner(a: jax.Array, b: jax.Array) -> jax.Array:
    how = precision.of_products()
    return over_observations(lambda a, b: jnp.vdot(a, b, precision=how), (a, -1), (b, -1), elsewhere=CHUNK)


def _of_matrices(a_no: jax.Array, b_ko: jax.Array, *, near_one: bool = False) -> jax.Array:
    """[n, k]; the longer side is split on the way."""
    if a_no.size * len(b_ko) < _LEAST_FOR_KERNEL:
        return jax.vmap(jax.vmap(_inner, (None, 0)), (0, None))(a_no, b_ko)
    if len(a_no) < len(b_ko):
        return _of_matrices(b_ko, a_no, near_one=near_one).T
    way = both_split if precision.splits_before(len(b_ko)) else split_product
    return way.product(a_no, b_ko, near_one=near_one)


def _of_rows(a_no: jax.Array, b_no: jax.Array) -> jax.Array:
    # An accelerator's plain sums are those of many short ones.
    return jnp.sum(a_no * b_no, 1)


_inner_at_once = seen_at_once(_inner, _of_matrices, _of_rows)
_inner_near_one_at_once = seen_at_once(_inner, functools.partial(_of_matrices, near_one=True), _of_rows)


def total(values: jax.Array) -> jax.Array:
    """sum over the last axis."""
    if precision.current_way() == "fast":
        # In one pass with whatever else reads the values.
        return jnp.sum(values, -1)
    return _over_chunks(lambda part: jnp.sum(part, -1), CHUNK, _add_lost, values)


def indicator_type() -> Any:
    """The type of vectors of 0 and 1 to be multiplied: bytes where matrix units take them, else float32."""
    return jnp.float32 if precision.current_way() == "plain" else jnp.int8


def count_both(a_o: jax.Array, b_o: jax.Array) -> jax.Array:
    """int32, how often two vectors of 0 and 1 are both 1, of the `indicator_type`."""
    if a_o.dtype == jnp.int8:
        along = (((0,), (0,)), ((), ()))
        return jax.lax.dot_general(a_o, b_o, along, preferred_element_type=jnp.int32)

    def count(a: jax.Array, b: jax.Array) -> jax.Array:
        return jnp.vdot(a, b, precision=EXACT).astype(jnp.int32)

    return _over_chunks(count, _WHOLE, _add_whole, a_o, b_o)


def count_table(a_qo: jax.Array, b_ro: jax.Array) -> jax.Array:
    """[q, r] int32, `count_both` of all rows."""
    if a_qo.dtype == jnp.int8:
        along = (((1,), (1,)), ((), ()))
        return jax.lax.dot_general(a_qo, b_ro, along, preferred_element_type=jnp.int32)

    def count(a: jax.Array, b: jax.Array) -> jax.Array:
        return jnp.dot(a, b.T, precision=EXACT).astype(jnp.int32)

    return _over_chunks(count, _WHOLE, _add_whole, a_qo, b_ro)


def add_compensated(sum_: jax.Array, lost: jax.Array, term: jax.Array) -> _Sum:
    """One step of Kahan's sum."""
    corrected = term - lost
    grown = sum_ + corrected
    return grown, (grown - sum_) - corrected


def _add_lost(state: _Sum, term: jax.Array) -> _Sum:
    return add_compensated(state[0], state[1], term)


def _add_whole(state: _Sum, term: jax.Array) -> _Sum:
    return (state[0] + term, state[1])


def _over_chunks(
    of_chunk: Callable[..., jax.Array],
    chunk: int,
    add: Callable[[_Sum, jax.Array], _Sum],
    *sides: jax.Array,
    axes: Sequence[int] | None = None,
) -> jax.Array:
    """of_chunk of stretches of an axis of each side, the last by default, added up; one may be shorter."""
    axes = [-1] * len(sides) if axes is None else axes
    o = sides[0].shape[axes[0]]
    if o <= chunk:
        return of_chunk(*sides)

    def of(start: jax.Array | int, size: int) -> jax.Array:
        along = zip(sides, axes, strict=True)
        return of_chunk(*(jax.lax.dynamic_slice_in_dim(side, start, size, axis) for side, axis in along))

    # What is left over comes first: it says what the sum looks like.
    first = of(o - o % chunk, o % chunk) if o % chunk else of(0, chunk)
    done = 0 if o % chunk else 1
    state = (first, jnp.zeros_like(first))
    return jax.lax.fori_loop(done, o // chunk, lambda i, state: add(state, of(i * chunk, chunk)), state)[0]
