"""Finds values at places of sorted rows without sorting: a kernel of a GPU that holds a row in registers.

The bits of the value are decided one after the other, from the sign's down, by counting what is smaller,
until one value alone is left: at most 32 passes over a row that is read once. Another kernel marks the values
that reach it after that, from another read: kept in registers until then they would be too many.
"""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from actjax.kernels.trial import computed

# The longest row that registers hold, and how many of its values a thread takes.
MOST = 1 << 16
# The most marks: Pallas tells places below 2^32 bytes by 32 bits, which Triton takes with a sign.
MOST_MARKS = 1 << 31
_A_THREAD, _WARP = 64, 32
_ALL_BUT_SIGN, _SIGN = 0x7FFFFFFF, -(2**31)
# Values that are marked at a time.
_AT_ONCE = 2048
# The key of what does not count, beyond that of any number.
_ABSENT = _ALL_BUT_SIGN


class Marked(NamedTuple):
    """The largest values of rows.

    Attributes:
      marks_no: int8, 1 for the values that reach the one at the row's place.
      count_n: int32, how many do.
    """

    marks_no: jax.Array
    count_n: jax.Array


def kth_values(values_no: jax.Array, places_n: jax.Array) -> jax.Array:
    """[n] the value at each row's place, 0 for the smallest; float32 without NaN, rows of at most `MOST`."""
    out = jax.ShapeDtypeStruct((len(values_no),), jnp.float32)
    return _launched(_write_value, out, values_no, places_n)


def marked(values_no: jax.Array, counts_o: jax.Array, places_n: jax.Array) -> Marked:
    """Marks the values at each row's place and above; those above the smallest where that one stands there.

    Args:
      values_no: float32, not NaN where they count; rows of at most `MOST`, and `MOST_MARKS` in all.
      counts_o: [o] bool, the values that count.
      places_n: int32, 0 for the smallest value that counts.
    """
    n, o = values_no.shape
    out = [jax.ShapeDtypeStruct((n, o), jnp.int8), jax.ShapeDtypeStruct((n,), jnp.int32)]
    return Marked(*_launched(_write_marks, out, values_no, places_n, counts_o.astype(jnp.int32)))


@functools.cache
def holds() -> bool:
    """Whether the kernels compile on this process's device, and find the values; raises what stops them."""
    rows = np.random.default_rng(0).standard_normal((3, 1100)).astype(np.float32)
    places = np.array([0, 700, 1099], np.int32)
    expected = np.sort(rows, 1)[np.arange(3), places]
    values = np.asarray(computed(kth_values, rows, places))
    marks = np.asarray(computed(marked, rows, np.ones(1100, bool), places).marks_no)
    # The smallest value is none of the largest.
    reached = (rows >= expected[:, None]) & (rows > rows.min(1, keepdims=True))
    return bool((values == expected).all() and (marks == reached).all())


