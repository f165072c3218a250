"""Nulls of metrics that are scored anew: clip by clip with every clip they can meet, or as a whole."""

import functools
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from actjax import parallel, precision
from actjax.similarity.accumulators.clip_means import VALID_CLIPS
from actjax.similarity.host.dispatch import host_allowed
from actjax.similarity.kernel import clip_scores, pairwise
from actjax.similarity.stream import without_clip_means
from actjax.statistics import families, moments
from actjax.statistics.compiled import compiled
from actjax.statistics.nulls import chunks
from actjax.statistics.permutations import Draws, Shifts
from actjax.types import Context, Metric

# Replicates that are scored in one call, as further columns.
MOST_TOGETHER = 64


class Sides(NamedTuple):
    """Both sides of a comparison over all clips, on the host.

    Attributes:
      x: [b, o, n] neurons; [b, n, f, t] for a metric that observes images.
      y: [b, o, k] feature rows; [b, k, rows, t] for images.
      mask: [b, o] bool; [b, t] for images.
      frames: t, the frames of a clip; observations are bands x frames.
      folds_b: [b] the cross-validation fold of each clip, or None.
      nuisance: [b, o, q] rows held fixed, or None.
    """

    x: np.ndarray
    y: np.ndarray
    mask: np.ndarray
    frames: int
    folds_b: np.ndarray | None = None
    nuisance: np.ndarray | None = None


def clip_pairs_null(metric: Metric, sides: Sides, draws: Draws, *, memory_gib: float = 1.0) -> families.Null:
    """Null of a score that is the mean over clips of the clips' own scores.

    Every clip is scored once with each clip that it can meet; a replicate is then a weighted mean of these
    scores. A search inside the metric (lags, shifts) is repeated for every pair of clips, hence in the null.

    Args:
      metric: whose sides these are.
      sides: both sides of all clips.
      draws: permutations of recordings.
      memory_gib: bound on the scores held at a time.
    """
    neurons, rows = score_shape(metric, sides)
    clips, partners = draws.partner_bj.shape
    budget, item = memory_gib * 2**30 / 4, _item_size(metric, sides)
    tile = int(np.clip(budget / max(6 * (draws.replicates + 1) * rows, 4 * item), 1, neurons))
    block = int(np.clip(budget / (tile * max(8 * partners * rows, 4 * item)), 1, clips))
    # Clips of one class after another: a block then meets few others.
    order = np.argsort(draws.partner_bj.min(axis=1), kind="stable")
    tiles = []
    for first in range(0, neurons, tile):
        some = neurons_of(metric, sides, first, first + tile)
        means_rnk = _means_of_pairs(pair_scorer(metric, some, draws), chunks(order, block), draws)
        tiles.append(families.reduce_replicates(means_rnk, signed=metric.signed))
    return families.join_tiles(tiles)


def _means_of_pairs(
    scores_of: Callable[[np.ndarray], jax.Array], blocks: Iterable[np.ndarray], draws: Draws
) -> jax.Array:
    """[1 + r, n, k] means over valid clips in every replicate; NaN where too few clips are valid."""
    total = valid = jnp.float32(0.0)
    for chosen_c in blocks:
        pairs_cjnk = scores_of(chosen_c)
        weights_rp = jnp.asarray(_slot_weights(draws, chosen_c))
        sums, counts = moments.weighted_sums(weights_rp, pairs_cjnk.reshape(-1, *pairs_cjnk.shape[2:]))
        total, valid = total + sums, valid + counts
    enough = valid >= VALID_CLIPS * len(draws.partner_bj)
    return jnp.where(enough, total / jnp.maximum(valid, 1.0), jnp.nan)


def pair_scorer(metric: Metric, sides: Sides, draws: Draws) -> Callable[[np.ndarray], jax.Array]:
    """The function clips [c] -> [c, j, n, k]: scores of each clip's neurons with each clip it can meet.

    Two clips are compared on the observations that are valid in both.
    """
    partner_bj = draws.partner_bj
    # An inner product of prepared sides: each clip's side is prepared once and not once a partner.
    if metric.dot and metric.level == "row" and draws.masks_agree(sides.mask):
        return functools.partial(
            _prepared_pairs, metric, *_items_first(metric, sides), sides.mask, partner_bj
        )

    def scores_of(chosen_c: np.ndarray) -> jax.Array:
        x = sides.x[chosen_c]
        columns = []
        for met_c in partner_bj[chosen_c].T:
            both = sides.mask[chosen_c] & sides.mask[met_c]
            ids = np.broadcast_to(chosen_c[:, None], both.shape).astype(np.int32)
            context = Context(clip_ids_o=ids)
            columns.append(clip_scores(metric, x, sides.y[met_c], both, context)["score"])
        return jnp.stack(columns, axis=1)

    return scores_of


