"""Sums over all pairs of observations, without a matrix of them: a loop of inner products.

A metric whose kernel lives on pairs (i, j) of observations is the inner product of two vectors with an
entry for each pair. Those vectors are never made whole: one step takes the o pairs (i, i + s mod o) of
one cyclic shift s, so that memory stays that of the observations, and shifts up to o / 2 meet every
unordered pair once. Under the doubly vmapped kernel each step is one matrix product. An accelerator takes
more shifts a step, and sums of one side alone over all pairs at once, for it starts a program slowly.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from actjax import precision
from actjax.kernels import platform
from actjax.similarity.arithmetic.inner import add_compensated, inner, over_observations
from actjax.similarity.host.threads import at_least_one

# Time grows with the square of the observations: at twice as many a pair takes minutes.
MOST_OBSERVATIONS = 1 << 17
# Short vectors take several shifts a step, up to this many pairs, to keep the matrix products busy.
PAIRS_A_STEP = 512
ACCELERATORS_PAIRS_A_STEP = 1 << 14
# Pairs of a long vector that a CPU adds up in one sum: sums of 256 take a third more time.
_STRETCH = 1 << 10
# Shifts that it adds up in one sum: terms that are all alike round to the same side.
_SHIFTS = 64


def sum_over_pairs(
    of_x: Callable[[Any, Any], jax.Array],
    of_y: Callable[[Any, Any], jax.Array],
    x: Any,
    y: Any,
    *,
    tiny_integers: bool = False,
) -> jax.Array:
    """sum over unordered pairs {i, j} of of_x(x_i, x_j) of_y(y_i, y_j), compensated for rounding.

    Args:
      of_x, of_y: symmetric up to a common sign, and zero for i = j; elementwise on [p] pairs.
      x, y: pytrees of [o] arrays.
      tiny_integers: of_x and of_y take values in -1, 0, 1 only, which bfloat16 holds exactly: products
        then run in it, summed in float32, where that is faster (not on a CPU).
    """
    o = jax.tree.leaves(x)[0].shape[0]
    dot = _dot_of_signs if tiny_integers else _dot
    doubled_x, doubled_y = _doubled(x), _doubled(y)

    most = PAIRS_A_STEP if _on_cpu() else ACCELERATORS_PAIRS_A_STEP
    a_step = max(1, min(o // 2, at_least_one(most, o)))

    def add(step: jax.Array, carry: tuple[jax.Array, jax.Array]):
        shift = 1 + step * a_step
        weight_a = _weights(shift + jnp.arange(a_step), o)
        left = weight_a[:, None] * of_x(_rows(x), _shifted(doubled_x, shift, a_step, o))
        right = of_y(_rows(y), _shifted(doubled_y, shift, a_step, o))
        return add_compensated(*carry, dot(left.ravel(), right.ravel()))

    zero = jnp.zeros((), jnp.float32)
    total, lost = jax.lax.fori_loop(0, -(-(o // 2) // a_step), add, (zero, zero))
    return total - lost


def squares_over_pairs(of_pair: Callable[[Any, Any], jax.Array], x: Any) -> jax.Array:
    """`sum_over_pairs` of a side with itself, without its vectors of pairs: one pass, ten times as fast."""
    values = jax.tree.leaves(x)[0]
    doubled, o = _doubled(x), values.shape[0]
    if not _on_cpu():
        different = ~jnp.eye(o, dtype=bool)
        return jnp.sum(jnp.sum(jnp.where(different, of_pair(_columns(x), _rows(x)), 0.0) ** 2, 1)) / 2

    def squares(shift: jax.Array) -> jax.Array:
        return _weights(shift, o) * of_pair(_rows(x), _shifted(doubled, shift, 1, o))[0] ** 2

    return jnp.sum(_over_shifts(squares, o // 2 + 1, values))


def row_sums(of_pair: Callable[[Any, Any], jax.Array], x: Any) -> jax.Array:
    """[o] the sums over j of of_pair(x_i, x_j), which is zero for i = j."""
    values = jax.tree.leaves(x)[0]
    doubled, o = _doubled(x), values.shape[0]
    if not _on_cpu():
        return jnp.sum(of_pair(_columns(x), _rows(x)), 1)

    return _over_shifts(lambda shift: of_pair(_rows(x), _shifted(doubled, shift, 1, o))[0], o, values)


def _over_shifts(of_shift: Callable[[jax.Array], jax.Array], end: int, like: jax.Array) -> jax.Array:
    """The sum of of_shift over shifts 1 to end - 1: short sums, added up with what each lost."""

    def add(i: jax.Array, sums: tuple[jax.Array, jax.Array]):
        start = 1 + i * _SHIFTS
        stop = jnp.minimum(start + _SHIFTS, end)
        short = jax.lax.fori_loop(start, stop, lambda s, total: total + of_shift(s), jnp.zeros_like(like))
        return add_compensated(*sums, short)

    nothing = jnp.zeros_like(like)
    return jax.lax.fori_loop(0, -(-(end - 1) // _SHIFTS), add, (nothing, nothing))[0]


def phi_of_table(both: Any, x: Any, y: Any, count: int) -> np.ndarray:
    """Pearson's r of two sides of 0 and 1 from how many observations are 1 on both, on x and on y, of count.

    On such sides Kendall's tau-b is phi; and their doubly centred distances are -2 (x_i - mean) (x_j - mean),
    so that distance correlation is |phi|.
    """
    both, x, y = (np.asarray(number, float) for number in (both, x, y))
    with np.errstate(invalid="ignore", divide="ignore"):
        return (count * both - x * y) / np.sqrt(x * (count - x) * y * (count - y))


def _weights(shift_a: Any, o: int) -> jax.Array:
    """1 for a shift that counts, 1/2 for half of an even o, which meets its pairs twice, 0 beyond it."""
    return jnp.where(2 * shift_a < o, 1.0, jnp.where(2 * shift_a == o, 0.5, 0.0)).astype(jnp.float32)


def _rows(tree: Any) -> Any:
    return jax.tree.map(lambda leaf: leaf[None, :], tree)


def _columns(tree: Any) -> Any:
    return jax.tree.map(lambda leaf: leaf[:, None], tree)


def _on_cpu() -> bool:
    return jax.default_backend() == "cpu"


def _doubled(tree: Any):
    return jax.tree.map(lambda leaf: jnp.concatenate([leaf, leaf]), tree)


def _shifted(doubled: Any, shift: jax.Array | int, count: int, o: int) -> Any:
    """[count, o] the observations moved by `shift` places and more, one place a row."""

    def rows(leaf: jax.Array):
        # Rows of a repeated window, one longer than it, start one place later each.
        window = jax.lax.dynamic_slice_in_dim(leaf, shift, o + count - 1)
        repeated = jnp.broadcast_to(window[None, :], (count + 1, window.shape[0])).ravel()
        return repeated[: count * (window.shape[0] + 1)].reshape(count, -1)[:, :o]

    return jax.tree.map(rows, doubled)


def _dot(a: jax.Array, b: jax.Array) -> jax.Array:
    if precision.current_way() == "fast":
        return inner(a, b)
    return over_observations(_vdot, (a, 0), (b, 0), on_cpu=_STRETCH)


def _vdot(a: jax.Array, b: jax.Array) -> jax.Array:
    return jnp.vdot(a, b, precision=precision.of_products())


def _dot_of_signs(a: jax.Array, b: jax.Array) -> jax.Array:
    def in_bfloat16(a: jax.Array, b: jax.Array):
        small_a, small_b = a.astype(jnp.bfloat16), b.astype(jnp.bfloat16)
        return jnp.vdot(small_a, small_b, preferred_element_type=jnp.float32)

    return platform.dependent(a, b, cpu=_vdot, default=in_bfloat16)
