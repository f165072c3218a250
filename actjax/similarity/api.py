"""The public functions: arrays in, scores of all pairs out."""

import functools
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from actjax import lookup
from actjax.similarity import _engine as engine
from actjax.similarity import _inputs as inputs
from actjax.similarity.stream import PairStream
from actjax.types import Context, Metric


def list_metrics() -> tuple[str, ...]:
    """The names of all metrics, sorted."""
    return lookup.names("metric")


def score(
    activations: Any,
    features: Any,
    metric: str | Metric = "pearson",
    clip_ids: Any = None,
    *,
    mask: Any = None,
    nuisance: Any = None,
    folds: Any = None,
    seed: int = 0,
    memory_gib: float = 1.0,
    details: bool = False,
    **hyper: Any,
) -> Any:
    """The similarity of every neuron to every feature row.

    Args:
      activations: [o, n] NumPy or JAX array of any real dtype; computed in float32.
      features: [o, k].
      metric: a name from `list_metrics()`.
      clip_ids: [o] integers. Given, scores are *within* clips: moment metrics after removing each clip's
        own mean, other metrics computed in each clip and averaged over valid clips (at least 0.9 of
        them). None compares over all observations.
      mask: [o] bool, False where an observation does not count.
      nuisance: [o, q] rows to be held fixed, for the metrics that do so.
      folds: [o] integers, the cross-validation fold of each observation, for the metrics that use them.
      seed: for the metrics that sample.
      memory_gib: bound on working memory beside inputs and outputs; neurons and rows are tiled to it.
      details: returns {"score", "valid", and the metric's other outputs} instead of the score.
      **hyper: the metric's options.

    Returns:
      [n, k] float32 NumPy array (n x 1 for metrics that take all rows as one feature), NaN where
      undefined: a constant side, too few observations.

    Raises:
      ValueError: an unknown metric or option, axes that do not fit, values that are not finite.
    """
    metric = _vector_metric(metric, hyper)
    x, y = inputs.matrix(activations, "activations", "n"), inputs.matrix(features, "features", "k")
    inputs.same_length(x, y, mask, clip_ids, nuisance, folds)
    mask = inputs.mask(mask, x.shape[0])
    key = jax.random.key(seed)
    context = Context(
        folds_o=None if folds is None else np.asarray(folds, np.int32),
        nuisance_oq=None if nuisance is None else np.asarray(nuisance, np.float32),
    )
    memory = inputs.memory_bytes(memory_gib)
    lazy = metric.accumulator is not None and metric.accumulator.name == "moments"
    if not lazy:
        inputs.finite(x, y, mask)
    if clip_ids is None:
        found = engine.score_vectors(metric, x, y, mask, context._replace(key=key), memory)
    else:
        stream = PairStream((metric,), x.shape[1], y.shape[1], std_error=details, tile_bytes=memory // 4)
        batches = engine.clip_batches(x, y, mask, np.asarray(clip_ids), context, memory)
        found = engine.run_stream(stream, batches, key)[metric.name]
    if lazy and np.isnan(found["score"]).any():
        # A value that is not finite makes moments NaN, so the inputs need reading again only then.
        inputs.finite(x, y, mask)
    return found | {"valid": ~np.isnan(found["score"])} if details else found["score"]


def score_maps(
    maps: Any,
    matrices: Any,
    metric: str | Metric = "ssim",
    *,
    mask: Any = None,
    seed: int = 0,
    memory_gib: float = 1.0,
    details: bool = False,
    **hyper: Any,
) -> Any:
    """The similarity of every neuron's activation maps to every matrix-valued feature, within clips.

    Both are area-averaged onto the coarser of their grids, taking them to span the same time (and, for
    metrics that compare cells, the same frequencies).

    Args:
      maps: [b, n, f, t] NumPy or JAX array of any real dtype.
      matrices: [b, k, rows, frames], of the same clips.
      metric: a name from `list_metrics()` with the map view.
      mask: [b, frames] bool, False where a frame of the matrices does not count.
      seed, memory_gib, details, **hyper: as in `score`.

    Returns:
      [n, k] float32 NumPy array, NaN where undefined.

    Raises:
      ValueError: an unknown metric or option, one without the map view, axes that do not fit, values
        that are not finite.
    """
    metric = _as_metric(metric, hyper)
    if "map" not in metric.views:
        raise ValueError(
            f"score_maps expected a metric with the map view, got {metric.name!r} "
            f"({', '.join(metric.views)}); take score for vectors"
        )
    x, y = inputs.images(maps, "maps", "n, f, t"), inputs.images(matrices, "matrices", "k, rows, frames")
    mask = inputs.map_mask(x, y, mask)
    memory = inputs.memory_bytes(memory_gib)
    inputs.finite_images(x, y, mask)
    stream = PairStream(
        (metric,), x.shape[1], y.shape[1], images=True, std_error=details, tile_bytes=memory // 4
    )
    batches = engine.image_batches(x, y, mask, memory)
    found = engine.run_stream(stream, batches, jax.random.key(seed))[metric.name]
    return found if details else found["score"]


def make_metric(name: str, **hyper: Any) -> Metric:
    """The metric `name`; the same object for the same options, so that nothing is compiled twice.

    Raises:
      UnknownNameError: no such metric or option.
    """
    try:
        return _made(name, tuple(sorted(hyper.items())))
    except TypeError as error:
        if "unhashable" not in str(error):
            raise
        return lookup.load("metric", name, **hyper)


@functools.cache
def _made(name: str, hyper: tuple[tuple[str, Any], ...]) -> Metric:
    return lookup.load("metric", name, **dict(hyper))


def _as_metric(metric: str | Metric, hyper: Mapping[str, Any]) -> Metric:
    if isinstance(metric, str):
        return make_metric(metric, **hyper)
    if hyper:
        raise ValueError(f"expected options with a metric's name only, got {', '.join(hyper)} with a Metric")
    return metric


def _vector_metric(metric: str | Metric, hyper: Mapping[str, Any]) -> Metric:
    metric = _as_metric(metric, hyper)
    if metric.observes == "image":
        raise ValueError(
            f"score expected a metric on vectors, got {metric.name!r}; take score_maps for images"
        )
    return metric
