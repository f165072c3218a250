"""Selects the best pairs on one half of the recordings and reports them on the other, free of optimism."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from actjax.statistics.requirements import StatisticsError


class CrossFitted(NamedTuple):
    """What is best in one half of the recordings, measured in the other.

    Attributes:
      score: mean over splits and both directions of the chosen candidate's score in the half that did
        not choose it, times the sign it was chosen with.
      scores: [s, 2] the same before averaging; [:, 0] was chosen on the first half.
      chosen: [s, 2, axes] indices of the chosen candidate along the candidate axes.
      sign: [s, 2] +1 or -1, the direction it was chosen in; +1 throughout for unsigned metrics.
    """

    score: float
    scores: np.ndarray
    chosen: np.ndarray
    sign: np.ndarray


def split_halves(
    recording_ids: Sequence[Any] | np.ndarray,
    class_ids: Sequence[Any] | np.ndarray | None,
    *,
    splits: int = 1,
    seed: int = 0,
) -> np.ndarray:
    """[s, 2, b] bool: random halves of the recordings, whole recordings, each class divided evenly.

    Args:
      recording_ids: [b] the recording of each clip.
      class_ids: [b] the class of each clip, or None for data without classes.
      splits: s, how many times the recordings are divided.
      seed: fixes the halves.

    Raises:
      StatisticsError: a class has a single recording, so that one half would lack it.
    """
    recordings, number_b = np.unique(np.asarray(recording_ids), return_inverse=True)
    classes_b = np.zeros(len(number_b), int) if class_ids is None else np.asarray(class_ids)
    class_of = np.empty(len(recordings), classes_b.dtype)
    class_of[number_b] = classes_b
    rng = np.random.default_rng([seed, 2])
    first_sm = np.zeros((splits, len(recordings)), bool)
    for label in np.unique(class_of):
        members = np.flatnonzero(class_of == label)
        if len(members) < 2:
            raise StatisticsError(f"class {label} has one recording; to divide it into halves it needs 2")
        order = np.argsort(rng.random((splits, len(members))), axis=1)
        # Of an odd number, either half gets one more.
        size = (len(members) + rng.integers(0, 2, (splits, 1))) // 2
        first_sm[:, members] = order < size
    first_sb = first_sm[:, number_b]
    return np.stack([first_sb, ~first_sb], axis=1)


def cross_fit(scores_sh: np.ndarray, *, signed: bool) -> CrossFitted:
    """Chooses the best candidate in each half and reports it in the other.

    Args:
      scores_sh: [s, 2, candidates ...], scores in both halves of each split; the candidate axes are
        whatever is searched over: neurons, rows, lags. NaN is never chosen.
      signed: the largest magnitude is best, and its sign is part of the choice.

    Returns:
      `CrossFitted`; NaN where a half has no valid candidate or the other half lacks it.
    """
    scores = np.asarray(scores_sh, np.float64)
    if scores.ndim < 3 or scores.shape[1] != 2:
        raise StatisticsError(f"expected scores [splits, 2, candidates ...], got shape {scores.shape}")
    shape = scores.shape[2:]
    flat = scores.reshape(len(scores), 2, -1)
    merit = np.where(np.isnan(flat), -np.inf, np.abs(flat) if signed else flat)
    best = merit.argmax(axis=2)
    chosen_on = np.take_along_axis(flat, best[:, :, None], axis=2)[:, :, 0]
    sign = np.where(signed & (chosen_on < 0), -1, 1)
    elsewhere = np.take_along_axis(flat[:, ::-1], best[:, :, None], axis=2)[:, :, 0]
    reported = np.where(np.isnan(chosen_on), np.nan, elsewhere * sign)
    chosen = np.stack(np.unravel_index(best, shape), axis=2)
    valid = ~np.isnan(reported)
    score = float(reported[valid].mean()) if valid.any() else float("nan")
    return CrossFitted(score, reported, chosen, sign)


def stability(scores_shnk: np.ndarray, groups_k: Sequence[int], *, signed: bool) -> np.ndarray:
    """[n] the share of splits in which both halves agree on a neuron's best feature.

    It bounds nothing: units are deterministic, halves differ by their recordings only. NaN for a
    neuron without a valid score.
    """
    scores = np.asarray(scores_shnk, np.float64)
    merit = np.where(np.isnan(scores), -np.inf, np.abs(scores) if signed else scores)
    best = np.asarray(groups_k)[merit.argmax(axis=3)]
    agree = (best[:, 0] == best[:, 1]).mean(axis=0)
    return np.where(np.isneginf(merit).all(axis=(0, 1, 3)), np.nan, agree)
