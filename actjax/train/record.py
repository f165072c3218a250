"""What a training run leaves beside its checkpoint: evaluation.json, train.json, entries of the manifest."""

from pathlib import Path
from typing import Any

import numpy as np
from flax import linen as nn

from actjax import files, parallel, workdir
from actjax.train import checkpoint
from actjax.train.evaluation import EvalResult
from actjax.train.loop import FitResult
from actjax.train.state import variable_shapes
from actjax.types import Frontend


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
            folder / "train.json",
            f"does not fit the checkpoint beside it, which is of another network: expected {difference}; "
            "choose another workdir",
        )


def write(
    folder: Path, fitted: FitResult, result: EvalResult, test: Any, train_clips: int, scored: dict[str, Any]
) -> None:
    """Writes them, and says how good the network is on the test clips.

    Args:
      folder: the workdir.
      fitted, result: of the network.
      test: the source of the test clips.
      train_clips: how many it was trained on.
      scored: what else is known of the test clips: "f1" of `prediction.excerpt_f1`, or nothing.
    """
    evaluation = {
        "accuracy": float(result.accuracy),
        "loss": float(result.loss),
        "class_names": list(test.class_names),
        "confusion": np.asarray(result.confusion).tolist(),
        "clips": len(test),
    } | scored
    files.write_json(folder / "evaluation.json", evaluation)
    record = {
        "steps": int(fitted.last_step),
        "best_step": int(fitted.best_step),
        "seconds": float(fitted.seconds),
        "stopped_early": bool(fitted.stopped_early),
        "test_accuracy": float(result.accuracy),
        "weights": checkpoint.content_hash(fitted.variables),
        "train_clips": train_clips,
    }
    files.write_json(folder / "train.json", record)
    entries = {"dataset_fingerprint": test.fingerprint, "weights": record["weights"]}
    workdir.update_manifest(folder, devices=parallel.describe_devices(), **entries)
    print(
        f"train: {record['steps']} steps, best at {record['best_step']}, test accuracy {result.accuracy:.3f}"
    )
    for row in scored.get("f1", ()):
        if row["threshold"] == 0.5:
            averages = ", ".join(f"{name} {row[name][2]:.3f}" for name in ("micro", "macro"))
            print(f"train: F1 over {row['excerpts']} excerpts at threshold 0.5: {averages}")
