"""Nulls of a score run: what chance gives, and p-values corrected over families of tests."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from actjax.data import loader
from actjax.options import comma_list
from actjax.scoring.observations import Observations
from actjax.similarity.api import make_metric
from actjax.statistics import bootstrap, families, nulls, permutations

# How each metric's moments are centred, in the clip view and otherwise; others have no moment null. Cosine
# within clips is a mean over clips, of which the moments of all clips together know nothing.
CENTRES = {"pearson": ("all", "clip"), "cosine": ("none", None)}


def draws(config: Any, source: loader.Source) -> permutations.Draws | None:
    """The rearrangements of recordings shared by all pairs, or None where no null is asked for.

    Raises:
      ValueError: too few recordings or replicates for the level; one line that says how many.
    """
    options = config.score
    if options.null == "none" or options.replicates == 0:
        return None
    chosen = {"replicates": options.replicates, "seed": config.seed, "level": options.level}
    if options.null == "unrestricted" or source.labels.ndim > 1:
        return permutations.unrestricted(source.recording_ids, **chosen)
    labels, names = source.labels.tolist(), source.class_names
    return permutations.within_class(source.recording_ids, labels, class_names=names, **chosen)


def tested(config: Any) -> tuple[str, ...]:
    """The chosen metrics that get a null; those that may be named are the keys of CENTRES."""
    if config.score.null == "none" or config.score.replicates == 0:
        return ()
    return tuple(comma_list(config.score.null_metrics))


def make(
    chosen: permutations.Draws | None, recordings: Sequence[Any], part: str, memory_gib: float
) -> Callable[..., Any] | None:
    """What observations that are kept tell of a score's chance and error.

    Args:
      chosen: from `draws`.
      recordings: [b] the recording of each clip.
      part: `score.part`.
      memory_gib: `score.memory_gib`.

    Returns:
      (observations, network, metric) -> {"null_mean", "null_std", "p_value", "std_error": [n, k],
      "null": parts}, empty where the metric has no moment null in that view; or None.
    """
    if chosen is None:
        return None

    def null(kept: Observations, network: int, metric: str) -> Mapping[str, Any]:
        clip_view = kept.problem.view == "clip"
        centre = CENTRES[metric][0 if clip_view else 1]
        if centre is None:
            return {}
        if part == "total" and not clip_view:
            centre = "all"
        rows, n = kept.rows(), kept.problem.neurons
        order = np.argsort(kept.clips, kind="stable")
        own = np.asarray(recordings)[kept.clips[order]]
        names = ("null_mean", "null_std", "p_value", "std_error")
        out = {name: np.full((n, len(rows)), np.nan, np.float32) for name in names}
        parts = []
        for valid, [together] in kept.groups(rows):
            y = _blocked(np.where(valid, rows[together], np.float32(0)), kept.per_clip)[order]
            mask = valid.reshape(-1, kept.per_clip)[order]
            signed = make_metric(metric).signed
            tiles = []
            for first, stop in kept.tiles():
                x = _blocked(kept.neurons(network, first, stop), kept.per_clip)[order]
                tile = nulls.moment_null(
                    x, y, mask, chosen, centre=centre, signed=signed, memory_gib=memory_gib
                )
                tiles.append(tile)
                errors = bootstrap.correlation_errors(x, y, mask, own, centre=centre)
                out["std_error"][first:stop, together] = errors
            found = families.join_tiles(tiles)
            for name, value in (("null_mean", found.mean), ("null_std", found.std), ("p_value", found.p)):
                out[name][:, together] = value
            parts.append((together, found))
        return out | {"null": parts}

    return null


def correct(found: Sequence[Any]) -> None:
    """Adds q_value and p_maxt, [n, k], to the results; a family is one network, layer, view and metric.

    Where a score is undefined everything of its null is NaN: the null is computed from all observations,
    while the score has conditions of its own (enough valid clips). Its replicates still count in the
    largest of its family, which makes no p smaller.
    """
    members: dict[tuple[str, ...], list[tuple[Any, list[int], families.Null]]] = {}
    for network, comparison, metric, outputs in found:
        key = (network, comparison.problem.layer.name, comparison.problem.view, metric)
        undefined = np.isnan(outputs["score"])
        for name in ("null_mean", "null_std", "p_value"):
            if name in outputs:
                outputs[name] = np.where(undefined, np.float32(np.nan), outputs[name])
        for together, part in outputs.pop("null", []):
            statistic = np.where(undefined[:, together], np.nan, part.statistic)
            members.setdefault(key, []).append((outputs, together, part._replace(statistic=statistic)))
    for family in members.values():
        for (outputs, together, _), corrected in zip(
            family, families.correct([part for *_, part in family]), strict=True
        ):
            for name, value in (("q_value", corrected.q), ("p_maxt", corrected.p_maxt)):
                whole = outputs.setdefault(name, np.full(outputs["score"].shape, np.nan, np.float32))
                whole[:, together] = value


def _blocked(columns_co: np.ndarray, per_clip: int) -> np.ndarray:
    """[c, b * o] -> [b, o, c]."""
    return columns_co.reshape(len(columns_co), -1, per_clip).transpose(1, 2, 0)