def _launched(write: Any, out: Any, values_no: jax.Array, places_n: jax.Array, *more: jax.Array) -> Any:
    """One program for each row, which hands what `write` takes to it."""
    # A JAX without Pallas has no kernels, and nothing else needs it.
    from jax.experimental import pallas as pl
    from jax.experimental.pallas import triton as gpu

    n, o = values_no.shape
    sizes = _sizes(o)
    warps = min(32, max(1, max(sizes) // (_A_THREAD * _WARP)))
    return pl.pallas_call(
        functools.partial(_of_row, write=write, o=o, sizes=sizes),
        out_shape=out,
        grid=(n,),
        compiler_params=gpu.CompilerParams(num_warps=warps, num_stages=1),
    )(values_no, places_n.astype(jnp.int32), *more)


def _sizes(o: int) -> tuple[int, ...]:
    """Powers of two, as blocks have, that hold a row: one, or two where that leaves less of them empty."""
    whole = 1 << max(o - 1, 1).bit_length()
    left = o - whole // 2
    behind = 1 << max(left - 1, 1).bit_length()
    return (whole,) if whole <= _WARP or 2 * behind >= whole else (whole // 2, behind)


class _Stretch(NamedTuple):
    """Some of a row: its places, which of them exist, and int32 that sort as the values do."""

    at: Any
    exists: jax.Array
    keys: jax.Array


def _of_row(values_ref: Any, places_ref: Any, *refs: Any, write: Any, o: int, sizes: tuple[int, ...]) -> None:
    from jax.experimental import pallas as pl
    from jax.experimental.pallas import triton as gpu

    row = pl.program_id(0)
    # Of the kernel that marks there are values that do not count.
    counts_ref = refs[0] if len(refs) > 1 else None
    stretches = []
    for i, size in enumerate(sizes):
        # A start that is known would be asked to end within the row.
        at = pl.ds(sum(sizes[:i]) + (0 * row if i else 0), size)
        exists = sum(sizes[:i]) + jnp.arange(size) < o
        values = gpu.load(values_ref.at[row, at], mask=exists, other=jnp.inf)
        inside = exists if counts_ref is None else exists & (gpu.load(counts_ref.at[at], mask=exists) != 0)
        stretches.append(_Stretch(at, exists, jnp.where(inside, _keys(values), _ABSENT)))
    write((values_ref, *refs), row, stretches, _key_at(stretches, gpu.load(places_ref.at[row])))


def _keys(values: jax.Array) -> jax.Array:
    """int32 that sort as the floats do; -0 and 0 alike."""
    bits = jax.lax.bitcast_convert_type(jnp.where(values == 0, 0.0, values), jnp.int32)
    return jnp.where(bits < 0, bits ^ _ALL_BUT_SIGN, bits)


def _key_at(stretches: list[_Stretch], place: jax.Array) -> jax.Array:
    """The key at a place of the sorted row."""

    def goes_on(state: tuple[jax.Array, ...]) -> jax.Array:
        i, _, before, until = state
        return (i < 32) & (until - before > 1)

    def decide(state: tuple[jax.Array, ...]) -> tuple[jax.Array, ...]:
        i, low, before, until = state
        # A sum that leaves int32 at the sign, from its least value to 0.
        middle = low + jnp.where(i == 0, jnp.int32(_SIGN), jnp.int32(1) << (31 - i))
        below = sum(jnp.sum((each.keys < middle).astype(jnp.int32)) for each in stretches)
        above = below <= place
        bounds = jnp.where(above, below, before), jnp.where(above, until, below)
        return i + 1, jnp.where(above, middle, low), *bounds

    every = sum(len(each.keys) for each in stretches)
    start = (jnp.int32(0), jnp.int32(_SIGN), jnp.int32(0), jnp.int32(every))
    low = jax.lax.while_loop(goes_on, decide, start)[1]
    # The place's key is the first that is left: nothing else lies below it, or all that are left are equal.
    left = [jnp.min(jnp.where(each.keys >= low, each.keys, _ABSENT)) for each in stretches]
    return functools.reduce(jnp.minimum, left)


def _write_value(refs: tuple[Any, ...], row: jax.Array, stretches: list[_Stretch], key: jax.Array) -> None:
    from jax.experimental.pallas import triton as gpu

    bits = jnp.where(key < 0, key ^ _ALL_BUT_SIGN, key)
    gpu.store(refs[-1].at[row], jax.lax.bitcast_convert_type(bits, jnp.float32))


def _write_marks(refs: tuple[Any, ...], row: jax.Array, stretches: list[_Stretch], key: jax.Array) -> None:
    from jax.experimental import pallas as pl
    from jax.experimental.pallas import triton as gpu

    values_ref, counts_ref, marks_ref, count_ref = refs
    o = counts_ref.shape[0]
    lowest = functools.reduce(jnp.minimum, [jnp.min(each.keys) for each in stretches])
    least = jnp.where(key > lowest, key, lowest + 1)

    def mark(i: jax.Array, count: jax.Array) -> jax.Array:
        at = pl.ds(i * _AT_ONCE, _AT_ONCE)
        exists = i * _AT_ONCE + jnp.arange(_AT_ONCE) < o
        values = gpu.load(values_ref.at[row, at], mask=exists, other=0.0)
        counts = gpu.load(counts_ref.at[at], mask=exists, other=0) != 0
        reached = (counts & (_keys(values) >= least)).astype(jnp.int32)
        gpu.store(marks_ref.at[row, at], reached.astype(jnp.int8), mask=exists)
        return count + jnp.sum(reached)

    gpu.store(count_ref.at[row], jax.lax.fori_loop(0, -(-o // _AT_ONCE), mark, jnp.int32(0)))
