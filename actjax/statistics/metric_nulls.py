"""The null of any metric on any problem: picks the way that the metric's structure allows."""

from typing import Any

import jax.numpy as jnp
import numpy as np

from actjax.similarity.kernel import clip_scores, pairwise
from actjax.statistics import controls, families, nulls
from actjax.statistics.permutations import Draws
from actjax.statistics.requirements import StatisticsError
from actjax.types import Context, Metric

# Metrics whose replicates are correlations of rearranged observations, all in one matrix product.
_CORRELATIONS = ("pearson", "partial_pearson")


def null_of(
    metric: Metric,
    x: Any,
    y: Any,
    mask: Any,
    draws: Draws,
    *,
    part: str = "within",
    frames: int | None = None,
    nuisance: Any = None,
    folds_b: Any = None,
    memory_gib: float = 1.0,
) -> families.Null:
    """Null scores of every neuron against every feature row under one metric.

    Args:
      metric: what `actjax.similarity.api.make_metric` returns.
      x: [b, o, n] neurons, o = 1 in the clip view; [b, n, f, t] for a metric that observes images.
      y: [b, o, k] feature rows; [b, k, rows, t] for images. For level "feature" on vectors the k rows
        are one feature.
      mask: [b, o] bool; [b, t] for images.
      draws: from `permutations`; the same for all parts of a family.
      part: "within" clips, or "total" (in the clip view both mean the values of clips).
      frames: for shifts of a map, its frames.
      nuisance: [b, o, q] rows held fixed, for partial_pearson. Neuron and feature are rearranged as
        residuals, each of its own clip's nuisances.
      folds_b: [b] the cross-validation fold of each clip, for metrics that predict (clip view).
      memory_gib: bound on what is held at a time.

    Returns:
      `families.Null`; its `score` is the metric's score on the observed pairing.

    Raises:
      StatisticsError: a combination that has no null here; the line says which has.
    """
    x, y, mask = np.asarray(x), np.asarray(y), np.asarray(mask, bool)
    in_clips = part == "within" and mask.shape[1] > 1
    options = {"signed": metric.signed}
    if metric.name in _CORRELATIONS and metric.observes == "vector":
        centre = "clip" if in_clips else "all"
        if metric.name == "partial_pearson":
            if nuisance is None:
                raise StatisticsError("partial_pearson needs the nuisance rows that are held fixed")
            x, y = (np.asarray(controls.residuals(v, nuisance, mask, centre=centre)) for v in (x, y))
        options |= {"frames": frames, "memory_gib": memory_gib}
        return nulls.moment_null(x, y, mask, draws, centre=centre, **options)
    if metric.observes == "vector" and mask.shape[1] == 1:
        return _clip_view_null(metric, x, y, mask, draws, options, folds_b, memory_gib)
    if not in_clips and metric.observes == "vector":
        raise StatisticsError(
            f"{metric.name} with part=total has no null; use part=within, the clip view or pearson"
        )
    whole = metric.level == "feature" and metric.observes == "vector"
    neurons = x.shape[1] if metric.observes == "image" else x.shape[2]
    rows = 1 if whole else y.shape[1] if metric.observes == "image" else y.shape[2]
    score = clip_pair_scores(metric, x, y, mask)
    return nulls.pair_null(score, neurons, rows, draws, memory_gib=memory_gib, **options)


def clip_pair_scores(metric: Metric, x: np.ndarray, y: np.ndarray, mask: np.ndarray):
    """The function of clip pairs that `nulls.pair_null` takes; sides and mask as in `null_of`.

    A clip meets another on the observations valid in both.
    """

    def score(clips: np.ndarray, partners: np.ndarray, neurons: slice):
        own = jnp.asarray(x[clips][:, neurons] if metric.observes == "image" else x[clips][:, :, neurons])
        columns = []
        for met in partners.T:
            both = jnp.asarray(mask[clips] & mask[met])
            context = Context(clip_ids_o=jnp.asarray(np.broadcast_to(clips[:, None], both.shape), jnp.int32))
            columns.append(clip_scores(metric, own, jnp.asarray(y[met]), both, context)["score"])
        return jnp.stack(columns, axis=1)

    return score


def _clip_view_null(metric, x, y, mask, draws, options, folds_b, memory_gib) -> families.Null:
    """Neurons in tiles, replicates as further columns (one at a time for whole features)."""
    x, y = x[:, 0], y[:, 0]
    whole = metric.level == "feature"
    rows = 1 if whole else y.shape[1]
    tile = int(np.clip(memory_gib * 2**30 / (24 * (draws.replicates + 1) * rows), 1, x.shape[1]))
    folds = None if folds_b is None else jnp.asarray(folds_b, jnp.int32)
    context = Context(clip_ids_o=jnp.arange(len(x), dtype=jnp.int32), folds_o=folds)
    parts = []
    for first in range(0, x.shape[1], tile):
        neurons = jnp.asarray(x[:, first : first + tile])

        def score(columns, mask_b, neurons=neurons):
            return pairwise(metric, neurons, columns, mask_b, context)["score"]

        chunk = 1 if whole else 64
        part = nulls.column_null(score, y, draws, mask_b=mask[:, 0], chunk=chunk, **options)
        parts.append(part)
    return families.join_tiles(parts)
