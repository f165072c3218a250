"""The network of a Keras file in a workdir, kept as training would have kept its own."""

from pathlib import Path
from typing import Any

from actjax import files, parallel, workdir
from actjax import run as runs
from actjax.nn.keras.importer import Imported
from actjax.options import comma_list
from actjax.train import checkpoint, options, state


def weights_file(config: Any) -> Path:
    """The file that config.weights names.

    Raises:
      FileNotFoundError: there is no such file.
      ValueError: config.weights is empty.
    """
    if not config.weights:
        raise ValueError("config.weights is empty: name the Keras file, --config.weights=weights.h5 say")
    path = Path(config.weights).expanduser()
    if not path.is_file():
        raise FileNotFoundError(f"config.weights: there is no file {path}; give a .h5, .hdf5 or .keras file")
    return path


def check_workdir(run: runs.Run, digest: str) -> None:
    """Refuses a workdir that has a network of its own, or of another file."""
    before = workdir.read_config(run.workdir).get("import")
    there = checkpoint.Checkpoints(run.workdir / "checkpoints").latest() is not None
    if before is None and (there or (run.workdir / "train.json").exists()):
        raise ValueError(f"{run.workdir} holds a network that was trained there: choose another --workdir")
    if before is not None and before.get("weights") != digest:
        raise ValueError(f"{run.workdir} holds the weights of another file: choose another --workdir")


def class_names(run: runs.Run, count: int) -> list[str]:
    """Names of the network's outputs; their numbers where nobody knows."""
    names = comma_list(run.config.classes)
    if names and len(names) != count:
        raise ValueError(f"config.classes names {len(names)} classes, the network has {count} outputs")
    if len(set(names)) != len(names):
        raise ValueError("config.classes names a class more than once")
    own = tuple(run.builder.class_names)
    return names or list(own if len(own) == count else map(str, range(count)))


def save(run: runs.Run, found: Imported, classes: list[str], digest: str) -> None:
    """A checkpoint of step 0, then train.json, which says that it is whole."""
    chosen = options.of_config(run.config.train, run.config.seed, multilabel=False)
    optimizer = options.make_optimizer(chosen, run.config.train.steps, 1)
    start = state.create(found.variables, optimizer, run.config.seed)
    kept = checkpoint.Checkpoints(run.workdir / "checkpoints")
    try:
        kept.save(0, {"finished": True}, state=start, best=found.variables)
    finally:
        kept.close()
    if parallel.process_index() == 0:
        weights = checkpoint.content_hash(found.variables)
        imported = {"file": Path(run.config.weights).name, "sha256": digest, "classes": classes}
        imported |= {"hyper": found.hyper, "layers": found.report}
        record = {"steps": 0, "best_step": 0, "seconds": 0.0, "stopped_early": False, "test_accuracy": None}
        record |= {"weights": weights, "train_clips": 0, "imported": imported}
        files.write_json(run.workdir / "train.json", record)
        workdir.update_manifest(run.workdir, devices=parallel.describe_devices(), weights=weights)
        made = ", ".join(f"{k} = {v}" for k, v in found.hyper.items())
        print(f"import: {len(found.report)} layers of {run.config.weights} fit; {made}")
    parallel.barrier()


def about(run: runs.Run) -> dict[str, Any]:
    """What train.json says of the imported weights."""
    return workdir.read_trained(run.workdir, "imported")["imported"]
