"""What an imported network calls every recording of the split that is scored."""

import csv
import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from actjax import files, parallel
from actjax import run as runs
from actjax.data import loader
from actjax.imported import network
from actjax.scoring import networks
from actjax.train import checkpoint, evaluation, prediction


def predict(run: runs.Run) -> list[Path]:
    """Writes what the network calls every recording of the split that is scored, if that is prepared."""
    path = run.workdir / f"predictions_{run.config.score.split}.csv"
    if path.exists():
        return [path]
    builder = runs.builder(run)
    if not os.path.isdir(builder.data_dir):
        print("import: no predictions, as the data set is not prepared; run --stage=data, then this again")
        return []
    source = loader.open_source(builder, run.config.score.split)
    classes = network.record_of(run).classes
    batches = loader.batches(
        source,
        batch_size=run.config.score.batch_size,
        process_index=parallel.process_index(),
        process_count=parallel.process_count(),
    )
    own = evaluation.predict(
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
