"""Scores under rearranged clips: how high chance goes, for every pair of a problem.

    draws = permutations.within_class(recording_ids, class_ids, replicates=1000, seed=0)
    part = nulls.moment_null(x_bon, y_bok, mask_bo, draws)       # pearson, within clips
    [corrected] = families.correct([part])                       # max-T p and q of the family

`moment_null` is for scores that are correlations of pooled observations (pearson within clips or
in the clip view, partial_pearson on residuals, cosine); `pair_null` for metrics computed in each
clip and averaged over clips; `column_null` for any metric where a clip is one observation.
Replicate scores exist for one tile of neurons at a time.
"""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from actjax.similarity.accumulators.clip_means import VALID_CLIPS
from actjax.statistics import families, moments
from actjax.statistics.permutations import Draws
from actjax.statistics.requirements import StatisticsError


def moment_null(
    x_bon: np.ndarray,
    y_bok: np.ndarray,
    mask_bo: np.ndarray,
    draws: Draws,
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
    joint = _masks_differ(mask, draws, frames)
    if way == "auto":
        way = cheaper_way(x_bon.shape, draws)
    replicates_of = _by_pairs if way == "pairs" else _direct
    y = moments.centred(jnp.asarray(y_bok), jnp.asarray(mask), centre=centre)
    budget = memory_gib * 2**30 / 4
    # Scores, statistics and bins of a tile are held together, hence the factor.
    tile = int(np.clip(budget / (6 * (draws.replicates + 1) * y_bok.shape[2]), 1, x_bon.shape[2]))
    parts = []
    for first in range(0, x_bon.shape[2], tile):
        x = moments.centred(jnp.asarray(x_bon[:, :, first : first + tile]), jnp.asarray(mask), centre=centre)
        scores = replicates_of(x, y, jnp.asarray(mask), draws, centre, joint, frames, budget / 4)
        parts.append(families.reduce_replicates(scores, signed=signed))
    return families.join_tiles(parts)


def pair_null(
    pair_scores: Callable[[np.ndarray, np.ndarray, slice], jax.Array],
    neurons: int,
    rows: int,
    draws: Draws,
    *,
    signed: bool,
    memory_gib: float = 1.0,
) -> families.Null:
    """Null of a score that is the mean over clips of per-clip scores.

    A search inside the metric (lags, shifts) is repeated for every pair of clips, hence in the null.

    Args:
      pair_scores: (clips [c], partners [c, j], slice of neurons) -> [c, j, n, k], the scores of the
        neurons on each clip against the features of its partners; NaN where undefined.
      neurons, rows: n and k.
      draws: permutations (not shifts) from `permutations`.
      signed: both directions count as evidence.
      memory_gib: bound on the scores held at a time.
    """
    if draws.partner_bj is None:
        raise StatisticsError(
            "a null of per-clip scores takes permutations of recordings, not circular shifts"
        )
    clips, partners = draws.partner_bj.shape
    budget = memory_gib * 2**30 / 4
    tile = int(np.clip(budget / (6 * (draws.replicates + 1) * rows), 1, neurons))
    block = int(np.clip(budget / (8 * partners * tile * rows), 1, clips))
    parts = []
    for first in range(0, neurons, tile):
        chosen = slice(first, min(first + tile, neurons))
        totals = valid = None
        for own in _chunks(np.arange(clips), block):
            scores = pair_scores(own, draws.partner_bj[own], chosen)
            weights = _slot_weights(draws, own)
            totals, valid = _add_pairs(totals, valid, weights, scores)
        mean = jnp.where(valid >= VALID_CLIPS * clips, totals / jnp.maximum(valid, 1.0), jnp.nan)
        parts.append(families.reduce_replicates(mean, signed=signed))
    return families.join_tiles(parts)


def column_null(
    score_columns: Callable[[jax.Array, jax.Array], jax.Array],
    y_bk: np.ndarray,
    draws: Draws,
    *,
    signed: bool,
    mask_b: np.ndarray | None = None,
    chunk: int = 64,
) -> families.Null:
    """Null of any metric in the clip view, where a rearrangement reorders a feature's values.

    Args:
      score_columns: ([b, columns], mask [b]) -> [n, columns] scores; NaN where undefined.
      y_bk: [b, k] feature rows, one value a clip.
      draws: permutations from `permutations`.
      signed: as in `moment_null`.
      mask_b: [b] bool, the clips where both sides are defined; all if None. A rearrangement is scored
        on the clips that are valid themselves and meet a valid one.
      chunk: replicates at a time: `chunk` * k columns; 1 where some clips are invalid.

    The scores of all neurons are held for all replicates: pass tiles of neurons through
    `families.join_tiles` where (R + 1) * n * k floats are too many.
    """
    order_rb = np.concatenate([np.arange(len(y_bk))[None, :], draws.source_rb])
    y = jnp.asarray(y_bk)
    mask = np.ones(len(y_bk), bool) if mask_b is None else np.asarray(mask_b, bool)
    scores = []
    for orders in _chunks(order_rb, chunk if mask.all() else 1):
        columns = y[orders].transpose(1, 0, 2).reshape(len(y), -1)
        out = score_columns(columns, jnp.asarray(mask & mask[orders[0]]))
        scores.append(out.reshape(out.shape[0], len(orders), -1).transpose(1, 0, 2))
    stacked = jnp.concatenate(scores)[: len(order_rb)]
    return families.reduce_replicates(stacked, signed=signed)


def cheaper_way(shape_bon: tuple[int, ...], draws: Draws) -> str:
    """'pairs' or 'direct', by multiplications for each pair of neuron and row and each clip."""
    observations = shape_bon[1]
    if draws.partner_bj is None:
        return "direct"
    partners = draws.partner_bj.shape[1]
    pairs = partners * (observations + draws.replicates + 1)
    return "pairs" if pairs < (draws.replicates + 1) * observations else "direct"


def _direct(x, y, mask, draws, centre, joint, frames, budget) -> jax.Array:
    clips, observations = mask.shape
    columns = y.shape[2] + 1
    chunk = int(np.clip(budget / (clips * observations * columns), 1, max(1024 // y.shape[2], 1)))
    source_rb = np.concatenate([np.arange(clips, dtype=np.int32)[None], draws.source_rb])
    shifts = None
    if draws.shift_rb is not None:
        shifts = np.concatenate([np.zeros((1, clips), np.int32), draws.shift_rb])
        shifts = list(_chunks(shifts, chunk))
    run = functools.partial(_direct_chunk, centre=centre, joint=joint, frames=frames)
    scores = []
    for i, source in enumerate(_chunks(source_rb, chunk)):
        shift = None if shifts is None else (shifts[i], draws.length_b)
        scores.append(run(x, y, mask, source, shift))
    return jnp.concatenate(scores)[: draws.replicates + 1]


def _by_pairs(x, y, mask, draws, centre, joint, frames, budget) -> jax.Array:
    if draws.partner_bj is None:
        raise StatisticsError("circular shifts are computed the direct way: leave way='auto'")
    clips, partners = draws.partner_bj.shape
    held = partners * (x.shape[2] * y.shape[2] + mask.shape[1] * y.shape[2])
    block = int(np.clip(budget / held, 1, clips))
    return _pairs(x, y, mask, draws.partner_bj, draws.slots_rb, centre=centre, joint=joint, block=block)


@functools.partial(jax.jit, static_argnames=("centre", "joint", "frames"))
def _direct_chunk(x, y, mask, source, shift, *, centre, joint, frames):
    index = None if shift is None else moments.rotated(*shift, mask.shape[1], frames)
    return moments.correlation(moments.direct(x, mask, y, mask, source, index, centre=centre, joint=joint))


@functools.partial(jax.jit, static_argnames=("centre", "joint", "block"))
def _pairs(x, y, mask, partner_bj, slot_rb, *, centre, joint, block):
    weights = jax.nn.one_hot(slot_rb, partner_bj.shape[1], dtype=x.dtype)
    return moments.pair_scores(x, y, mask, partner_bj, weights, centre=centre, joint=joint, block=block)


def _add_pairs(totals, valid, weights: np.ndarray, scores: jax.Array):
    sums, counts = moments.weighted_sums(jnp.asarray(weights), scores.reshape(-1, *scores.shape[2:]))
    return (sums, counts) if totals is None else (totals + sums, valid + counts)


def _slot_weights(draws: Draws, own: np.ndarray) -> np.ndarray:
    """[1 + r, c * j] float32, 1 where clip c meets its j-th partner; the observed pairing first."""
    slots = draws.slots_rb[:, own]
    fresh = np.concatenate([[True], np.diff(own) > 0])  # the last chunk is filled up with its last clip
    drawn = slots[:, :, None] == np.arange(draws.partner_bj.shape[1])[None, None, :]
    return (drawn & fresh[None, :, None]).reshape(len(slots), -1).astype(np.float32)


def _chunks(rows: np.ndarray, size: int):
    """Equal chunks of rows, the last one filled up with its own last row, for one compilation."""
    size = min(size, len(rows))
    for first in range(0, len(rows), size):
        index = np.minimum(np.arange(first, first + size), len(rows) - 1)
        yield rows[index]


def _masks_differ(mask: np.ndarray, draws: Draws, frames: int | None) -> bool:
    if draws.shift_rb is not None:
        by_frame = mask.reshape(len(mask), -1, frames or mask.shape[1])
        prefix = np.arange(by_frame.shape[2])[None, None, :] < draws.length_b[:, None, None]
        return bool((by_frame != prefix).any())
    return not draws.masks_agree(mask)


def _check_sides(x_bon, y_bok, mask: np.ndarray, draws: Draws) -> None:
    clips = draws.source_rb.shape[1]
    if not (x_bon.shape[:2] == y_bok.shape[:2] == mask.shape) or mask.shape[0] != clips:
        raise StatisticsError(
            f"neurons {x_bon.shape}, features {y_bok.shape}, mask {mask.shape} and draws of {clips} clips "
            "must agree in clips and observations"
        )