def whole_null(
    metric: Metric,
    sides: Sides,
    draws: Draws | Shifts,
    *,
    clip_by_clip: bool,
    within: bool,
    memory_gib: float = 1.0,
) -> families.Null:
    """Null of any metric: every rearrangement is scored anew on all clips.

    Args:
      metric: whose sides these are.
      sides: both sides of all clips.
      draws: permutations of recordings, or shifts.
      clip_by_clip: the score is the mean over clips of the clips' own scores.
      within: each clip's own mean is removed before its observations are pooled.
      memory_gib: bound on the rearranged features and scores held at a time.
    """
    neurons, rows = score_shape(metric, sides)
    budget = memory_gib * 2**30 / 4
    tile = int(np.clip(budget / (6 * (draws.replicates + 1) * rows), 1, neurons))
    together = 1
    if metric.level == "row" and not clip_by_clip and _masks_stay(sides.mask, draws):
        together = int(np.clip(budget / (4 * sides.y.size), 1, MOST_TOGETHER))
    score = _mean_of_clips if clip_by_clip else functools.partial(_pooled, within=within)
    tiles = []
    for first in range(0, neurons, tile):
        side = neurons_of(metric, sides, first, first + tile)
        scores = [
            score(metric, side, y_cb, mask_b, rows) for y_cb, mask_b in _rearranged(sides, draws, together)
        ]
        scores_rnk = jnp.concatenate(scores)[: draws.replicates + 1]
        tiles.append(families.reduce_replicates(scores_rnk, signed=metric.signed))
    return families.join_tiles(tiles)


def score_shape(metric: Metric, sides: Sides) -> tuple[int, int]:
    """(neurons, columns) of the metric's scores."""
    if metric.observes == "image":
        return sides.x.shape[1], sides.y.shape[1]
    return sides.x.shape[2], 1 if metric.level == "feature" else sides.y.shape[2]


def neurons_of(metric: Metric, sides: Sides, first: int, stop: int) -> Sides:
    """The sides with some of the neurons."""
    some = slice(first, stop)
    return sides._replace(x=sides.x[:, some] if metric.observes == "image" else sides.x[:, :, some])


def _pooled(
    metric: Metric, sides: Sides, y_cbok: np.ndarray, mask_bo: np.ndarray, rows: int, *, within: bool
) -> jax.Array:
    """[c, n, k] scores over the observations of all clips together."""
    b, o = mask_bo.shape
    x, y, mask = jnp.asarray(sides.x), jnp.moveaxis(jnp.asarray(y_cbok), 0, 2), jnp.asarray(mask_bo)
    y = y.reshape(b, o, -1)
    if within and o > 1:
        x, y = without_clip_means(x, mask), without_clip_means(y, mask)
    context = Context(
        clip_ids_o=jnp.repeat(jnp.arange(b, dtype=jnp.int32), o),
        folds_o=None if sides.folds_b is None else jnp.repeat(jnp.asarray(sides.folds_b, jnp.int32), o),
        nuisance_oq=None if sides.nuisance is None else jnp.asarray(sides.nuisance).reshape(b * o, -1),
    )
    x, y = x.reshape(b * o, -1), y.reshape(b * o, -1)
    scores = pairwise(metric, x, y, mask.reshape(-1), context)["score"]
    return jnp.moveaxis(scores.reshape(scores.shape[0], len(y_cbok), rows), 0, 1)


def _mean_of_clips(
    metric: Metric, sides: Sides, y_cb: np.ndarray, mask_b: np.ndarray, rows: int
) -> jax.Array:
    """[c, n, k] means over valid clips of the scores in each; NaN where too few clips are valid."""
    ids = np.broadcast_to(np.arange(len(mask_b), dtype=np.int32)[:, None], mask_b.shape)
    x, context = jnp.asarray(sides.x), Context(clip_ids_o=ids)
    means = []
    for y_b in y_cb:
        scores_bnk = clip_scores(metric, x, y_b, mask_b, context)["score"]
        count_nk = jnp.isfinite(scores_bnk).sum(axis=0).astype(scores_bnk.dtype)
        mean_nk = jnp.nansum(scores_bnk, axis=0) / jnp.maximum(count_nk, 1.0)
        means.append(jnp.where(count_nk >= VALID_CLIPS * len(mask_b), mean_nk, jnp.nan))
    return jnp.stack(means)


