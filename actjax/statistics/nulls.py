"""Nulls of correlations of pooled observations, as matrix products over all rearrangements.

    draws = permutations.within_class(recording_ids, class_ids, replicates=1000, seed=0)
    null = nulls.moment_null(x_bon, y_bok, mask_bo, draws)       # pearson, within clips
    [corrected] = families.correct([null])                       # max-T p and q of the family

Replicate scores exist for one tile of neurons at a time. `rescored` has the nulls of other metrics and
`metric_nulls` chooses between them.
"""

import functools
from collections.abc import Iterator
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from actjax import parallel
from actjax.similarity import sizes
from actjax.statistics import families, moments
from actjax.statistics.permutations import Draws, Shifts
from actjax.statistics.permuted_products import permuted_products
from actjax.statistics.requirements import StatisticsError

# Clips are filled up to multiples of so many observations.
_OBSERVATIONS = 16
# What adding a product costs on a CPU, in multiplications of a matrix product.
_ADDITION = 4
# On the host, or in a program.
Array = np.ndarray | jax.Array


def moment_null(
    x_bon: np.ndarray,
    y_bok: np.ndarray,
    mask_bo: np.ndarray,
    draws: Draws | Shifts,
    *,
    centre: str = "clip",
    signed: bool = True,
    frames: int | None = None,
    way: str = "auto",
    memory_gib: float = 1.0,
) -> families.Null:
    """Null of a correlation: r = sum (x - mean)(y' - mean) / norms over rearranged features y'.

    Args:
      x_bon: [b, o, n] neurons (host array; tiles of neurons go to the device one after another).
      y_bok: [b, o, k] feature rows.
      mask_bo: [b, o] bool; where masks differ, clips are compared where both are valid.
      draws: from `permutations`.
      centre: "clip" (pooled within clips), "all" (clip view, or total), "none" (cosine).
      signed: both directions count as evidence.
      frames: for shifts of a map, its frames t; observations are bands x frames. o if None.
      way: "direct", "pairs" or "auto", the cheaper; both give the same numbers.
      memory_gib: bound on the replicate scores and gathered features held at a time.

    Returns:
      `families.Null` of all n neurons.
    """
    mask = np.asarray(mask_bo, bool)
    _check_sides(x_bon, y_bok, mask, draws)
    if way == "auto":
        way = cheaper_way(x_bon.shape, draws)
    if way == "pairs" and isinstance(draws, Shifts):
        raise StatisticsError("circular shifts are computed the direct way: leave way='auto'")
    budget, (n, k) = memory_gib * 2**30 / 4, (x_bon.shape[2], y_bok.shape[2])
    # Scores, statistics and bins of a tile are held together, hence the factor.
    tile = int(np.clip(budget / (6 * (draws.replicates + 1) * k), 1, n))
    y, valid = _roomy(y_bok, mask, draws)
    at_once = _at_once(way, draws, tile, y.shape, budget / 4)
    how = _how_of(mask, draws, frames, centre=centre, signed=signed, at_once=at_once)
    moves = _moves(way, draws, at_once)
    return families.join_tiles(
        [
            _null_of_neurons(x_bon[:, :, first : first + tile], y, valid, k, moves, how)
            for first in range(0, n, tile)
        ]
    )


def _how_of(
    mask: np.ndarray, draws: Draws | Shifts, frames: int | None, *, centre: str, signed: bool, at_once: int
) -> "_How":
    joint = _masks_differ(mask, draws, frames)
    shifted = frames if isinstance(draws, Shifts) else None
    return _How(centre, joint, shifted, signed, at_once, draws.replicates, parallel.on_cpu() and not joint)


