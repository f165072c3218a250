"""Keeps predictions_<split>.csv: what an imported network calls every recording of a split."""

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from actjax import files

_COLUMNS = ("recording_id", "labels", "named", "probability")


class Prediction(NamedTuple):
    """What the network says of one recording.

    Attributes:
      recording_id: the recording.
      labels: its labels by the data set.
      probabilities_c: [c] the mean output of its clips for each class.
    """

    recording_id: str
    labels: Sequence[str]
    probabilities_c: np.ndarray


def path_of(workdir: Path, split: str) -> Path:
    """The file of a split."""
    return workdir / f"predictions_{split}.csv"


def write(path: Path, class_names: Sequence[str], predictions: Iterable[Prediction]) -> Path:
    """Writes a line a recording: its id, labels, the class named and its probability, then all classes'."""
    with files.written_whole(path) as aside, open(aside, "w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow([*_COLUMNS, *class_names])
        for recording_id, labels, probabilities_c in predictions:
            best, cells = int(np.argmax(probabilities_c)), [f"{p:.4f}" for p in probabilities_c]
            table.writerow([recording_id, ";".join(labels), class_names[best], cells[best], *cells])
    return path


def read(path: Path) -> tuple[list[str], list[Prediction]]:
    """The class names and the predictions, probabilities to four decimals.

    Raises:
      FileNotFoundError: there is no file.
      FileError: it is damaged.
    """
    with files.reading(path, "predictions"), open(path, newline="", encoding="utf-8") as file:
        first, *lines = csv.reader(file)
        start = len(_COLUMNS)
        return first[start:], [
            Prediction(line[0], line[1].split(";") if line[1] else [], np.asarray(line[start:], np.float64))
            for line in lines
        ]
