"""The public functions: arrays in, scores of all pairs out."""

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
from numpy.typing import ArrayLike

from actjax import containers, lookup
from actjax.precision import checked, products
from actjax.similarity import checks as inputs
from actjax.similarity.chosen import chosen, make_metric, with_folds
from actjax.similarity.labels import Labels
from actjax.similarity.problem import Problem, both, of_images, of_vectors
from actjax.similarity.resident import default_memory, resident
from actjax.types import Context, Metric

__all__ = ["list_metrics", "make_metric", "score", "score_maps"]
# Metrics as a caller names them.
Asked = str | Metric | Sequence[str | Metric]


def list_metrics() -> tuple[str, ...]:
    """The names of all metrics, sorted."""
    return lookup.names("metric")


def score(
    activations: Any,
    features: Any,
    metric: Asked = "pearson",
    clip_ids: Labels | None = None,
    *,
    mask: ArrayLike | None = None,
    nuisance: ArrayLike | None = None,
    folds: Labels | None = None,
    seed: int = 0,
    memory_gib: float | None = None,
    details: bool = False,
    precision: str = "fast",
    **hyper: Any,
) -> Any:
    """The similarity of every neuron to every feature row.

        score[i, j] = metric(activations[:, i], features[:, j])

    >>> actjax.score([[1.0], [2.0], [4.0]], [[1.0, 3.0], [2.0, 2.0], [4.0, 0.0]]).round(4).tolist()
    [[1.0, -1.0]]

    Computed in float32. Wide numbers (float64, longdouble, integers beyond 24 bits) are brought into it
    column by column as the metric allows: an offset that it does not see is taken off first, a scale
    beyond float32's range replaced by another, and where it sees the order alone values that float32
    would make equal stay apart. What a metric does see and float32 cannot hold is refused.

    Args:
      activations: [o, n] real numbers of any type: a NumPy or JAX array, a pandas or polars table, a
        PyTorch tensor, lists. In a masked array what is masked is left out: each pair is scored on the
        observations that both sides have (one run for each pattern of masked entries that differs between
        columns).
      features: [o, k], likewise.
      metric: a name from `list_metrics()`; one with options as on the command line,
        "mutual_information(bins=8)"; a Metric; or a list of these ("pearson, auc" is one too), which
        gives a dict.
      clip_ids: [o] the clip of each observation, any labels: integers, strings, tuples. Given, scores are
        *within* clips: moment metrics after removing each clip's own mean, other metrics computed in each
        clip and averaged over valid clips (at least 0.9 of them). None compares over all observations.
      mask: [o] bool, False where an observation does not count.
      nuisance: [o, q] rows to be held fixed, for the metrics that do so.
      folds: [o] the cross-validation fold of each observation, any labels, for the metrics that use
        them: there are as many folds as labels.
      seed: for the metrics that sample, from 0 to 2^32 - 1.
      memory_gib: bound on working memory beside inputs and outputs; neurons and rows are tiled to it. By
        default 1 on a CPU, and an eighth of the device's memory elsewhere.
      details: returns {"score", "valid", and the metric's other outputs} instead of the score.
      precision: of matrix products on a GPU or TPU: "exact" (float32), "fast" (float16 parts of float32,
        errors of 1e-6) or "tf32" (1e-4). A CPU computes exactly.
      **hyper: the metric's options, where it is one metric and its name carries none.

    Returns:
      [n, k] float32 (n x 1 for metrics that take all rows as one feature), NaN where undefined: a constant
      side, too few observations. An array of JAX, on the device, where both sides are such; a table or a
      tensor where the sides come in such, names kept; else of NumPy.
      For a list of metrics {as it was named: array}.

    Raises:
      ValueError: an unknown metric or option, options given twice, axes that do not fit, a clip id or fold
        that is missing, values that are complex, no numbers, not finite or (for a metric that depends on
        scale) beyond float32's range.
    """
    checked(precision)
    metrics, single = chosen(metric, hyper)
    for one in metrics.values():
        _on_vectors(one.metric)
    sides = containers.open_sides(activations, features)
    problem, fold_count = _vectors(sides, clip_ids, mask, nuisance, folds, seed, memory_gib, details)
    metrics = {spec: with_folds(one, fold_count) for spec, one in metrics.items()}
    with products(precision):
        scores = {spec: of_vectors(one, problem) for spec, one in metrics.items()}
    return sides.give(scores.popitem()[1] if single else scores)


