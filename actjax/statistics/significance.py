"""The public p-values: arrays from anywhere in, scores with what chance gives out."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from actjax import containers
from actjax.similarity import checks
from actjax.similarity.api import score
from actjax.similarity.chosen import chosen
from actjax.similarity.labels import Labels
from actjax.similarity.narrow import narrow
from actjax.statistics import families, metric_nulls, permutations
from actjax.statistics.requirements import StatisticsError
from actjax.statistics.rescored import Sides
from actjax.types import Metric


class Significance(NamedTuple):
    """Scores of all pairs and what chance gives them; every field is [n, k], in the arrays' own container.

    Attributes:
      score: as `actjax.score` gives it.
      null_mean, null_std: of the replicates.
      z: (score - null_mean) / null_std.
      p: (1 + replicates that reach the score) / (1 + replicates), of each pair by itself.
      p_maxt: the same against the largest of all pairs in each replicate: the chance that any pair of the
        family comes so far, where none is related.
      q: the false discovery rate by Benjamini and Hochberg.

    z, p, p_maxt and q are NaN where the score or that of a replicate is undefined, and where no replicate
    differs from the score: a neuron that is active in one class alone keeps its score within the classes.
    """

    score: Any
    null_mean: Any
    null_std: Any
    z: Any
    p: Any
    p_maxt: Any
    q: Any


class Clips(NamedTuple):
    """Observations by clip.

    Attributes:
      place_bo: [b, o] the observation of each place, 0 where the clip has no more.
      valid_bo: [b, o] bool, False there and where the caller's mask is.
      first_b: [b] an observation of each clip.
    """

    place_bo: np.ndarray
    valid_bo: np.ndarray
    first_b: np.ndarray


def significance(
    activations: Any,
    features: Any,
    metric: str | Metric = "pearson",
    clip_ids: Labels | None = None,
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
    """Scores of every neuron with every feature row, and how often chance comes as far.

    A replicate hands the features of whole recordings to other recordings, so that neuron and feature have
    nothing to do with each other, and scores all pairs again. With `classes` they stay within their class:
    what neuron and feature share by the classes alone is then in the null, and is no evidence.

    >>> rng = np.random.default_rng(0)
    >>> feature = rng.normal(size=(40, 1))
    >>> neurons = np.hstack([feature + rng.normal(size=(40, 1)), rng.normal(size=(40, 1))])
    >>> tested = actjax.significance(neurons, feature, replicates=200)
    >>> (tested.p_maxt < 0.05).ravel().tolist()
    [True, False]

    Args:
      activations: [o, n] real numbers, as in `actjax.score`.
      features: [o, k], likewise.
      metric: one name of `actjax.list_metrics()`, with options as on the command line; or a Metric.
      clip_ids: [o] the clip of each observation; the observations of a clip are its frames, in their
        order. Given, scores are within clips. None: each observation is a clip by itself.
      recording_ids: [o] the recording of each observation: what is exchanged. A clip by itself when None.
      classes: [o] the class of each observation, one for all of a recording.
      replicates: how many times chance is tried; the smallest p is 1 / (replicates + 1).
      null: "within_class", "unrestricted", or "circular_shift", which turns each clip's feature in time.
        By default within_class where there are classes, else unrestricted.
      mask: [o] bool, False where an observation does not count.
      seed: fixes the replicates.
      memory_gib: bound on what is held at a time.
      **hyper: the metric's options.

    Returns:
      `Significance`, in pandas tables, polars tables or tensors where the activations came in such.

    Raises:
      ValueError: what `actjax.score` refuses; several metrics; a recording of two classes; too few
        recordings or replicates for p-values below 0.05; one line.

    Sources: Phipson and Smyth 2010 (p-values that cannot be 0); Westfall and Young 1993 (max-T).
    """
    chosen_metric = metric if isinstance(metric, Metric) else one_metric(metric, hyper)
    sides = containers.open_sides(activations, features)
    values = sides.activations.values, sides.features.values
    counts = checks.mask(mask, len(values[0]))
    clips = _by_clip(containers.labels(clip_ids), counts, len(values[0]))
    # What refuses comes before what takes long.
    draws = rearrangements(null, clips, recording_ids, classes, {"replicates": replicates, "seed": seed})
    observed = score(*values, chosen_metric, clip_ids, mask=mask, seed=seed, memory_gib=memory_gib)
    null_scores = metric_nulls.null_of(
        chosen_metric, _by_sides(chosen_metric, values, counts, clips), draws, memory_gib=memory_gib
    )
    return in_container(sides, np.asarray(observed), null_scores)


def in_container(sides: containers.Sides, scores: np.ndarray, null_scores: families.Null) -> Significance:
    """The result in the arrays' own container; what is said of a score that is undefined is so too."""
    [corrected] = families.correct([null_scores])
    columns = (null_scores.mean, null_scores.std, null_scores.z, null_scores.p, corrected.p_maxt, corrected.q)
    blank = [np.where(np.isnan(scores), np.float32(np.nan), np.asarray(one, np.float32)) for one in columns]
    return Significance(*(sides.give(one) for one in (scores, *blank)))


