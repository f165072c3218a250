"""Sets of active observations, and the metrics made of the 2 x 2 table of two such sets.

The counts of all pairs are one matrix product of indicator vectors; the margins are prepared scalars.
Counts are exact up to 2^24 = 16.7 million observations in one call; beyond, float32 rounds them (in the
eighth digit), while streamed counts are int32, exact to 2.1 billion.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from actjax.similarity._thresholds import top_active
from actjax.types import Accumulator, Context, Metric

# 0 and 1 are exact in TF32 and bfloat16 and sums are kept in float32, so the fastest product is exact.
EXACT = jax.lax.Precision.DEFAULT


class Active(NamedTuple):
    """A set of observations.

    Attributes:
      hot_o: [o] float32, 1 where active.
      active: scalar, how many are; NaN if all or none are, which leaves nothing to compare.
      count: scalar, how many observations there are.
    """

    hot_o: Any
    active: Any
    count: Any


class Counts(NamedTuple):
    """The 2 x 2 tables of all pairs, int32: both active, active by side, all observations."""

    both_nk: Any
    active_n: Any
    active_k: Any
    count: Any


# (both active, x active, y active, count) -> score, elementwise.
Score = Callable[[Any, Any, Any, Any], Any]


@functools.cache
def active_set(alpha: float, threshold: float | None) -> Callable[[Any, Any, Context], Active]:
    """The prepare function of a thresholded side; the same object for the same options.

    Args:
      alpha: share of the observations that are active, where `threshold` is None.
      threshold: active are the values that reach it, instead.
    """

    def prepare(values_o, mask_o, context):
        hot = is_active(values_o, mask_o, alpha, threshold)
        active, count = jnp.sum(hot), jnp.sum(mask_o)
        active = jnp.where((active > 0) & (active < count), active.astype(jnp.float32), jnp.nan)
        return Active(hot.astype(jnp.float32), active, count.astype(jnp.float32))

    return prepare


def is_active(values_o, mask_o, alpha: float, threshold: float | None) -> jax.Array:
    """[o] bool: the values that reach the threshold, or the top share of alpha if it is None."""
    if threshold is None:
        return top_active(values_o, mask_o, alpha)
    return mask_o & (values_o >= threshold)


def table_metric(
    name: str,
    score: Score,
    *,
    views: tuple[str, ...],
    range: tuple[float, float, float],
    reference: str,
    symmetric: bool,
    alpha_x: float,
    alpha_y: float,
    threshold_x: float | None,
    threshold_y: float | None,
) -> Metric:
    """A metric that is `score` of the 2 x 2 table; `symmetric` says that swapping x and y keeps it."""
    check_sides(name, alpha_x=alpha_x, alpha_y=alpha_y)
    alike = (alpha_x, threshold_x) == (alpha_y, threshold_y)
    given = threshold_x is not None and threshold_y is not None
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
        accumulator=counts(score, threshold_x, threshold_y) if given else None,
        options={
            "alpha_x": alpha_x, "alpha_y": alpha_y, "threshold_x": threshold_x, "threshold_y": threshold_y,
        },
    )  # fmt: skip


def check_sides(name: str, **alphas: float) -> None:
    """Raises ValueError unless every share lies between 0 and 1."""
    for option, alpha in alphas.items():
        if not 0 < alpha < 1:
            raise ValueError(f"{name} expected {option} between 0 and 1, got {alpha}")


def counts(score: Score, threshold_n: Any, threshold_k: Any) -> Accumulator:
    """Streams 2 x 2 tables, given thresholds.

    Args:
      score: of the finished tables.
      threshold_n, threshold_k: scalars, or [n] and [k] thresholds such as `thresholds` finds in a
        first pass.
    """
    scalar = jnp.ndim(threshold_n) == 0 and jnp.ndim(threshold_k) == 0
    # Thresholds by column are known to this object alone: its state is shared with no other's.
    which = f"{threshold_n}, {threshold_k}" if scalar else f"by column {id(threshold_n)}, {id(threshold_k)}"
    return Accumulator(
        f"counts({which})",
        _no_counts,
        functools.partial(_add_counts, threshold_n=threshold_n, threshold_k=threshold_k),
        lambda a, b: jax.tree.map(jnp.add, a, b),
        functools.partial(_finish, score=score),
    )


def _of_pair(score: Score, px: Active, py: Active):
    both = jnp.vdot(px.hot_o, py.hot_o, precision=EXACT)
    # NaN of either side must show even in scores that use one margin only.
    return jnp.where(jnp.isnan(px.active + py.active), jnp.nan, score(both, px.active, py.active, px.count))


def _no_counts(n: int, k: int) -> Counts:
    shapes = ((n, k), (n,), (k,), ())
    return Counts(*(jnp.zeros(shape, jnp.int32) for shape in shapes))


def _add_counts(state: Counts, x_on, y_ok, mask_o, context=None, *, threshold_n, threshold_k) -> Counts:
    hot_n, hot_k = _reaches(x_on, mask_o, threshold_n), _reaches(y_ok, mask_o, threshold_k)
    both = jnp.matmul(hot_n.astype(jnp.float32).T, hot_k.astype(jnp.float32), precision=EXACT)
    return Counts(
        state.both_nk + both.astype(jnp.int32),
        state.active_n + jnp.sum(hot_n, 0, dtype=jnp.int32),
        state.active_k + jnp.sum(hot_k, 0, dtype=jnp.int32),
        state.count + jnp.sum(mask_o, dtype=jnp.int32),
    )


def _reaches(values, mask_o, threshold) -> jax.Array:
    threshold = jnp.broadcast_to(jnp.asarray(threshold, values.dtype), values.shape[1:])
    return mask_o[:, None] & (values >= threshold[None, :])


def _finish(state: Counts, *, score: Score) -> dict[str, jax.Array]:
    x, y = state.active_n[:, None], state.active_k[None, :]
    defined = (x > 0) & (x < state.count) & (y > 0) & (y < state.count)
    both, x, y, count = (part.astype(jnp.float32) for part in (state.both_nk, x, y, state.count))
    return {"score": jnp.where(defined, score(both, x, y, count), jnp.nan), "n_observations": count}
