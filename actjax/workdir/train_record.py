"""Keeps train.json: how the network of a workdir was trained, or of which file its weights are."""

import dataclasses
from pathlib import Path
from typing import Any

from actjax import files

NAME = "train.json"
_REMEDY = "delete it and run --stage=train (or import) again"
_NEEDED = {
    "weights": str,
    "steps": int,
    "best_step": int,
    "stopped_early": bool,
    "test_accuracy": (float, type(None)),
}
# Records of the first version lack them.
_OPTIONAL = {"seconds": float, "train_clips": int, "imported": dict}
_IMPORTED = {"file": str, "sha256": str, "classes": list, "hyper": dict, "layers": list}


@dataclasses.dataclass(frozen=True)
class ImportRecord:
    """Where imported weights are from.

    Attributes:
      file: the name of the weights' file.
      sha256: its hash.
      classes: names of the network's outputs.
      hyper: options of the model that the weights fit.
      layers: which arrays of the file became which of the model's, a line each.
    """

    file: str
    sha256: str
    classes: list[str]
    hyper: dict[str, Any]
    layers: list[Any]


@dataclasses.dataclass(frozen=True)
class TrainRecord:
    """How a network came to be.

    Attributes:
      weights: hash of the best variables, `checkpoint.content_hash`.
      steps: training steps done; 0 of an imported network.
      best_step: the step of the best variables.
      stopped_early: whether evaluations without a better one ended it.
      test_accuracy: share of test clips right; None where it was not tested.
      seconds: of training; None where an older version did not say.
      train_clips: clips that it was trained on; None likewise.
      imported: where its weights are from; None of a network that was trained here.
    """

    weights: str
    steps: int
    best_step: int
    stopped_early: bool
    test_accuracy: float | None
    seconds: float | None = None
    train_clips: int | None = None
    imported: ImportRecord | None = None

    def as_json(self) -> dict[str, Any]:
        """The object that the file holds."""
        entries = dataclasses.asdict(self)
        return {k: v for k, v in entries.items() if v is not None or k == "test_accuracy"}


def path_of(workdir: Path) -> Path:
    """The file, whose presence says that the workdir's network is complete."""
    return workdir / NAME


def write(workdir: Path, record: TrainRecord) -> Path:
    """Writes the record; after the checkpoint that it names."""
    return files.write_json(path_of(workdir), record.as_json())


def read(workdir: Path) -> TrainRecord | None:
    """The record; None where the workdir holds no network.

    Raises:
      FileError: it is damaged, or lacks one of its entries.
    """
    path = path_of(workdir)
    entries = files.read_json(path, remedy=_REMEDY)
    if entries is None:
        return None
    files.fields(path, entries, _NEEDED, _OPTIONAL, remedy=_REMEDY)
    known = {name: entries[name] for name in (*_NEEDED, *_OPTIONAL) if name in entries}
    if "imported" in known:
        files.fields(path, known["imported"], _IMPORTED, remedy=_REMEDY)
        known["imported"] = ImportRecord(**{name: known["imported"][name] for name in _IMPORTED})
    return TrainRecord(**known)


def need(workdir: Path, asked_by: str = "") -> TrainRecord:
    """The record of a network that must be there.

    Args:
      workdir: the run's folder.
      asked_by: the option that names the folder, as in "findings.label_control: "; in front of the message.

    Raises:
      FileNotFoundError: the workdir holds no network.
      FileError: the record is damaged.
    """
    record = read(workdir)
    if record is None:
        raise FileNotFoundError(
            f"{asked_by}{workdir} holds no trained network: run --stage=train (or all) first"
        )
    return record