def _by_sides(metric: Metric, values: tuple[Any, Any], counts: np.ndarray | None, clips: "Clips") -> Sides:
    """Both sides in float32, by clip; raises ValueError where entries are masked."""
    by_clip = []
    for array, name, axis in zip(values, ("activations", "features"), "nk", strict=True):
        side = checks.matrix(array, name, axis)
        if side.present is not None:
            raise ValueError("expected arrays without masked entries; leave observations out by mask=")
        mask = None if counts is None else counts[:, None]
        narrowed = narrow(np.asarray(side.values), mask, set(metric.invariant_to))
        by_clip.append(np.where(clips.valid_bo[..., None], narrowed[clips.place_bo], np.float32(0)))
    return Sides(*by_clip, mask=clips.valid_bo, frames=clips.valid_bo.shape[1])


def one_metric(spec: str, hyper: dict[str, Any]) -> Metric:
    """The metric of a spec; raises ValueError for several."""
    asked, single = chosen(spec, hyper)
    if not single:
        raise ValueError(f"expected one metric, whose scores are one family of tests, got {', '.join(asked)}")
    [one] = asked.values()
    return one.metric


def _by_clip(clip_ids: Labels | None, counts: np.ndarray | None, o: int) -> Clips:
    """Lays the observations out by clip, each clip's in their order."""
    code = np.arange(o) if clip_ids is None else checks.labels(clip_ids, "clip_ids", o).code_o
    assert code is not None, "there are labels"
    order = np.argsort(code, kind="stable")
    sizes = np.bincount(code)
    ends = np.cumsum(sizes)
    within = np.arange(o) - np.repeat(ends - sizes, sizes)
    place = np.zeros((len(sizes), sizes.max()), np.int64)
    valid = np.zeros(place.shape, bool)
    place[code[order], within] = order
    valid[code[order], within] = True if counts is None else counts[order]
    return Clips(place, valid, order[ends - sizes])


def rearrangements(
    null: str | None,
    clips: Clips,
    recording_ids: Labels | None,
    classes: Labels | None,
    drawn: dict[str, Any],
) -> permutations.Draws | permutations.Shifts:
    """The rearrangements of the clips that a null is made of."""
    kind = null or ("unrestricted" if classes is None else "within_class")
    if kind not in permutations.NULLS:
        raise ValueError(f"null knows {', '.join(permutations.NULLS)}; got {null!r}")
    if kind == "circular_shift":
        return permutations.circular_shift(clips.valid_bo, **drawn)
    recordings = _of_clips(recording_ids, "recording_ids", clips)
    if recordings is None:
        recordings = np.arange(len(clips.first_b))
    if kind == "unrestricted":
        return permutations.unrestricted(recordings, **drawn)
    labels = _of_clips(classes, "classes", clips)
    if labels is None:
        raise ValueError("null = 'within_class' needs classes [o]: the class of each observation")
    return permutations.within_class(recordings, labels, **drawn)


def _of_clips(values: Labels | None, name: str, clips: Clips) -> np.ndarray | None:
    """[b] the label of each clip as a whole number, which all its observations must have."""
    if values is None:
        return None
    o = int(clips.place_bo.max()) + 1
    code = checks.labels(containers.labels(values), name, o).code_o
    assert code is not None, "there are labels"
    of_clip = code[clips.first_b]
    exists = clips.place_bo > 0
    differs = (code[clips.place_bo] != of_clip[:, None]) & exists
    if differs.any():
        clip = int(np.argmax(differs.any(axis=1)))
        raise StatisticsError(
            f"expected one of {name} for all observations of a clip, got two in clip {clip}"
        )
    return of_clip
