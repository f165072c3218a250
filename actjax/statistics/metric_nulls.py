"""The null of any metric in any view: takes the quickest way that the metric's structure allows."""

import numpy as np

from actjax.statistics import controls, families, nulls, rescored
from actjax.statistics.permutations import Draws, Shifts
from actjax.statistics.requirements import StatisticsError
from actjax.statistics.rescored import Sides
from actjax.types import Metric

# moments: all replicates are one product of sums over clips. pairs: every clip is scored with each that it
# can meet, and replicates are means of these. whole: every replicate is scored anew.
WAYS = ("moments", "pairs", "whole")


def null_of(
    metric: Metric, sides: Sides, draws: Draws | Shifts, *, part: str = "within", memory_gib: float = 1.0
) -> families.Null:
    """Null scores of every neuron against every feature row under one metric.

    Args:
      metric: what `actjax.similarity.api.make_metric` returns.
      sides: both sides of all clips, o = 1 in the clip view. For level "feature" on vectors the k rows are
        one feature. A metric that holds nuisances fixed is scored on residuals: neuron and feature are
        rearranged as what their own clip's nuisances leave of them.
      draws: from `permutations`; the same for all members of a family.
      part: "within" clips, or "total" (in the clip view both mean the values of clips).
      memory_gib: bound on what is held at a time.

    Returns:
      `families.Null`; its `score` is the metric's score on the observed pairing.

    Raises:
      StatisticsError: a metric that needs nuisance rows comes without them, or a clip of one observation is
        to be shifted.
    """
    observations = sides.mask.shape[1]
    if isinstance(draws, Shifts) and observations == 1:
        raise StatisticsError(
            "one value a clip cannot be shifted in time: permute recordings in the clip view"
        )
    way = way_of(metric, part, observations > 1, shifts=isinstance(draws, Shifts))
    if way == "moments":
        x, y, centre = correlated_sides(metric, sides, part)
        options = {"centre": centre, "signed": metric.signed, "frames": sides.frames}
        return nulls.moment_null(x, y, sides.mask, draws, memory_gib=memory_gib, **options)
    if isinstance(draws, Draws) and way == "pairs":
        return rescored.clip_pairs_null(metric, sides, draws, memory_gib=memory_gib)
    clip_by_clip = is_clip_by_clip(metric, part, observations > 1)
    options = {"clip_by_clip": clip_by_clip, "within": part == "within", "memory_gib": memory_gib}
    return rescored.whole_null(metric, sides, draws, **options)


def way_of(metric: Metric, part: str, several: bool, *, shifts: bool = False) -> str:
    """Which of WAYS a null takes.

    Args:
      metric: whose null it is.
      part: as in `null_of`.
      several: whether a clip has several observations.
      shifts: whether clips are rotated in time and not permuted.
    """
    one_by_one = is_clip_by_clip(metric, part, several)
    if metric.null == "centred" or (metric.null == "raw" and not one_by_one):
        return "moments"
    return "pairs" if one_by_one and not shifts else "whole"


def is_clip_by_clip(metric: Metric, part: str, several: bool) -> bool:
    """Whether a score is the mean over clips of the clips' own scores."""
    return metric.observes == "image" or (part == "within" and several and metric.within == "per_clip")


def correlated_sides(metric: Metric, sides: Sides, part: str) -> tuple[np.ndarray, np.ndarray, str]:
    """(x, y, how they are centred) of a metric whose null is one of moments; residuals where it needs them.

    Raises:
      StatisticsError: the nuisance rows are missing.
    """
    centre = "clip" if part == "within" and sides.mask.shape[1] > 1 else "all"
    if metric.null == "raw":
        return sides.x, sides.y, "none"
    if "nuisance_oq" not in metric.needs:
        return sides.x, sides.y, centre
    if sides.nuisance is None:
        raise StatisticsError(f"{metric.name} needs the nuisance rows that are held fixed")
    x, y = (
        np.asarray(controls.residuals(side, sides.nuisance, sides.mask, centre=centre))
        for side in (sides.x, sides.y)
    )
    return x, y, centre
