"""Whether units that stand for pitches follow the row of a chromagram that is their own."""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from actjax.extraction.shared import PITCH_CLASSES
from actjax.scores.schema import codes

if TYPE_CHECKING:
    import pyarrow

SOUNDS = 0.2
NEAR_CENTS = 20.0


class PitchClasses(NamedTuple):
    """How many bins have their own pitch class as the best chroma row.

    Attributes:
      bins: of those that sound, which is that the best |r| is above SOUNDS, how many.
      followed: how many of these have their own as best row.
      near, near_followed: the same of bins within NEAR_CENTS of a semitone.
    """

    bins: int
    followed: int
    near: int
    near_followed: int


def follow(table: "pyarrow.Table", outputs: Sequence[str]) -> PitchClasses | None:
    """Counts the bins of the deepest layer; None where the outputs are not named by frequencies ("440.0 Hz").

    Args:
      table: from `load_scores`, with chroma_cqt in the frame view.
      outputs: names of the network's outputs.
    """
    hz = [re.fullmatch(r"([\d.]+) Hz", name) for name in outputs]
    if not hz or not all(hz):
        return None
    keep = np.ones(len(table), bool)
    wanted = {"network": "trained", "metric": "pearson", "view": "frame", "feature": "chroma_cqt"}
    for name, value in wanted.items():
        numbers, known = codes(table, name)
        keep &= numbers == (known.index(value) if value in known else -1)
    depths = table["depth"].to_numpy()
    keep &= depths == depths[keep].max(initial=-np.inf)
    some = table.filter(keep)
    scores = np.full((len(outputs), 12), np.nan)
    rows = [PITCH_CLASSES.index(name) for name in some["row_name"].to_pylist()]
    scores[some["neuron"].to_numpy(), rows] = some["score"].to_numpy(zero_copy_only=False)
    semitones = np.array([69 + 12 * np.log2(float(match[1]) / 440) for match in hz if match])
    sounding = np.nan_to_num(np.abs(scores), nan=0.0).max(1) > SOUNDS
    follows = np.nan_to_num(scores, nan=-np.inf).argmax(1) == np.round(semitones).astype(int) % 12
    near = np.abs(semitones - np.round(semitones)) * 100 <= NEAR_CENTS
    return PitchClasses(
        int(sounding.sum()),
        int((sounding & follows).sum()),
        int((sounding & near).sum()),
        int((sounding & near & follows).sum()),
    )


def said(bins: PitchClasses) -> str:
    """The counts in a sentence."""
    return (
        f"pitch classes: {bins.bins} bins sound (best |r| > {SOUNDS:g}), {bins.followed} of them have their "
        "own as best chroma row; "
        f"within {NEAR_CENTS:g} cents of a semitone {bins.near_followed} of {bins.near}"
    )
