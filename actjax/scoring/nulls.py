"""Nulls of a score run: what chance gives, and p-values corrected over families of tests."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from actjax import files
from actjax.data import loader
from actjax.scoring.observations import Observations
from actjax.scoring.tasks import ScoredTask, columns
from actjax.setup import NullOptions
from actjax.statistics import bootstrap, families, metric_nulls, permutations
from actjax.statistics.requirements import StatisticsError, check_replicates
from actjax.statistics.rescored import Sides
from actjax.types import Metric
from actjax.workdir.score_nulls import Family, Replicates

SHIFT = "circular_shift"


class AskedShifts(NamedTuple):
    """Rotations of clips in time, which are drawn for each grid: how many, by which seed, for which level."""

    replicates: int
    seed: int
    level: float


Rearrangements = permutations.Draws | AskedShifts


def draws(asked: NullOptions | None, source: loader.Source) -> Rearrangements | None:
    """The rearrangements of clips shared by all pairs, or None where no null is asked for.

    Raises:
      ValueError: too few recordings or replicates for the level; one line that says how many.
    """
    if asked is None:
        return None
    drawn = {"replicates": asked.replicates, "seed": asked.seed, "level": asked.level}
    if asked.kind == SHIFT:
        check_replicates(asked.replicates, asked.level)
        return AskedShifts(**drawn)
    if asked.kind == "unrestricted" or source.labels.ndim > 1:
        return permutations.unrestricted(source.recording_ids, **drawn)
    labels, names = source.labels.tolist(), source.class_names
    try:
        return permutations.within_class(source.recording_ids, labels, class_names=names, **drawn)
    except StatisticsError as error:
        raise StatisticsError(f"{error}; or --config.score.null=unrestricted") from None


def drawn_from(asked: NullOptions, source: loader.Source) -> str:
    """A hash of all that `draws` depends on."""
    return files.digest([asked.kind, asked.replicates, asked.seed, source.fingerprint])


def is_tested(asked: NullOptions | None, metric: Metric, view: str) -> bool:
    """Whether a metric gets a null in a view; one of the map view alone gets it there if it is named."""
    if asked is None or (asked.kind == SHIFT and view == "clip"):
        return False
    return metric.name in asked.metrics and (view in asked.views or metric.views == ("map",))


def make(
    rearrangements: Rearrangements | None, recordings: Sequence[Any], part: str, memory_gib: float
) -> Callable[[Observations, int, Metric], Mapping[str, Any]] | None:
    """What stored observations tell of a score's chance and error.

    Args:
      rearrangements: from `draws`.
      recordings: [b] the recording of each clip.
      part: `score.part`.
      memory_gib: `score.memory_gib`.

    Returns:
      (observations, network, metric) -> {"null_mean", "null_std", "p_value": [n, k], "null": members of the
      family}, and "recording_error" [n, k] where the score is a correlation; or None.
    """
    if rearrangements is None:
        return None

    def null(observations: Observations, network: int, metric: Metric) -> Mapping[str, Any]:
        rows, places = observations.rows(), columns(observations.problem, metric)
        whole = metric.level == "feature" and metric.observes == "vector"
        shape = (observations.problem.neurons, len(places))
        out: dict[str, Any] = {}
        members = []
        for valid, calls in observations.groups(rows, "feature" if whole else "row"):
            for together in calls:
                name = observations.problem.rows[together[0]][0]
                at = [[place for place, _ in places].index(name)] if whole else together
                tiles = [
                    _null_of_tile(observations, network, metric, tile, rows[together], valid)
                    for tile in observations.tiles()
                ]
                joined = families.join_tiles([tile for tile, _ in tiles])
                values = {"null_mean": joined.mean, "null_std": joined.std, "p_value": joined.p}
                errors = [error for _, error in tiles if error is not None]
                if errors:
                    values["recording_error"] = np.concatenate(errors)
                for key, value in values.items():
                    out.setdefault(key, np.full(shape, np.nan, np.float32))[:, at] = value
                members.append((at, joined))
        return out | {"null": members}

    def _null_of_tile(
        observations: Observations,
        network: int,
        metric: Metric,
        tile: tuple[int, int],
        rows: np.ndarray,
        valid: np.ndarray,
    ) -> tuple[families.Null, np.ndarray | None]:
        """The null of some neurons, and their standard errors over recordings where moments tell them."""
        sides = _sides(observations, observations.neurons(network, *tile), rows, valid, metric)
        chosen = _of_grid(rearrangements, sides)
        null_of_tile = metric_nulls.null_of(metric, sides, chosen, part=part, memory_gib=memory_gib)
        if metric_nulls.way_of(metric, part, sides.mask.shape[1] > 1) != "moments":
            return null_of_tile, None
        x, y, centre = metric_nulls.correlated_sides(metric, sides, part)
        of_clip = np.asarray(recordings)[np.sort(observations.clips)]
        return null_of_tile, bootstrap.correlation_errors(x, y, sides.mask, of_clip, centre=centre)

    return null


def correct(tasks: Sequence[ScoredTask]) -> dict[Family, Replicates]:
    """Adds q_value and p_maxt, [n, k], to the outputs; a family is one network, layer, view and metric.

    Where a score is undefined everything of its null is NaN: the null is computed from all observations,
    while the score has conditions of its own (enough valid clips). Its replicates still count in the
    largest of its family, which makes no p smaller.

    Returns:
      What each family keeps of its replicates, for corrections over the networks of several runs.
    """
    members: dict[Family, list[tuple[Any, list[int], families.Null]]] = {}
    for network, comparison, metric, outputs in tasks:
        key = Family(network, comparison.problem.layer.name, comparison.problem.view, metric.name)
        undefined = np.isnan(outputs["score"])
        for name in ("null_mean", "null_std", "p_value"):
            if name in outputs:
                outputs[name] = np.where(undefined, np.float32(np.nan), outputs[name])
        for at, null in outputs.pop("null", []):
            statistic = np.where(undefined[:, at], np.nan, null.statistic)
            members.setdefault(key, []).append((outputs, at, null._replace(statistic=statistic)))
    for family in members.values():
        corrections = families.correct([null for *_, null in family])
        for (outputs, at, _), corrected in zip(family, corrections, strict=True):
            for name, value in (("q_value", corrected.q), ("p_maxt", corrected.p_maxt)):
                whole = outputs.setdefault(name, np.full(outputs["score"].shape, np.nan, np.float32))
                whole[:, at] = value
    return {key: _replicates([null for *_, null in family]) for key, family in members.items()}


def _replicates(members: Sequence[families.Null]) -> Replicates:
    """What is kept of the replicates of a family's members."""
    counts = np.sum([null.counts for null in members], axis=0)
    bins = np.flatnonzero(counts)
    return Replicates(np.max([null.max_r for null in members], axis=0), bins, counts[bins])


