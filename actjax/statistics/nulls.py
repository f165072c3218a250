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

from actjax.statistics import families, moments
from actjax.statistics.permutations import Draws, Shifts
from actjax.statistics.requirements import StatisticsError


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
    how = _How(centre, _masks_differ(mask, draws, frames), frames)
    if way == "auto":
        way = cheaper_way(x_bon.shape, draws)
    replicates_of = _by_pairs if way == "pairs" else _direct
    y = moments.centred(jnp.asarray(y_bok), jnp.asarray(mask), centre=centre)
    budget = memory_gib * 2**30 / 4
    # Scores, statistics and bins of a tile are held together, hence the factor.
    tile = int(np.clip(budget / (6 * (draws.replicates + 1) * y_bok.shape[2]), 1, x_bon.shape[2]))
    tiles = []
    for first in range(0, x_bon.shape[2], tile):
        x = moments.centred(jnp.asarray(x_bon[:, :, first : first + tile]), jnp.asarray(mask), centre=centre)
        scores = replicates_of(x, y, jnp.asarray(mask), draws, how, budget / 4)
        tiles.append(families.reduce_replicates(scores, signed=signed))
    return families.join_tiles(tiles)


def cheaper_way(shape_bon: tuple[int, ...], draws: Draws | Shifts) -> str:
    """'pairs' or 'direct', by multiplications for each pair of neuron and row and each clip."""
    observations = shape_bon[1]
    if isinstance(draws, Shifts):
        return "direct"
    partners = draws.partner_bj.shape[1]
    pairs = partners * (observations + draws.replicates + 1)
    return "pairs" if pairs < (draws.replicates + 1) * observations else "direct"


def chunks(rows: np.ndarray, size: int) -> Iterator[np.ndarray]:
    """Equal chunks of rows, the last one filled up with its own last row, for one compilation."""
    size = min(size, len(rows))
    for first in range(0, len(rows), size):
        yield rows[np.minimum(np.arange(first, first + size), len(rows) - 1)]


def _direct(
    x: jax.Array, y: jax.Array, mask: jax.Array, draws: Draws | Shifts, how: "_How", budget: float
) -> jax.Array:
    """[1 + r, n, k] correlations, from the features of all rearrangements as further columns."""
    clips, observations = mask.shape
    most = max(1024 // y.shape[2], 1)
    chunk = int(np.clip(budget / (clips * observations * (y.shape[2] + 1)), 1, most))
    places = np.arange(clips, dtype=np.int32)
    if isinstance(draws, Draws):
        sources = chunks(np.concatenate([places[None], draws.source_rb]), chunk)
        scores = [_direct_chunk(x, y, mask, source_rb, None, None, how=how) for source_rb in sources]
    else:
        shifts = chunks(np.concatenate([np.zeros((1, clips), np.int32), draws.shift_rb]), chunk)
        scores = [
            _direct_chunk(
                x, y, mask, np.broadcast_to(places, shift_rb.shape), shift_rb, draws.length_b, how=how
            )
            for shift_rb in shifts
        ]
    return jnp.concatenate(scores)[: draws.replicates + 1]


def _by_pairs(
    x: jax.Array, y: jax.Array, mask: jax.Array, draws: Draws | Shifts, how: "_How", budget: float
) -> jax.Array:
    """[1 + r, n, k] correlations, from the products of each clip with each that it can meet."""
    if isinstance(draws, Shifts):
        raise StatisticsError("circular shifts are computed the direct way: leave way='auto'")
    clips, partners = draws.partner_bj.shape
    held = partners * (x.shape[2] * y.shape[2] + mask.shape[1] * y.shape[2])
    block = int(np.clip(budget / held, 1, clips))
    return _pairs(x, y, mask, draws.partner_bj, draws.slots_rb, how=how, block=block)


class _How(NamedTuple):
    """How correlations are taken: `centre` and `joint` of `moments.direct`, the frames of a shifted map."""

    centre: str
    joint: bool
    frames: int | None


@functools.partial(jax.jit, static_argnames=("how",))
def _direct_chunk(
    x: jax.Array,
    y: jax.Array,
    mask: jax.Array,
    source_rb: jax.Array,
    shift_rb: jax.Array | None,
    length_b: jax.Array | None,
    *,
    how: _How,
) -> jax.Array:
    index = None
    if shift_rb is not None and length_b is not None:
        index = moments.rotated(shift_rb, length_b, mask.shape[1], how.frames)
    sums = moments.direct(x, mask, y, mask, source_rb, index, centre=how.centre, joint=how.joint)
    return moments.correlation(sums)


@functools.partial(jax.jit, static_argnames=("how", "block"))
def _pairs(
    x: jax.Array,
    y: jax.Array,
    mask: jax.Array,
    partner_bj: jax.Array,
    slot_rb: jax.Array,
    *,
    how: _How,
    block: int,
) -> jax.Array:
    weights = jax.nn.one_hot(slot_rb, partner_bj.shape[1], dtype=x.dtype)
    options = {"centre": how.centre, "joint": how.joint, "block": block}
    return moments.pair_scores(x, y, mask, partner_bj, weights, **options)


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