def score_maps(
    maps: Any,
    matrices: Any,
    metric: Asked = "ssim",
    *,
    mask: ArrayLike | None = None,
    seed: int = 0,
    memory_gib: float = 1.0,
    details: bool = False,
    **hyper: Any,
) -> Any:
    """The similarity of every neuron's activation maps to every matrix-valued feature, within clips.

        score[i, j] = mean over clips of metric(maps[clip, i], matrices[clip, j])

    Both are area-averaged onto the coarser of their grids, taking them to span the same time (and, for
    metrics that compare cells, the same frequencies). Moment metrics pool the cells of all clips after
    removing each clip's own mean.

    >>> rng = np.random.default_rng(0)
    >>> maps = rng.random((2, 1, 8, 20))
    >>> actjax.score_maps(maps, 3 * maps, "pearson").round(4).tolist()
    [[1.0]]

    Args:
      maps: [b, n, f, t] real numbers of any type, as in `score`. In a masked array what is masked is left
        out: its cell for metrics on vectors of cells (pearson, cosine ...), its frame for those that
        observe images (ssim, cka ...). An averaged cell counts where all that it covers do.
      matrices: [b, k, rows, frames], of the same clips.
      metric: as in `score`; metrics with the map view.
      mask: [b, frames] bool, False where a frame of the matrices does not count.
      seed, memory_gib, details, **hyper: as in `score`.

    Returns:
      [n, k] float32, NaN where undefined; an array of JAX where both sides are such, else of NumPy. For a
      list of metrics {as it was named: array}.

    Raises:
      ValueError: an unknown metric or option, one without the map view, axes that do not fit, values
        that are complex, no numbers or not finite.
    """
    metrics, single = chosen(metric, hyper)
    for one in metrics.values():
        _on_maps(one.metric)
    sides = containers.open_sides(maps, matrices)
    maps, matrices = (side.values for side in sides)
    x, y = inputs.images(maps, "maps", "n, f, t"), inputs.images(matrices, "matrices", "k, rows, frames")
    frames = inputs.map_mask(x.values, y.values, mask)
    memory = inputs.memory_bytes(memory_gib)
    stay = _of_jax(maps, matrices)
    problem = Problem(x, y, frames, Context(key=inputs.key(seed)), memory, details, stay)
    scores = {spec: of_images(one.metric, problem) for spec, one in metrics.items()}
    return sides.give(scores.popitem()[1] if single else scores)


def _vectors(
    sides: containers.Sides,
    clip_ids: Labels | None,
    mask: ArrayLike | None,
    nuisance: ArrayLike | None,
    folds: Labels | None,
    seed: int,
    memory_gib: float | None,
    details: bool,
) -> tuple[Problem, int]:
    """(the arguments of `score`, checked, and how many folds their ids make)."""
    activations, features = (side.values for side in sides)
    x, y = inputs.matrix(activations, "activations", "n"), inputs.matrix(features, "features", "k")
    inputs.same_observations(x.values, y.values)
    o = x.values.shape[0]
    counts = inputs.mask(mask, o)
    clips = inputs.labels(containers.labels(clip_ids), "clip_ids", o)
    of_folds = inputs.labels(containers.labels(folds), "folds", o)
    held_fixed = None
    if nuisance is not None:
        held_fixed, counts = _nuisance(nuisance, counts, o)
    context = Context(clips.code_o, of_folds.code_o, held_fixed, inputs.key(seed))
    memory = default_memory() if memory_gib is None else inputs.memory_bytes(memory_gib)
    if clip_ids is None:
        x, y = resident(x), resident(y)
    stay = _of_jax(activations, features)
    return Problem(x, y, counts, context, memory, details, stay), of_folds.count


def _of_jax(x: ArrayLike, y: ArrayLike) -> bool:
    """Whether both sides are arrays of JAX, as their scores then are."""
    return isinstance(x, jax.Array) and isinstance(y, jax.Array)


def _nuisance(
    values: ArrayLike, mask: np.ndarray | None, o: int
) -> tuple[np.ndarray | jax.Array, np.ndarray | None]:
    """(the rows, the mask without observations whose nuisances are masked)."""
    held_fixed = inputs.nuisance(values, o)
    if held_fixed.present is not None:
        mask = both(mask, np.asarray(held_fixed.present.all(1)))
    inputs.finite(held_fixed, "nuisance", "row", mask)
    return held_fixed.values, mask


def _on_vectors(metric: Metric) -> None:
    if metric.observes == "image":
        raise ValueError(
            f"score expected a metric on vectors, got {metric.name!r}; take score_maps for images"
        )


def _on_maps(metric: Metric) -> None:
    if "map" not in metric.views:
        raise ValueError(
            f"score_maps expected a metric with the map view, got {metric.name!r} "
            f"({', '.join(metric.views)}); take score for vectors"
        )