def _rearranged(
    sides: Sides, draws: Draws | Shifts, together: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """([c, b, ...] rearranged features, [b, o] where both sides are valid), the observed pairing first."""
    clips, o = len(sides.mask), sides.mask.shape[1]
    if isinstance(draws, Draws):
        observed = np.arange(clips, dtype=np.int32)[None]
        for source_cb in chunks(np.concatenate([observed, draws.source_rb]), together):
            yield sides.y[source_cb], sides.mask & sides.mask[source_cb[0]]
        return
    image = sides.y.ndim == 4
    for shift_cb in chunks(np.concatenate([np.zeros((1, clips), np.int32), draws.shift_rb]), together):
        index_cbo = np.asarray(moments.rotated(shift_cb, draws.length_b, o, sides.frames))
        # Frames stand last in images, observations before the rows in vectors.
        index = index_cbo[:, :, None, None, :] if image else index_cbo[..., None]
        y_cb = np.take_along_axis(sides.y[None], index, axis=4 if image else 2)
        yield y_cb, sides.mask & np.take_along_axis(sides.mask, index_cbo[0], axis=1)


def _masks_stay(mask: np.ndarray, draws: Draws | Shifts) -> bool:
    """Whether a rearrangement leaves valid what is valid."""
    return bool(mask.all()) or (isinstance(draws, Draws) and draws.masks_agree(mask))


def _items_first(metric: Metric, sides: Sides) -> tuple[np.ndarray, np.ndarray]:
    """Both sides [b, items, ...]: one neuron or row after another."""
    if metric.observes == "image":
        return sides.x, sides.y
    return np.moveaxis(sides.x, 2, 1), np.moveaxis(sides.y, 2, 1)


def _prepared_pairs(
    metric: Metric,
    x: np.ndarray,
    y: np.ndarray,
    mask: np.ndarray,
    partner_bj: np.ndarray,
    chosen_c: np.ndarray,
) -> jax.Array:
    met_cj = partner_bj[chosen_c]
    # Only clips that these can meet are prepared; few different numbers of them, each compiles anew.
    needed_m, place = np.unique(met_cj, return_inverse=True)
    needed_m = np.resize(needed_m, min(len(mask), 2 ** (len(needed_m) - 1).bit_length()))
    arrays = x[chosen_c], y[needed_m], mask[chosen_c], mask[needed_m], place.reshape(met_cj.shape)
    safe = parallel.callbacks_are_safe()
    with precision.products(_way()):
        return _compare_prepared(metric, *arrays, on_host=safe)


@functools.partial(compiled, static_argnames=("metric", "on_host"))
def _compare_prepared(
    metric: Metric, x: jax.Array, y: jax.Array, mask_x: jax.Array, mask_y: jax.Array, met_cj: jax.Array,
    *, on_host: bool,
) -> jax.Array:  # fmt: skip
    def prepare(how: Callable[..., object], values_i: jax.Array, mask_o: jax.Array) -> object:
        return jax.vmap(lambda value: how(value, mask_o, Context()))(values_i)

    with host_allowed(on_host):
        px = jax.vmap(functools.partial(prepare, metric.prepare_x))(x, mask_x)
        py = jax.vmap(functools.partial(prepare, metric.prepare_y))(y, mask_y)
        pairs = jax.vmap(jax.vmap(metric.compare, (None, 0)), (0, None))

        def meet(side: tuple[object, jax.Array]) -> jax.Array:
            neurons, met_j = side
            return jax.vmap(lambda j: pairs(neurons, jax.tree.map(lambda leaf: leaf[j], py))["score"])(met_j)

        scores_cjnk = jax.lax.map(meet, (px, met_cj))
    enough_c = mask_x.sum(axis=1) >= metric.min_observations
    return jnp.where(enough_c[:, None, None, None], scores_cjnk, jnp.nan)


def _item_size(metric: Metric, sides: Sides) -> int:
    """Numbers in one prepared neuron of one clip."""
    image = metric.observes == "image"
    shape = sides.x.shape[2:] if image else sides.x.shape[1:2]
    mask = jax.ShapeDtypeStruct(sides.mask.shape[1:], bool)
    with precision.products(_way()):
        prepared = jax.eval_shape(metric.prepare_x, jax.ShapeDtypeStruct(shape, jnp.float32), mask, Context())
    return sum(leaf.size for leaf in jax.tree.leaves(prepared))


def _way() -> str:
    """As in `clip_scores`: a kernel takes one pair of matrices, not one for each clip."""
    way = precision.current_way()
    return "exact" if way == "fast" else way


def _slot_weights(draws: Draws, chosen_c: np.ndarray) -> np.ndarray:
    """[1 + r, c * j] float32, 1 where clip c meets its j-th partner; the observed pairing first."""
    slots = draws.slots_rb[:, chosen_c]
    fresh = np.concatenate([[True], np.diff(chosen_c) != 0])  # the last chunk is filled up with its last clip
    drawn = slots[:, :, None] == np.arange(draws.partner_bj.shape[1])[None, None, :]
    return (drawn & fresh[None, :, None]).reshape(len(slots), -1).astype(np.float32)
