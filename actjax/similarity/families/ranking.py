"""One side ranked, the other a set: area under the ROC curve, and average precision.

The area is an inner product of centred ranks with an indicator. Average precision is quadratic in the
indicator, so it is computed pair by pair, from the places of the set's members in the ranking.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from actjax.similarity.arithmetic.all_pairs import seen_at_once
from actjax.similarity.arithmetic.inner import inner, total
from actjax.similarity.families.binary import Active, active_set, check_sides
from actjax.similarity.host.dispatch import call_host, host_or_device
from actjax.similarity.host.ranks import centred_ranks, twice_ranks
from actjax.similarity.host.threads import in_blocks
from actjax.types import Context, Metric

# Gathered members of so many pairs at a time stay in the cache.
_BLOCK_ELEMENTS = 1 << 16
# The share of the observations, one in so many, up to which a set is small.
_SMALL_SET = 16
# Stands behind the members of smaller sets; a run of its own, which counts nothing.
_NOBODY = np.iinfo(np.int32).max


class Ranked(NamedTuple):
    """Centred mid-ranks.

    Attributes:
      vector_o: [o] float32, the rank minus the mean rank; 0 where the mask is False.
      one: 1, or NaN if the side is constant.
    """

    vector_o: jax.Array
    one: jax.Array


class Reached(NamedTuple):
    """How many observations a threshold at each value lets through.

    Attributes:
      reach_o: [o] int32, the number of valid values that are at least this one; 0 where the mask is False.
      one: 1, or NaN if the side is constant.
    """

    reach_o: jax.Array
    one: jax.Array


class Members(NamedTuple):
    """A set of observations: [o] bool, and its size, NaN if it holds all or none."""

    member_o: jax.Array
    size: jax.Array


def area_metric(name: str, side: str, alpha: float, threshold: float | None) -> Metric:
    """The area under the ROC curve of a set on `side`, "x" or "y", and the other side's ranks."""
    return _set_metric(
        name,
        side,
        (alpha, threshold),
        (active_set, ranked, area),
        views=("clip", "frame", "map"),
        reference="Hanley and McNeil 1982; Oikarinen, Yan and Weng 2025",
        range=(0.0, 1.0, 0.5),
    )


def precision_metric(name: str, side: str, alpha: float, threshold: float | None) -> Metric:
    """The average precision of the other side's values for a set on `side`, "x" or "y"."""
    return _set_metric(
        name,
        side,
        (alpha, threshold),
        (member_set, reached, average_precision),
        views=("clip", "frame"),
        reference="Zhu 2004; Oikarinen, Yan and Weng 2025",
        range=(0.0, 1.0, 0.0),
        dot=False,
        cost="steps",
    )


def _set_metric(
    name: str,
    side: str,
    chosen: tuple[float, float | None],
    ways: tuple[Callable[..., Any], Callable[..., Any], Callable[..., Any]],
    **declared: Any,
) -> Metric:
    """A metric of a set on one side; `ways` prepare the set and the other side, and compare other and set."""
    prepare_set, prepare_other, compare = ways
    names = f"alpha_{side}", f"threshold_{side}"
    check_sides(name, **{names[0]: chosen[0]})
    prepared = prepare_set(*chosen), prepare_other
    prepare_x, prepare_y = prepared if side == "x" else prepared[::-1]

    def of_pair(px: Any, py: Any) -> dict[str, jax.Array]:
        return {"score": compare(py, px) if side == "x" else compare(px, py)}

    return Metric(
        name=name,
        prepare_x=prepare_x,
        prepare_y=prepare_y,
        compare=of_pair,
        invariant_to=("scale", "shift", "order") if chosen[1] is None else (),
        symmetric=False,
        signed=False,
        min_observations=2,
        options=dict(zip(names, chosen, strict=True)),
        **declared,
    )


