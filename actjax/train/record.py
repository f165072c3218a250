"""What a training run leaves beside its checkpoint: evaluation.json, train.json, entries of the manifest."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from flax import linen as nn

from actjax import files, parallel
from actjax.train import checkpoint
from actjax.train.evaluation import EvalResult
from actjax.train.loop import FitResult
from actjax.train.state import variable_shapes
from actjax.types import Frontend
from actjax.workdir import evaluation_record, manifest, train_record
from actjax.workdir.evaluation_record import Evaluation, ExcerptF1
from actjax.workdir.train_record import TrainRecord


def check_variables(
    folder: Path, variables: dict[str, Any], model: nn.Module, frontend: Frontend, clip_samples: int
) -> None:
    """Refuses variables that are not of the network to be trained in this workdir.

    Only a record that does not fit its checkpoint leads here: where both are whole, nothing is trained again.

    Raises:
      FileError: names the record, and the first array at fault.
    """
    wanted = variable_shapes(model, frontend, clip_samples)
    if difference := checkpoint.first_difference(variables, wanted):
        raise files.FileError(
            train_record.path_of(folder),
            f"does not fit the checkpoint beside it, which is of another network: expected {difference}; "
            "choose another workdir",
        )


class Data(Protocol):
    """What a record says of the data set; a `loader.Source` has it."""

    @property
    def class_names(self) -> tuple[str, ...]:
        """Of the labels."""
        ...

    @property
    def fingerprint(self) -> str:
        """A hash of all clips."""
        ...


def write(
    folder: Path,
    fitted: FitResult,
    result: EvalResult,
    f1: Sequence[ExcerptF1],
    *,
    data: Data,
    train_clips: int,
) -> None:
    """Writes them, and says how good the network is on the test clips.

    Args:
      folder: the workdir.
      fitted: the network.
      result: of all test clips.
      f1: of `prediction.excerpt_f1`, where the test clips have several labels.
      data: the data set.
      train_clips: how many clips the network was trained on.
    """
    evaluation_record.write(
        folder,
        Evaluation(
            accuracy=result.accuracy,
            loss=result.loss,
            class_names=data.class_names,
            confusion=result.confusion,
            clips=int(result.count),
            f1=f1,
        ),
    )
    record = TrainRecord(
        weights=checkpoint.content_hash(fitted.variables),
        steps=int(fitted.last_step),
        best_step=int(fitted.best_step),
        stopped_early=bool(fitted.stopped_early),
        test_accuracy=float(result.accuracy),
        seconds=float(fitted.seconds),
        train_clips=train_clips,
    )
    entries = {"dataset_fingerprint": data.fingerprint, "weights": record.weights}
    manifest.write(folder, devices=parallel.describe_devices(), **entries)
    # Last: whoever finds it takes the stage for done.
    train_record.write(folder, record)
    print(f"train: {record.steps} steps, best at {record.best_step}, test accuracy {result.accuracy:.3f}")
    for row in f1:
        if row.threshold == evaluation_record.SHOWN_THRESHOLD:
            averages = f"micro {row.micro[2]:.3f}, macro {row.macro[2]:.3f}"
            print(f"train: F1 over {row.excerpts} excerpts at threshold {row.threshold}: {averages}")
