"""Keeps the network of somebody else's file in a workdir as training keeps its network."""

from pathlib import Path

from actjax import parallel, runs
from actjax.nn.imported import Imported
from actjax.options import comma_list
from actjax.train import checkpoint, options, state
from actjax.workdir import checkpoint_files, manifest, recorded_config, train_record
from actjax.workdir.train_record import ImportRecord, TrainRecord


def check_workdir(run: runs.Run, digest: str) -> None:
    """Refuses a workdir whose network was trained there, or is of another file."""
    is_imported = recorded_config.is_imported(run.workdir)
    has_checkpoint = checkpoint.Checkpoints(checkpoint_files.path_of(run.workdir)).latest() is not None
    if not is_imported and (has_checkpoint or train_record.path_of(run.workdir).exists()):
        raise ValueError(f"{run.workdir} holds a network that was trained there: choose another --workdir")
    if is_imported and recorded_config.imported_sha256(run.workdir) != digest:
        raise ValueError(f"{run.workdir} holds the weights of another file: choose another --workdir")


def class_names(run: runs.Run, imported: Imported) -> list[str]:
    """Names of the network's outputs: config.classes, its makers', the data set's if as many, or numbers."""
    names, count = comma_list(run.config.classes) or list(imported.classes), imported.hyper["num_classes"]
    if names and len(names) != count:
        raise ValueError(f"config.classes names {len(names)} classes, the network has {count} outputs")
    if len(set(names)) != len(names):
        raise ValueError("config.classes names a class more than once")
    of_data = tuple(run.builder.class_names)
    return names or list(of_data if len(of_data) == count else map(str, range(count)))


def save(run: runs.Run, imported: Imported, classes: list[str], digest: str) -> None:
    """Writes a checkpoint of step 0, then the record that says that the network is complete."""
    chosen = options.of_config(run.config.train, run.config.seed, multilabel=False)
    optimizer = options.make_optimizer(chosen, run.config.train.steps, 1)
    start = state.create(imported.variables, optimizer, run.config.seed)
    checkpoints = checkpoint.Checkpoints(checkpoint_files.path_of(run.workdir))
    try:
        checkpoints.save(0, {"finished": True}, state=start, best=imported.variables)
    finally:
        checkpoints.close()
    if parallel.process_index() == 0:
        weights = checkpoint.content_hash(imported.variables)
        origin = ImportRecord(
            Path(run.config.weights).name, digest, classes, imported.hyper, list(imported.report)
        )
        record = TrainRecord(
            weights,
            steps=0,
            best_step=0,
            stopped_early=False,
            test_accuracy=None,
            seconds=0.0,
            train_clips=0,
            imported=origin,
        )
        train_record.write(run.workdir, record)
        manifest.write(run.workdir, devices=parallel.describe_devices(), weights=weights)
        words = ", ".join(f"{k} = {v}" for k, v in imported.hyper.items())
        print(f"import: {len(imported.report)} layers of {run.config.weights} fit; {words}")
    parallel.barrier()


def record_of(run: runs.Run) -> ImportRecord:
    """The record of the workdir's imported weights."""
    record = train_record.read(run.workdir)
    if record is None or record.imported is None:
        raise FileNotFoundError(f"{run.workdir} holds no imported network: run --stage=import first")
    return record.imported
