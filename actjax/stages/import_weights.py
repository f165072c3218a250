"""Takes a network's weights from a file (config.weights) in place of training."""

from pathlib import Path

from actjax import files, runs
from actjax.imported import network, predictions
from actjax.scoring import networks
from actjax.stages import Stage, refuse_nothing
from actjax.train import checkpoint
from actjax.workdir import recorded_config, train_record


def take_weights(run: runs.Run) -> list[Path]:
    """Leaves what the train stage leaves: a checkpoint and train.json; and what the network says of clips.

    Raises:
      FileNotFoundError: there is no such file.
      ValueError: config.weights is empty, a layer does not fit, or the workdir has another network.
    """
    file = networks.weights_file(run.config)
    digest = files.file_digest(file)
    network.check_workdir(run, digest)
    if train_record.read(run.workdir) is None or not checkpoint.is_whole(run.workdir):
        # Read and checked as a whole before the first file is written.
        imported = networks.read_weights(run)
        classes = network.class_names(run, imported)
        recorded_config.write(run.workdir, "train", run.config.to_dict())
        recorded_config.write_import(run.workdir, digest)
        network.save(run, imported, classes, digest)
    else:
        recorded_config.write(run.workdir, "train", run.config.to_dict())
        print(f"import: done before, from {network.record_of(run).file}")
    return [train_record.path_of(run.workdir), *predictions.predict(run)]


def check_options(run: runs.Run) -> None:
    """Before any data is prepared: there is a file.

    Raises:
      FileNotFoundError: there is no such file.
      ValueError: config.weights is empty.
    """
    networks.weights_file(run.config)


stage = Stage("import", check_options=check_options, check=refuse_nothing, run=take_weights)
