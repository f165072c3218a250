"""Takes a network's weights from a Keras file (config.weights) in place of training."""

import csv
import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from actjax import files, parallel, workdir
from actjax import run as runs
from actjax.data import loader
from actjax.nn.keras.importer import Imported
from actjax.options import comma_list
from actjax.scoring import networks
from actjax.train import checkpoint, loop, options, prediction, state


def stage(run: runs.Run) -> list[Path]:
    """Leaves what the train stage leaves: a checkpoint and train.json; and what the network says of clips.

    Raises:
      FileNotFoundError: there is no such file.
      ValueError: config.weights is empty, a layer does not fit, or the workdir has another network.
    """
    done = run.workdir / "train.json"
    file = _weights_file(run.config)
    digest = files.file_digest(file)
    _check_workdir(run, digest)
    if workdir.read_trained(run.workdir) is None or not checkpoint.is_whole(run.workdir):
        # Read and checked as a whole before the first file is written.
        found = networks.read_weights(run)
        classes = _classes(run, found.hyper["num_classes"])
        workdir.claim(run.workdir, "train", run.config.to_dict())
        recorded = workdir.read_config(run.workdir) | {"import": {"weights": digest}}
        files.write_json(run.workdir / "config.json", recorded)
        _save(run, found, classes, digest)
    else:
        workdir.claim(run.workdir, "train", run.config.to_dict())
        print(f"import: done before, from {_about(run)['file']}")
    return [done, *_predict(run)]


def check_options(config: Any) -> None:
    """Before any data is prepared: there is a file.

    Raises:
      FileNotFoundError: there is no such file.
      ValueError: config.weights is empty.
    """
    _weights_file(config)


def _weights_file(config: Any) -> Path:
    if not config.weights:
        raise ValueError("config.weights is empty: name the Keras file, --config.weights=weights.h5 say")
    path = Path(config.weights).expanduser()
    if not path.is_file():
        raise FileNotFoundError(f"config.weights: there is no file {path}; give a .h5, .hdf5 or .keras file")
    return path


def _check_workdir(run: runs.Run, digest: str) -> None:
    """Refuses a workdir that has a network of its own, or of another file."""
    before = workdir.read_config(run.workdir).get("import")
    there = checkpoint.Checkpoints(run.workdir / "checkpoints").latest() is not None
    if before is None and (there or (run.workdir / "train.json").exists()):
        raise ValueError(f"{run.workdir} holds a network that was trained there: choose another --workdir")
    if before is not None and before.get("weights") != digest:
        raise ValueError(f"{run.workdir} holds the weights of another file: choose another --workdir")


def _about(run: runs.Run) -> dict[str, Any]:
    """What train.json says of the imported weights."""
    return workdir.read_trained(run.workdir, "imported")["imported"]


def _classes(run: runs.Run, count: int) -> list[str]:
    """Names of the network's outputs; their numbers where nobody knows."""
    names = comma_list(run.config.classes)
    if names and len(names) != count:
        raise ValueError(f"config.classes names {len(names)} classes, the network has {count} outputs")
    if len(set(names)) != len(names):
        raise ValueError("config.classes names a class more than once")
    own = tuple(runs.builder(run).class_names)
    return names or list(own if len(own) == count else map(str, range(count)))


def _save(run: runs.Run, found: Imported, classes: list[str], digest: str) -> None:
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
        about = {"file": Path(run.config.weights).name, "sha256": digest, "classes": classes}
        about |= {"hyper": found.hyper, "layers": found.report}
        record = {"steps": 0, "best_step": 0, "seconds": 0.0, "stopped_early": False, "test_accuracy": None}
        record |= {"weights": weights, "train_clips": 0, "imported": about}
        files.write_json(run.workdir / "train.json", record)
        workdir.update_manifest(run.workdir, devices=parallel.describe_devices(), weights=weights)
        made = ", ".join(f"{k} = {v}" for k, v in found.hyper.items())
        print(f"import: {len(found.report)} layers of {run.config.weights} fit; {made}")
    parallel.barrier()


def _predict(run: runs.Run) -> list[Path]:
    """Writes what the network calls every recording of the split that is scored, if that is prepared."""
    path = run.workdir / f"predictions_{run.config.score.split}.csv"
    if path.exists():
        return [path]
    builder = runs.builder(run)
    if not os.path.isdir(builder.data_dir):
        print("import: no predictions, as the data set is not prepared; run --stage=data, then this again")
        return []
    source = loader.open_source(builder, run.config.score.split)
    classes = _about(run)["classes"]
    batches = loader.batches(
        source,
        batch_size=run.config.score.batch_size,
        process_index=parallel.process_index(),
        process_count=parallel.process_count(),
    )
    own = loop.predict(
        networks.module(run, len(source.class_names)),
        runs.frontend(run.config),
        checkpoint.load_best(run.workdir)[0],
        batches,
        multilabel=source.multi_label,
    )
    values, index = (np.concatenate(parts) for parts in zip(*parallel.gather_hosts(own), strict=True))
    names, means = prediction.by_recording(values, [source.recording_ids[i] for i in index])
    first = dict(zip(reversed([source.recording_ids[i] for i in index]), index[::-1].tolist(), strict=True))
    labels = [_labels(source, first[name]) for name in names]
    if parallel.process_index() == 0:
        _write(path, classes, names, labels, means)
        _say(classes, names, labels, means)
    return [path]


def _labels(source: loader.Source, clip: int) -> list[str]:
    """The labels of a clip's recording."""
    own = source.labels[clip]
    return [source.class_names[i] for i in (np.flatnonzero(own) if source.multi_label else [own])]


def _write(path: Path, classes: list[str], names: list[str], labels: list[Any], means: np.ndarray) -> None:
    with files.written_whole(path) as aside, open(aside, "w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["recording_id", "labels", "named", "probability", *classes])
        for name, own, row in zip(names, labels, means, strict=True):
            best = int(row.argmax())
            table.writerow(
                [name, ";".join(own), classes[best], f"{row[best]:.4f}", *(f"{p:.4f}" for p in row)]
            )


def _say(classes: list[str], names: list[str], labels: list[Any], means: np.ndarray) -> None:
    """The first few predictions, and how many are right where labels and outputs share names."""
    named = [classes[i] for i in means.argmax(axis=1)]
    for name, call, row in list(zip(names, named, means, strict=True))[:5]:
        print(f"import: {json.dumps(name)} is called {call}, p = {row.max():.3f}")
    known = [(own, call) for own, call in zip(labels, named, strict=True) if set(own) & set(classes)]
    if known:
        right = sum(call in own for own, call in known)
        print(f"import: {right} of {len(known)} recordings named as labelled")