def ranked(values_o: jax.Array, mask_o: jax.Array, context: Context) -> Ranked:
    """Prepares the ranked side of an area under the curve."""
    vector = centred_ranks(twice_ranks(values_o, mask_o), mask_o)
    return Ranked(vector, _one_unless_constant(vector))


def area(side: Ranked, chosen: Active) -> jax.Array:
    """P(value on the set > value off it) + P(equal) / 2, from the ranks' sum over the set."""
    above = inner(side.vector_o, chosen.hot_o.astype(jnp.float32))
    # One division after the other: the product of the two counts leaves int32.
    share = above / chosen.active.astype(jnp.float32) / chosen.off.astype(jnp.float32)
    return jnp.clip(0.5 + share * side.one * chosen.one, 0.0, 1.0)


def reached(values_o: jax.Array, mask_o: jax.Array, context: Context) -> Reached:
    """Prepares the ranked side of an average precision."""
    # Tied values share a mid-rank, a whole number of halves; counting those tells how many tie.
    halves = twice_ranks(values_o, mask_o)
    ties = jnp.zeros((2 * values_o.shape[0] + 1,), jnp.int32).at[halves].add(1)[halves]
    smaller = (halves - ties - 1) // 2
    reach = jnp.where(mask_o, jnp.sum(mask_o).astype(jnp.int32) - smaller, 0)
    return Reached(reach, _one_unless_constant(jnp.where(mask_o, ties - jnp.sum(mask_o), 0)))


@functools.cache
def member_set(alpha: float, threshold: float | None) -> Callable[..., Members]:
    """The prepare function of average precision's set; the same object for the same options."""
    prepare_active = active_set(alpha, threshold)

    def prepare(values_o: jax.Array, mask_o: jax.Array, context: Context):
        chosen = prepare_active(values_o, mask_o, context)
        return Members(chosen.hot_o > 0, chosen.active.astype(jnp.float32) * chosen.one)

    return prepare


def average_precision(side: Reached, members: Members) -> jax.Array:
    """The mean, over the set's members, of the set's share among the values at least as large."""
    sums = host_or_device(
        _by_host, _by_cumulative_sums, side.reach_o, members.member_o, accelerator=_sums_at_once
    )
    return sums / members.size * side.one


def _one_unless_constant(vector: jax.Array) -> jax.Array:
    return jnp.where(jnp.any(vector != 0), 1.0, jnp.nan).astype(jnp.float32)


def _by_cumulative_sums(reach_o: jax.Array, member_o: jax.Array) -> jax.Array:
    """Sum of precisions: members are counted at their places, place 0 being that of the masked."""
    places = jnp.arange(reach_o.shape[0] + 1)
    new = jnp.zeros(places.shape, jnp.int32).at[reach_o].add(member_o.astype(jnp.int32))
    so_far = jnp.cumsum(new).astype(jnp.float32)
    return total(new.astype(jnp.float32) * (so_far / jnp.maximum(places, 1).astype(jnp.float32)))


