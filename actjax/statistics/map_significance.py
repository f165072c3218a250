"""The public p-values of images: activation maps and feature matrices from anywhere."""

from typing import Any, cast

import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike

from actjax import containers
from actjax.similarity import checks
from actjax.similarity.api import score_maps
from actjax.similarity.batches import image_batches
from actjax.similarity.grid import ImageMask, regrid_images
from actjax.similarity.labels import Labels
from actjax.statistics import metric_nulls
from actjax.statistics.requirements import StatisticsError
from actjax.statistics.rescored import Sides
from actjax.statistics.significance import Clips, Significance, in_container, one_metric, rearrangements
from actjax.types import Metric


def significance_maps(
    maps: Any,
    matrices: Any,
    metric: str | Metric = "ssim",
    *,
    recording_ids: Labels | None = None,
    classes: Labels | None = None,
    replicates: int = 1000,
    null: str | None = None,
    mask: ArrayLike | None = None,
    seed: int = 0,
    memory_gib: float = 1.0,
    **hyper: Any,
) -> Significance:
    """Scores of every neuron's maps with every matrix-valued feature, and how often chance comes as far.

    A replicate hands the matrices of whole recordings to other recordings, and scores all pairs again; what
    `actjax.significance` says of classes holds here.

    >>> rng = np.random.default_rng(0)
    >>> matrices = rng.random((12, 1, 6, 10))
    >>> maps = np.concatenate([matrices + rng.random((12, 1, 6, 10)), rng.random((12, 1, 6, 10))], axis=1)
    >>> tested = actjax.significance_maps(maps, matrices, "pearson", replicates=100)
    >>> (tested.p_maxt < 0.05).ravel().tolist()
    [True, False]

    Args:
      maps: [b, n, f, t], as in `actjax.score_maps`; all clips are held at once, on the coarser grid.
      matrices: [b, k, rows, frames], likewise.
      metric: one name of a metric with the map view, with options as on the command line; or a Metric.
      recording_ids: [b] the recording of each clip: what is exchanged. A clip by itself when None.
      classes: [b] the class of each clip, one for all of a recording.
      replicates: how many times chance is tried; the smallest p is 1 / (replicates + 1).
      null: "within_class" or "unrestricted"; by default within_class where there are classes.
      mask: [b, frames] bool, False where a frame of the matrices does not count.
      seed: fixes the replicates.
      memory_gib: bound on what is held at a time beside the images.
      **hyper: the metric's options.

    Returns:
      `Significance`, every field [n, k].

    Raises:
      ValueError: what `actjax.score_maps` refuses, and what `actjax.significance` does; one line.

    Sources: Phipson and Smyth 2010 (p-values that cannot be 0); Westfall and Young 1993 (max-T).
    """
    chosen_metric = metric if isinstance(metric, Metric) else one_metric(metric, hyper)
    if null == "circular_shift":
        raise StatisticsError("maps are not shifted in time; take null = 'unrestricted' or 'within_class'")
    sides = containers.open_sides(maps, matrices)
    values = sides.activations.values, sides.features.values
    number_b = np.arange(len(values[0]))
    clips = Clips(number_b[:, None], np.ones((len(number_b), 1), bool), number_b)
    # What refuses comes before what takes long.
    draws = rearrangements(null, clips, recording_ids, classes, {"replicates": replicates, "seed": seed})
    on_grid = _on_grid(chosen_metric, *values, mask, round(memory_gib * 2**30))
    observed = score_maps(*values, chosen_metric, mask=mask, seed=seed, memory_gib=memory_gib)
    null_scores = metric_nulls.null_of(chosen_metric, on_grid, draws, memory_gib=memory_gib)
    return in_container(sides, np.asarray(observed), null_scores)


def _on_grid(metric: Metric, maps: Any, matrices: Any, mask: ArrayLike | None, memory: int) -> Sides:
    """Both sides on the coarser of their grids, as the metric observes them: images, or vectors of cells."""
    x, y = checks.images(maps, "maps", "n, f, t"), checks.images(matrices, "matrices", "k, rows, frames")
    if x.present is not None or y.present is not None:
        raise ValueError("expected arrays without masked entries; leave frames out by mask=")
    counts = ImageMask(checks.map_mask(x.values, y.values, mask))
    batches = []
    for batch in image_batches(metric, x.values, y.values, counts, memory):
        images, of_mask = (jnp.asarray(batch.x), jnp.asarray(batch.y)), cast(ImageMask, batch.mask)
        on_grid = regrid_images(images[0], images[1], of_mask, same_rows=metric.compares == "cells")
        batches.append([np.asarray(one)[batch.clip_mask_b] for one in on_grid])
    x_bnft, y_bkft, counts_bt = map(np.concatenate, zip(*batches, strict=True))
    whole = Sides(x_bnft, y_bkft, counts_bt, x_bnft.shape[3])
    return whole if metric.observes == "image" else _cells(whole)


def _cells(images: Sides) -> Sides:
    """Images as vectors of their cells, each frame's from the lowest row on."""
    b, _, f, t = images.x.shape
    x, y = (image.transpose(0, 2, 3, 1).reshape(b, f * t, -1) for image in (images.x, images.y))
    mask = np.repeat(images.mask[:, None], f, axis=1).reshape(b, f * t)
    return Sides(x, y, mask, images.frames)
