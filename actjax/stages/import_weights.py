"""Takes a network's weights from a Keras file (config.weights) in place of training."""

from pathlib import Path

from actjax import files, workdir
from actjax import run as runs
from actjax.imported import network, predictions
from actjax.scoring import networks
from actjax.stages import Stage, refuse_nothing
from actjax.train import checkpoint


def take_weights(run: runs.Run) -> list[Path]:
    """Leaves what the train stage leaves: a checkpoint and train.json; and what the network says of clips.

    Raises:
      FileNotFoundError: there is no such file.
      ValueError: config.weights is empty, a layer does not fit, or the workdir has another network.
    """
    done = run.workdir / "train.json"
    file = network.weights_file(run.config)
    digest = files.file_digest(file)
    network.check_workdir(run, digest)
    if workdir.read_trained(run.workdir) is None or not checkpoint.is_whole(run.workdir):
        # Read and checked as a whole before the first file is written.
        found = networks.read_weights(run)
        classes = network.class_names(run, found.hyper["num_classes"])
        workdir.claim(run.workdir, "train", run.config.to_dict())
        recorded = workdir.read_config(run.workdir) | {"import": {"weights": digest}}
        files.write_json(run.workdir / "config.json", recorded)
        network.save(run, found, classes, digest)
    else:
        workdir.claim(run.workdir, "train", run.config.to_dict())
        print(f"import: done before, from {network.about(run)['file']}")
    return [done, *predictions.predict(run)]


def check_options(run: runs.Run) -> None:
    """Before any data is prepared: there is a file.

    Raises:
      FileNotFoundError: there is no such file.
      ValueError: config.weights is empty.
    """
    network.weights_file(run.config)


stage = Stage("import", check_options=check_options, check=refuse_nothing, run=take_weights)