def _null_of_neurons(
    x_bon: np.ndarray, y: np.ndarray, valid: np.ndarray, k: int, moves: "_Pairs | _Chunks", how: "_How"
) -> families.Null:
    """The null of some neurons with the first k rows of y."""
    n = x_bon.shape[2]
    x = sizes.widened(x_bon, (None, valid.shape[1], sizes.roomy(n)))
    arrays, bins_rnk = _null_of_tile(x, y, valid, moves, how=how)
    return families.reduced(arrays, bins_rnk, n, k)


def _roomy(y_bok: np.ndarray, mask_bo: np.ndarray, draws: Draws | Shifts) -> tuple[np.ndarray, np.ndarray]:
    """Rows and mask of few different sizes, so that few programs are compiled; clips keep what is rotated."""
    y, mask = sizes.widened(y_bok, (None, None, sizes.roomy(y_bok.shape[2]))), mask_bo
    if isinstance(draws, Draws) and mask.shape[1] > 1:
        wide = -(-mask.shape[1] // _OBSERVATIONS) * _OBSERVATIONS
        y, mask = sizes.widened(y, (None, wide)), sizes.widened(mask, (None, wide))
    return y, mask


def cheaper_way(shape_bon: tuple[int, ...], draws: Draws | Shifts) -> str:
    """'pairs' or 'direct', by multiplications for each pair of neuron and row and each clip."""
    observations = shape_bon[1]
    if isinstance(draws, Shifts):
        return "direct"
    partners, rearranged = draws.partner_bj.shape[1], draws.replicates + 1
    summed = rearranged * (_ADDITION if parallel.on_cpu() else partners)
    return "pairs" if partners * observations + summed < rearranged * observations else "direct"


def chunks(rows: np.ndarray, size: int) -> Iterator[np.ndarray]:
    """Equal chunks of rows, the last one filled up with its own last row, for one compilation."""
    size = min(size, len(rows))
    for first in range(0, len(rows), size):
        yield rows[np.minimum(np.arange(first, first + size), len(rows) - 1)]


class _How(NamedTuple):
    """How correlations are taken.

    Attributes:
      centre, joint: as in `moments.direct`.
      frames: of a shifted map.
      signed: as in `moment_null`.
      at_once: rearrangements, or clips of the way by pairs, at a time.
      replicates: how many rearrangements there are, without the observed one.
      adds: whether pairs of clips are added, and not multiplied by weights.
    """

    centre: str
    joint: bool
    frames: int | None
    signed: bool
    at_once: int
    replicates: int
    adds: bool


class _Pairs(NamedTuple):
    """Whom clips can meet and do, as `Draws` has them."""

    partner_bj: Array
    slot_rb: Array


class _Chunks(NamedTuple):
    """Where clips go, the observed pairing first.

    Attributes:
      source_crb: [c, r, b] the clips that are met, in chunks of rearrangements.
      shift_crb, length_b: of clips that are rotated, else None.
    """

    source_crb: Array
    shift_crb: Array | None = None
    length_b: Array | None = None


_Moves = _Pairs | _Chunks


def _at_once(way: str, draws: Draws | Shifts, tile: int, shape_bok: tuple[int, ...], budget: float) -> int:
    """Rearrangements, or clips, that stay within `budget` numbers."""
    clips, observations, k = shape_bok
    if way == "pairs" and isinstance(draws, Draws):
        held = draws.partner_bj.shape[1] * (tile * k + observations * k)
        return int(np.clip(budget / held, 1, clips))
    return int(np.clip(budget / (clips * observations * (k + 1)), 1, max(1024 // k, 1)))


def _moves(way: str, draws: Draws | Shifts, at_once: int) -> _Moves:
    if isinstance(draws, Draws) and way == "pairs":
        return _Pairs(draws.partner_bj, draws.slots_rb)
    moved_rb = draws.source_rb if isinstance(draws, Draws) else draws.shift_rb
    places = np.arange(moved_rb.shape[1], dtype=np.int32)
    if isinstance(draws, Draws):
        return _Chunks(_chunked(np.concatenate([places[None], moved_rb]), at_once))
    shift_crb = _chunked(np.concatenate([np.zeros_like(places)[None], moved_rb]), at_once)
    return _Chunks(np.broadcast_to(places, shift_crb.shape), shift_crb, draws.length_b)


def _chunked(rows: np.ndarray, size: int) -> np.ndarray:
    return np.stack(list(chunks(rows, size)))


@functools.partial(jax.jit, static_argnames=("how",))
def _null_of_tile(
    x: Array, y: Array, mask: Array, moves: _Moves, *, how: _How
) -> tuple[dict[str, jax.Array], jax.Array]:
    """What `families.reduce_replicates` makes of the correlations under all rearrangements."""
    mask_bo = jnp.asarray(mask)
    x_bon = moments.centred(jnp.asarray(x), mask_bo, centre=how.centre)
    y_bok = moments.centred(jnp.asarray(y), mask_bo, centre=how.centre)
    if isinstance(moves, _Pairs):
        scores = _by_pairs(x_bon, y_bok, mask_bo, moves, how)
    else:
        scores = _direct(x_bon, y_bok, mask_bo, moves, how)
    return families.reduced_arrays(scores, signed=how.signed)


def _direct(x: jax.Array, y: jax.Array, mask: jax.Array, moves: _Chunks, how: _How) -> jax.Array:
    """[1 + r, n, k] correlations, from the features of all rearrangements as further columns."""

    def of_chunk(chunk: tuple[jax.Array, jax.Array | None]) -> jax.Array:
        source_rb, shift_rb = chunk
        index = None
        if shift_rb is not None and moves.length_b is not None:
            index = moments.rotated(shift_rb, moves.length_b, mask.shape[1], how.frames)
        sums = moments.direct(x, mask, y, mask, source_rb, index, centre=how.centre, joint=how.joint)
        return moments.correlation(sums)

    scores = jax.lax.map(of_chunk, (moves.source_crb, moves.shift_crb))
    return scores.reshape(-1, *scores.shape[2:])[: how.replicates + 1]


def _by_pairs(x: jax.Array, y: jax.Array, mask: jax.Array, moves: _Pairs, how: _How) -> jax.Array:
    """[1 + r, n, k] correlations, from the products of each clip with each that it can meet."""
    if how.adds:
        partner_bj, slot_rb = jnp.asarray(moves.partner_bj), jnp.asarray(moves.slot_rb)
        source_rb = jnp.take_along_axis(partner_bj, slot_rb.T, axis=1).T
        xy = permuted_products(x, y, partner_bj, slot_rb)
        return moments.correlation(moments.where_masks_agree(xy, x, y, mask, source_rb, centre=how.centre))
    weights = jax.nn.one_hot(moves.slot_rb, moves.partner_bj.shape[1], dtype=x.dtype)
    options = {"centre": how.centre, "joint": how.joint, "block": how.at_once}
    return moments.pair_scores(x, y, mask, jnp.asarray(moves.partner_bj), weights, **options)


def _masks_differ(mask: np.ndarray, draws: Draws | Shifts, frames: int | None) -> bool:
    if isinstance(draws, Draws):
        return not draws.masks_agree(mask)
    by_frame = mask.reshape(len(mask), -1, frames or mask.shape[1])
    prefix = np.arange(by_frame.shape[2])[None, None, :] < draws.length_b[:, None, None]
    return bool((by_frame != prefix).any())


def _check_sides(x_bon: np.ndarray, y_bok: np.ndarray, mask: np.ndarray, draws: Draws | Shifts) -> None:
    clips = (draws.source_rb if isinstance(draws, Draws) else draws.shift_rb).shape[1]
    if not (x_bon.shape[:2] == y_bok.shape[:2] == mask.shape) or mask.shape[0] != clips:
        raise StatisticsError(
            f"neurons {x_bon.shape}, features {y_bok.shape}, mask {mask.shape} and draws of {clips} clips "
            "must agree in clips and observations"
        )
