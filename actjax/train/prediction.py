"""Names the classes of a recording by the outputs for its clips, and scores these names by F1."""

import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from actjax.workdir.evaluation_record import ExcerptF1

RULES = ("mean", "sum_over_max")
F1_THRESHOLDS = (0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6)


class Scores(NamedTuple):
    """Precision, recall and F1 over recordings; 0 / 0 counts as 0, as IRMAS's evaluation has it.

    Attributes:
      micro: (precision, recall, f1) of all recording-class pairs together.
      macro: the means over classes of each class's own.
      per_class: [c, 3].
    """

    micro: tuple[float, float, float]
    macro: tuple[float, float, float]
    per_class: np.ndarray


def by_recording(
    probabilities_bc: np.ndarray, recording_ids: Sequence[str], rule: str = "mean"
) -> tuple[list[str], np.ndarray]:
    """Recordings in order of appearance, and [recordings, c] values from those of their clips.

    Args:
      probabilities_bc: [b, c] softmax or sigmoid outputs of every clip.
      recording_ids: the recording of each clip.
      rule: "mean" averages over clips (softmax outputs stay probabilities; ICMR 2017, EUSIPCO 2017);
        "sum_over_max" sums and divides by the recording's largest class, so that the largest is 1
        and one threshold suits excerpts of any length (Han et al. 2017, IRMAS).

    Raises:
      ValueError: an unknown rule, lengths that differ, or values that are no probabilities.
    """
    values = np.asarray(probabilities_bc, np.float64)
    if rule not in RULES:
        raise ValueError(f"expected rule to be one of {RULES}, got {rule!r}")
    if values.ndim != 2 or len(values) != len(recording_ids):
        raise ValueError(
            f"expected probabilities for each of {len(recording_ids)} clips, got shape {values.shape}"
        )
    if not ((values >= 0) & (values <= 1 + 1e-6)).all():
        raise ValueError("expected probabilities in 0 .. 1; apply softmax or sigmoid to the logits first")
    names = list(dict.fromkeys(recording_ids))
    place = {name: row for row, name in enumerate(names)}
    rows = np.array([place[name] for name in recording_ids], np.int64)
    totals = np.zeros((len(names), values.shape[1]))
    np.add.at(totals, rows, values)
    if rule == "mean":
        return names, totals / np.bincount(rows, minlength=len(names))[:, None]
    return names, totals / totals.max(1, keepdims=True)


def present(values_rc: np.ndarray, threshold: float) -> np.ndarray:
    """[r, c] bool, the classes at or above the threshold (0.25 to 0.60 in the IRMAS literature)."""
    if not 0 < threshold <= 1:
        raise ValueError(f"expected a threshold in (0, 1], got {threshold}")
    return np.asarray(values_rc) >= threshold


def f1_scores(named_rc: np.ndarray, labels_rc: np.ndarray) -> Scores:
    """Micro and macro precision, recall and F1 of binary [r, c] arrays.

    precision = TP / named, recall = TP / labelled, F1 = 2 TP / (named + labelled).
    """
    named, labels = np.asarray(named_rc, bool), np.asarray(labels_rc, bool)
    if named.shape != labels.shape or named.ndim != 2:
        raise ValueError(f"expected two arrays of one shape [r, c], got {named.shape} and {labels.shape}")
    counts = np.stack([(named & labels).sum(0), named.sum(0), labels.sum(0)]).astype(np.float64)
    per_class = np.stack(_ratios(*counts), 1)
    micro = _ratios(*counts.sum(1))
    precision, recall, f1 = (float(value) for value in micro)
    means = per_class.mean(0).tolist()
    return Scores((precision, recall, f1), (means[0], means[1], means[2]), per_class)


def excerpt_f1(
    probabilities_bc: np.ndarray, clip_ids: Sequence[str], labels_bc: np.ndarray
) -> list[ExcerptF1]:
    """F1 over excerpts of several labels, at the thresholds in use for IRMAS.

    Outputs of an excerpt's clips are summed and divided by the largest (`by_recording`). An
    excerpt is a file: clips that a long one is cut into bear its name, "#" and a number.

    Returns:
      One for each threshold.
    """
    recordings = [re.sub(r"#\d+$", "", name) for name in clip_ids]
    names, values = by_recording(probabilities_bc, recordings, "sum_over_max")
    labels = np.asarray(labels_bc)[np.unique(recordings, return_index=True)[1]]
    values = values[np.argsort(names)]
    scores = {threshold: f1_scores(present(values, threshold), labels) for threshold in F1_THRESHOLDS}
    return [ExcerptF1(at, len(names), score.micro, score.macro) for at, score in scores.items()]


def _ratios(hits: np.ndarray, named: np.ndarray, labelled: np.ndarray) -> list[np.ndarray]:
    tops, bottoms = (hits, hits, 2 * hits), (named, labelled, named + labelled)
    return [np.divide(t, b, out=np.zeros_like(t), where=b > 0) for t, b in zip(tops, bottoms, strict=True)]
