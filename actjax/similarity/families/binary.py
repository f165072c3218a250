"""Sets of active observations, and the metrics made of the 2 x 2 table of two such sets.

The counts of all pairs are one matrix product of indicator vectors; the margins are prepared scalars.
Counts are whole numbers (int32 in one call, two words in a stream), and only the table's four cells become
float32: a difference of large counts would lose what is left of them.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from actjax.similarity.arithmetic import long_counts
from actjax.similarity.arithmetic.inner import EXACT, count_both, indicator_type
from actjax.similarity.host.order import top_active
from actjax.types import Accumulator, Context, Metric

# Observations of a batch whose table is counted at a time, whole in float32.
_AT_A_TIME = 1 << 22


class Active(NamedTuple):
    """A set of observations.

    Attributes:
      hot_o: [o] of `indicator_type`, 1 where active.
      active, off: int32 scalars, how many observations are active, and how many are not.
      one: 1, or NaN if all or none are active, which leaves nothing to compare.
    """

    hot_o: jax.Array
    active: jax.Array
    off: jax.Array
    one: jax.Array


class Counts(NamedTuple):
    """The 2 x 2 tables of all pairs, both active, active by side, all."""

    both_nk: long_counts.Count
    active_n: long_counts.Count
    active_k: long_counts.Count
    count: long_counts.Count


class Sides(NamedTuple):
    """How the active observations of x and of y are chosen, under the options' names; see `active_set`."""

    alpha_x: float
    alpha_y: float
    threshold_x: float | None
    threshold_y: float | None


# (active on both sides, on x only, on y only, on neither), float32 -> score, elementwise.
Score = Callable[[jax.Array, jax.Array, jax.Array, jax.Array], jax.Array]


@functools.cache
def active_set(alpha: float, threshold: float | None) -> Callable[[jax.Array, jax.Array, Context], Active]:
    """The prepare function of a thresholded side; the same object for the same options.

    Args:
      alpha: share of the observations that are active, where `threshold` is None.
      threshold: active are the values that reach it, instead.
    """

    def prepare(values_o: jax.Array, mask_o: jax.Array, context: Context):
        if threshold is None:
            hot, active = top_active(values_o, mask_o, alpha)
        else:
            hot = reaches(values_o, mask_o, threshold)
            active = jnp.sum(hot, dtype=jnp.int32)
        off = jnp.sum(mask_o, dtype=jnp.int32) - active
        one = jnp.where((active > 0) & (off > 0), 1.0, jnp.nan).astype(jnp.float32)
        return Active(hot.astype(indicator_type()), active, off, one)

    return prepare


def reaches(values_o: jax.Array, mask_o: jax.Array, threshold: float) -> jax.Array:
    """[o] bool: the values that count and reach the threshold."""
    return mask_o & (values_o >= threshold)


def table_metric(
    name: str,
    score: Score,
    sides: Sides,
    *,
    views: tuple[str, ...] = ("clip", "frame"),
    range: tuple[float, float, float] = (0.0, 1.0, 0.0),
    reference: str = "Oikarinen, Yan and Weng 2025",
    symmetric: bool = False,
) -> Metric:
    """A metric that is `score` of the 2 x 2 table; `symmetric` says that swapping x and y keeps it."""
    alpha_x, alpha_y, threshold_x, threshold_y = sides
    check_sides(name, alpha_x=alpha_x, alpha_y=alpha_y)
    alike = (alpha_x, threshold_x) == (alpha_y, threshold_y)
    accumulator = None
    if threshold_x is not None and threshold_y is not None:
        accumulator = counts(score, threshold_x, threshold_y)
    return Metric(
        name=name,
        prepare_x=active_set(alpha_x, threshold_x),
        prepare_y=active_set(alpha_y, threshold_y),
        compare=lambda px, py: {"score": _of_pair(score, px, py)},
        views=views,
        range=range,
        reference=reference,
        invariant_to=("scale", "shift", "order") if threshold_x is None and threshold_y is None else (),
        symmetric=symmetric and alike,
        signed=False,
        min_observations=2,
        accumulator=accumulator,
        options=sides._asdict(),
    )


def check_sides(name: str, **alphas: float) -> None:
    """Raises ValueError unless every share lies between 0 and 1."""
    for option, alpha in alphas.items():
        if not 0 < alpha < 1:
            raise ValueError(f"{name} expected {option} between 0 and 1, got {alpha}")


def counts(score: Score, threshold_x: float, threshold_y: float) -> Accumulator:
    """Streams 2 x 2 tables, given thresholds.

    Args:
      score: of the finished tables.
      threshold_x, threshold_y: active are the values that reach them.
    """
    return Accumulator(
        f"counts({threshold_x}, {threshold_y})",
        _no_counts,
        functools.partial(_add_counts, threshold_x=threshold_x, threshold_y=threshold_y),
        lambda a, b: Counts(*map(long_counts.add, a, b)),
        functools.partial(_finish, score=score),
    )


def _of_pair(score: Score, px: Active, py: Active):
    both = count_both(px.hot_o, py.hot_o)
    only_x, only_y = px.active - both, py.active - both
    cells = (both, only_x, only_y, px.off - only_y)
    # NaN of either side must show even in scores that use one margin only.
    return score(*(cell.astype(jnp.float32) for cell in cells)) * px.one * py.one


def _no_counts(n: int, k: int) -> Counts:
    shapes = ((n, k), (n,), (k,), ())
    return Counts(*map(long_counts.zero, shapes))


def _add_counts(
    state: Counts,
    x_on: jax.Array,
    y_ok: jax.Array,
    mask_o: jax.Array,
    context: Context | None = None,
    *,
    threshold_x: float,
    threshold_y: float,
) -> Counts:
    hot_n, hot_k = mask_o[:, None] & (x_on >= threshold_x), mask_o[:, None] & (y_ok >= threshold_y)
    stretches = [slice(i, i + _AT_A_TIME) for i in range(0, len(mask_o), _AT_A_TIME)]
    both = sum(
        jnp.matmul(hot_n[p].astype(jnp.float32).T, hot_k[p].astype(jnp.float32), precision=EXACT).astype(
            jnp.int32
        )
        for p in stretches
    )
    batch = Counts(
        long_counts.of(both),
        long_counts.of_mask(hot_n, 0),
        long_counts.of_mask(hot_k, 0),
        long_counts.of_mask(mask_o),
    )
    return Counts(*map(long_counts.add, state, batch))


def _finish(state: Counts, *, score: Score) -> dict[str, Any]:
    shape = state.both_nk.low.shape
    x = long_counts.spread(jax.tree.map(lambda word: word[:, None], state.active_n), shape)
    y = long_counts.spread(jax.tree.map(lambda word: word[None, :], state.active_k), shape)
    count = long_counts.spread(state.count, shape)
    only_x, only_y, off = (
        long_counts.less(a, b) for a, b in ((x, state.both_nk), (y, state.both_nk), (count, x))
    )
    some = [long_counts.reaches(margin, 1) for margin in (x, y, off, long_counts.less(count, y))]
    cells = (state.both_nk, only_x, only_y, long_counts.less(off, only_y))
    scores = score(*map(long_counts.as_float, cells))
    defined = some[0] & some[1] & some[2] & some[3]
    return {"score": jnp.where(defined, scores, jnp.nan), "n_observations": state.count}