def _by_members(reach_ro: jax.Array, member_so: jax.Array) -> jax.Array:
    """[r, s] `_by_cumulative_sums` of all pairs, from the sorted members of sets of at most a sixteenth."""
    o = reach_ro.shape[1]
    most = max(1, o // _SMALL_SET)
    place = jnp.arange(o, dtype=jnp.int32)
    at_sm = jnp.sort(jnp.where(member_so, place, o), 1)[:, :most]
    found_rsm = jnp.where(at_sm < o, reach_ro[:, jnp.minimum(at_sm, o - 1)], _NOBODY).astype(jnp.uint32)
    found_rsm = jax.lax.sort(found_rsm, is_stable=False)
    so_far = jnp.arange(1, most + 1, dtype=jnp.int32)
    last = jnp.concatenate(
        [found_rsm[..., 1:] != found_rsm[..., :-1], jnp.ones((*found_rsm.shape[:2], 1), bool)], 2
    )
    # All members of a run of equal values count as far as its end.
    reaching = jax.lax.cummin(jnp.where(last, so_far, most), axis=2, reverse=True)
    share = reaching.astype(jnp.float32) / found_rsm.astype(jnp.float32)
    return jnp.sum(jnp.where(found_rsm == _NOBODY, 0.0, share), 2)


def _of_matrices(reach_ro: jax.Array, member_so: jax.Array) -> jax.Array:
    def one_by_one(reach_ro: jax.Array, member_so: jax.Array) -> jax.Array:
        return jax.vmap(jax.vmap(_by_cumulative_sums, (None, 0)), (0, None))(reach_ro, member_so)

    small = jnp.max(jnp.sum(member_so, 1, dtype=jnp.int32)) <= reach_ro.shape[1] // _SMALL_SET
    return jax.lax.cond(small, _by_members, one_by_one, reach_ro, member_so)


# An accelerator sorts small sets' members, where it would scatter all observations of every pair.
_sums_at_once = seen_at_once(_by_cumulative_sums, _of_matrices)


def _by_host(reach_o: jax.Array, member_o: jax.Array) -> jax.Array:
    return call_host(host_precision_sums, jax.ShapeDtypeStruct((), jnp.float32), reach_o, member_o)


def host_precision_sums(reach: np.ndarray, member: np.ndarray) -> np.ndarray:
    """Sums of precisions over the last axis of reach [..., o] and member [..., o], broadcast.

    Sets of like size are gathered together, so that each pair costs a sort of its members only.
    """
    lead = np.broadcast_shapes(reach.shape[:-1], member.shape[:-1])
    o = reach.shape[-1]
    places, sizes = _places(member.reshape(-1, o))
    of_side = np.broadcast_to(np.arange(reach.size // o).reshape(reach.shape[:-1]), lead).ravel()
    of_set = np.broadcast_to(np.arange(member.size // o).reshape(member.shape[:-1]), lead).ravel()
    flat = reach.reshape(-1)
    order = np.argsort(sizes[of_set], kind="stable")
    out = np.zeros(order.size, np.float32)

    def work(block: slice) -> None:
        pairs = order[block]
        size = sizes[of_set[pairs]]
        if size[-1]:
            at = places[of_set[pairs], : size[-1]]
            reached = flat[at + (of_side[pairs] * o)[:, None]]
            if size[0] < size[-1]:
                reached[np.arange(size[-1]) >= size[:, None]] = _NOBODY
            out[pairs] = _precision_sums(reached)

    in_blocks(work, order.size, of=int(sizes.max(initial=1)), most=_BLOCK_ELEMENTS)
    return out.reshape(lead)


def _places(member: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """[sets, largest] the members' places, 0 behind the last one, and [sets] the sizes."""
    sizes = np.count_nonzero(member, axis=1)
    places = np.zeros((len(member), int(sizes.max(initial=0))), np.intp)
    for row, size in enumerate(sizes):
        places[row, :size] = np.flatnonzero(member[row])
    return places, sizes


def _precision_sums(reach: np.ndarray) -> np.ndarray:
    """[pairs] sums over each row of [pairs, members] of (members so far) / reach, ties taken together."""
    reach.sort(axis=1)
    so_far = np.arange(1, reach.shape[1] + 1)
    same = reach[:, 1:] == reach[:, :-1]
    if not same.any():
        return np.sum(so_far / reach, axis=1)
    # Only the last of each run of equal values stands for a threshold, and for all members of the run.
    last = np.ones(reach.shape, bool)
    np.logical_not(same, out=last[:, :-1])
    runs = np.count_nonzero(last, axis=1)
    starts = np.cumsum(runs) - runs
    so_far = np.broadcast_to(so_far, reach.shape)[last]
    before = np.concatenate([[0], so_far[:-1]])
    before[starts] = 0
    reach = reach[last]
    share = (so_far - before) * (so_far / reach)
    share[reach == _NOBODY] = 0
    return np.add.reduceat(share, starts)
