"""Scores all pairs of a caller's arrays, once they are checked: vectors or images, gaps in them or none."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from actjax.similarity import checks
from actjax.similarity.batches import ClipBatch, clip_batches, image_batches
from actjax.similarity.blocks import takes_blocks
from actjax.similarity.devices import Scored, score_vectors
from actjax.similarity.grid import ImageMask
from actjax.similarity.present import Columns, Pattern, by_pattern
from actjax.similarity.resident import all_finite
from actjax.similarity.streaming import stream_in_tiles
from actjax.types import Context, Metric

Array = np.ndarray | jax.Array
# {output: [n, k]}.
Outputs = Mapping[str, Array]


class Problem(NamedTuple):
    """A caller's arguments, checked.

    Attributes:
      x, y: the sides.
      mask: [o] bool of observations that count, None for all; [b, frames] for images.
      context: what is neither side.
      memory: bound in bytes.
      details: asks for all outputs.
      stay: whether scores are arrays of JAX, as both sides are.
    """

    x: checks.Side
    y: checks.Side
    mask: np.ndarray | None
    context: Context
    memory: int
    details: bool
    stay: bool = False


def of_vectors(metric: Metric, problem: Problem) -> Outputs | Array:
    """The scores [n, k] of vectors of observations, or all outputs where the problem asks for details."""
    x, y, mask = problem.x, problem.y, problem.mask
    y_present = y.present
    # A value that is not finite makes moments NaN, so the inputs need reading again only then.
    checks_itself = takes_blocks(metric)
    # On an accelerator one pass of the device tells, and is waited for after the scores are.
    finite = True if checks_itself else all_finite((x, y), mask)
    if finite is None:
        _finite_vectors(metric, problem)
        finite = True
    if metric.level == "feature" and y_present is not None:
        # All rows are one feature, so an observation counts where all of them are there.
        y_present = np.broadcast_to(y_present.all(1, keepdims=True), y_present.shape)

    doubtful = False

    def score_pattern(of_x: Pattern, of_y: Pattern) -> Outputs:
        nonlocal doubtful
        counts = both(mask, both(of_x.present, of_y.present))
        some_x, some_y = _columns(x.values, of_x.columns), _columns(y.values, of_y.columns)
        outputs, all_numbers = _score_columns(metric, some_x, some_y, counts, problem)
        doubtful = doubtful or not all_numbers
        return outputs

    outputs = by_pattern(score_pattern, x.present, y_present)
    if checks_itself and doubtful and _some_nan(outputs["score"]):
        finite = all_finite((x, y), mask)
    if not finite:
        _finite_vectors(metric, problem)
    if not problem.details:
        return _of_library(outputs["score"], problem)
    outputs = {name: _of_library(values, problem) for name, values in outputs.items()}
    xp = jnp if problem.stay else np
    return outputs | {"valid": ~xp.isnan(outputs["score"])}


def _of_library(values: Array, problem: Problem) -> Array:
    """An array of JAX if the sides are; counts beyond 32 bits are of NumPy, as JAX has none."""
    if problem.stay:
        is_there = isinstance(values, jax.Array) or values.dtype == np.int64
        return values if is_there else jnp.asarray(values)
    return np.asarray(values)


def _score_columns(metric: Metric, x: Array, y: Array, mask: np.ndarray | None, problem: Problem) -> Scored:
    context, memory = problem.context, problem.memory
    if context.clip_ids_o is None:
        return score_vectors(metric, x, y, mask, context, memory, stay=problem.stay)

    def batches(some_x: Array, some_y: Array) -> Iterator[ClipBatch]:
        return clip_batches(metric, some_x, some_y, mask, context._replace(key=None), memory)

    return Scored(stream_in_tiles(metric, x, y, batches, context.key, memory, details=problem.details))


def of_images(metric: Metric, problem: Problem) -> Outputs | Array:
    """The scores [n, k] of images, or all outputs where the problem asks for details."""
    x, y, mask, context, memory, details, _ = problem
    assert mask is not None, "images have a mask"
    held_by_float32 = "scale" not in metric.invariant_to
    checks.finite_images(x, "maps", "neuron", mask, held_by_float32=held_by_float32)
    checks.finite_images(y, "matrices", "feature", mask, held_by_float32=held_by_float32)

    def score_pattern(of_x: Pattern, of_y: Pattern) -> Outputs:
        maps, matrices = _columns(x.values, of_x.columns), _columns(y.values, of_y.columns)
        counts = ImageMask(mask, of_x.present, of_y.present)

        def batches(some_maps: Array, some_matrices: Array) -> Iterator[ClipBatch]:
            return image_batches(metric, some_maps, some_matrices, counts, memory)

        return stream_in_tiles(
            metric, maps, matrices, batches, context.key, memory, details=details, images=True
        )

    whole_frames = metric.observes == "image"
    outputs = by_pattern(score_pattern, *(_cells_present(side.present, whole_frames) for side in (x, y)))
    if not details:
        return _of_library(outputs["score"], problem)
    return {name: _of_library(values, problem) for name, values in outputs.items()}


def _cells_present(present: np.ndarray | None, whole_frames: bool) -> np.ndarray | None:
    """[b, n, f, t] bool; [b, n, 1, t] for metrics that take frames whole or not at all."""
    if present is None or not whole_frames:
        return present
    return np.asarray(present.all(2, keepdims=True))


def _finite_vectors(metric: Metric, problem: Problem) -> None:
    held_by_float32 = "scale" not in metric.invariant_to
    mask = problem.mask
    checks.finite(problem.x, "activations", "neuron", mask, held_by_float32=held_by_float32)
    checks.finite(problem.y, "features", "feature row", mask, held_by_float32=held_by_float32)


def _some_nan(scores: Array) -> bool:
    """Whether a score, which is -1 .. 1 or NaN, is NaN; by BLAS, which reads twice as fast as a sum does."""
    flat = scores.ravel()
    return bool(np.isnan(flat @ flat))


def _columns(values: Array, which: Columns) -> Array:
    # Even a slice of everything would copy a JAX array.
    return values if isinstance(which, slice) else values[:, which]


def both(a: np.ndarray | None, b: np.ndarray | None) -> np.ndarray | None:
    """What counts under two masks, of which None lets all through."""
    return b if a is None else a if b is None else a & b
