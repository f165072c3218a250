"""Keeps evaluation.json: how well the trained network does on the test clips."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from actjax import files

NAME = "evaluation.json"
# Of the thresholds at which F1 is kept, the one that is shown.
SHOWN_THRESHOLD = 0.5
_NUMBER = (int, float)


class ExcerptF1(NamedTuple):
    """F1 over excerpts, recordings of several labels, at one threshold of the outputs.

    Attributes:
      threshold: from which on a class counts as named.
      excerpts: how many there are.
      micro: (precision, recall, F1) of all excerpt-class pairs together.
      macro: the means over classes of each class's own.
    """

    threshold: float
    excerpts: int
    micro: tuple[float, float, float]
    macro: tuple[float, float, float]


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """What a network does on the test clips.

    Attributes:
      accuracy: share of clips right (with several labels: of clip-class pairs).
      loss: mean cross entropy in nats; NaN where an older version did not say.
      class_names: names of the classes.
      confusion: [c, c] clips, rows the true class, columns the one named.
      clips: how many clips were tested.
      f1: F1 over excerpts by threshold, where clips have several labels.
    """

    accuracy: float
    loss: float
    class_names: Sequence[str]
    confusion: np.ndarray
    clips: int
    f1: Sequence[ExcerptF1] = ()

    def shown_f1(self) -> ExcerptF1 | None:
        """F1 at SHOWN_THRESHOLD; None where clips have one label."""
        return next((row for row in self.f1 if row.threshold == SHOWN_THRESHOLD), None)

    def quality(self) -> tuple[float, str, str]:
        """(how well the network does, what that figure is, on what): F1 where clips have several labels."""
        if f1 := self.shown_f1():
            return f1.micro[2], f"micro F1 (macro {f1.macro[2]:.3f})", f"{f1.excerpts:,} held-out excerpts"
        return self.accuracy, "accuracy", f"{self.clips:,} held-out clips"


def path_of(workdir: Path) -> Path:
    """The file."""
    return workdir / NAME


def write(workdir: Path, evaluation: Evaluation) -> Path:
    """Writes an evaluation; F1 where there is some."""
    entries = {
        "accuracy": float(evaluation.accuracy),
        "loss": float(evaluation.loss),
        "class_names": list(evaluation.class_names),
        "confusion": np.asarray(evaluation.confusion).tolist(),
        "clips": evaluation.clips,
    }
    if evaluation.f1:
        entries["f1"] = [
            row._asdict() | {"micro": list(row.micro), "macro": list(row.macro)} for row in evaluation.f1
        ]
    return files.write_json(path_of(workdir), entries)


def read(workdir: Path) -> Evaluation | None:
    """The evaluation; None where the network was not evaluated.

    Raises:
      FileError: a file that is not as `write` makes it.
    """
    path = path_of(workdir)
    entries = files.read_json(path)
    if entries is None:
        return None
    with files.reading(path, "an evaluation; run --stage=train again"):
        return _checked(entries)


def _checked(entries: Mapping[str, Any]) -> Evaluation:
    names, counts = entries["class_names"], np.asarray(entries["confusion"])
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ValueError("expected a list of class_names")
    if counts.shape != (len(names), len(names)) or counts.dtype.kind != "i":
        raise ValueError(
            f"expected a confusion of {len(names)} x {len(names)} counts, got shape {counts.shape}"
        )
    return Evaluation(
        accuracy=_number(entries["accuracy"]),
        loss=_number(entries.get("loss", float("nan"))),
        class_names=names,
        confusion=counts,
        clips=int(_number(entries.get("clips", int(counts.sum())))),
        f1=tuple(
            ExcerptF1(
                _number(row["threshold"]),
                int(_number(row["excerpts"])),
                _three(row["micro"]),
                _three(row["macro"]),
            )
            for row in entries.get("f1", ())
        ),
    )


def _three(values: Any) -> tuple[float, float, float]:
    precision, recall, f1 = map(_number, values)
    return precision, recall, f1


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, _NUMBER):
        raise ValueError(f"expected a number, got {value!r:.40}")
    return value
