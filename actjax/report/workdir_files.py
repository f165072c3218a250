"""What a report is made of, read from a workdir; only the scores must be there.

| file | content |
|---|---|
| scores/*.parquet | the scores (see `actjax.scores.files`) |
| scores/*.examples.npz | pairs to show as pictures (see `actjax.artefacts.examples`) |
| scores/*.left_out.json | comparisons that could not be made (see `actjax.artefacts.left_out`) |
| evaluation.json | {"accuracy", "class_names", "confusion", ...}; confusion[true][predicted] |
| metrics.jsonl | the training curve (see `actjax.artefacts.curve`) |
| skipped.json | list of {"clip", "reason"} |
| config.json | the config |
"""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from actjax import files
from actjax.artefacts import curve, examples, left_out
from actjax.artefacts.examples import Example


@dataclasses.dataclass(frozen=True)
class Material:
    """All that a report shows besides the scores; what a workdir lacks is empty.

    Attributes:
      evaluation: None where the network was not evaluated.
      curve: the lines of metrics.jsonl.
      skipped: [(clip, reason)]; None where the data stage left no record here.
      left_out: [(layer, view, feature, reason)].
      examples: [Example].
      config: the nested config.
    """

    evaluation: Mapping[str, Any] | None = None
    curve: Sequence[Mapping[str, Any]] = ()
    skipped: Sequence[tuple[str, str]] | None = None
    left_out: Sequence[tuple[str, str, str, str]] = ()
    examples: Sequence[Example] = ()
    config: Mapping[str, Any] = dataclasses.field(default_factory=dict)


def read_material(workdir: Path, shown: Sequence[Example] | None = None) -> Material:
    """Reads a workdir; `shown` stands in for its examples.

    Raises:
      FileError: a file that is there but not as its writer makes it.
    """
    return Material(
        evaluation=_evaluation(workdir / "evaluation.json"),
        curve=curve.read(workdir / curve.NAME),
        skipped=_skipped(workdir / "skipped.json"),
        left_out=left_out.read(workdir / "scores"),
        examples=examples.read(workdir / "scores") if shown is None else shown,
        config=files.read_json(workdir / "config.json", {}),
    )


def quality(evaluation: Mapping[str, Any]) -> tuple[float, str, str]:
    """(how well the network does, what that figure is, on what): F1 where clips have several labels."""
    for row in evaluation.get("f1", ()):
        if row["threshold"] == 0.5:
            name = f"micro F1 (macro {row['macro'][2]:.3f})"
            return row["micro"][2], name, f"{row['excerpts']:,} held-out excerpts"
    clips = evaluation.get("clips", int(np.sum(evaluation["confusion"])))
    return evaluation["accuracy"], "accuracy", f"{clips:,} held-out clips"


def _evaluation(path: Path) -> Mapping[str, Any] | None:
    found = files.read_json(path)
    if found is None:
        return None
    with files.reading(path, "an evaluation; run --stage=train again"):
        names, counts = found["class_names"], np.asarray(found["confusion"])
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise ValueError("expected a list of class_names")
        if counts.shape != (len(names), len(names)) or counts.dtype.kind != "i":
            raise ValueError(
                f"expected a confusion of {len(names)} x {len(names)} counts, got shape {counts.shape}"
            )
        value, name, clips = quality(found)
        f"{value:.1%} {name} {clips}"  # every number of it can be written
    return found


def _skipped(path: Path) -> list[tuple[str, str]] | None:
    rows = files.read_json(path, kind=list)
    if rows is None:
        return None
    with files.reading(path, "a list of clips and reasons"):
        return [(str(row["clip"]), str(row["reason"])) for row in rows]