def _sides(
    observations: Observations, neurons: np.ndarray, rows: np.ndarray, valid: np.ndarray, metric: Metric
) -> Sides:
    """Both sides of all clips, in the order of the source.

    Args:
      observations: the store of both sides.
      neurons: [n, b * o] of one network.
      rows: [k, b * o] the rows that are scored together.
      valid: [b * o] bool, where they are.
      metric: which takes them as vectors or images.
    """
    order = np.argsort(observations.clips, kind="stable")
    image, b = metric.observes == "image", len(order)

    def by_clip(columns_co: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        if image:
            return columns_co.reshape(len(columns_co), b, *shape).swapaxes(0, 1)[order]
        return columns_co.reshape(len(columns_co), b, -1).transpose(1, 2, 0)[order]

    y = by_clip(np.where(valid, rows, np.float32(0)), observations.row_shape)
    of_clip = valid.reshape(b, *observations.row_shape)[order]
    mask = np.asarray(of_clip.all(axis=1) if image else of_clip.reshape(b, -1))
    nuisance = None
    if "nuisance_oq" in metric.needs:
        nuisances = observations.nuisances()
        nuisance = None if nuisances is None else nuisances.reshape(b, mask.shape[1], -1)[order]
    x = by_clip(neurons, observations.neuron_shape)
    return Sides(x, y, mask, observations.row_shape[-1], observations.folds[order], nuisance)


def _of_grid(rearrangements: Rearrangements, sides: Sides) -> permutations.Draws | permutations.Shifts:
    """The rearrangements on a grid: shifts are the same shares of each clip's frames on every grid."""
    if isinstance(rearrangements, permutations.Draws):
        return rearrangements
    frames_valid = np.asarray(sides.mask.reshape(len(sides.mask), -1, sides.frames).any(axis=1))
    return permutations.circular_shift(frames_valid, **rearrangements._asdict())
