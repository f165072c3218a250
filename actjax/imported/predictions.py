"""Predicts the class of every recording of the scored split with an imported network."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from actjax import parallel, runs
from actjax.data import loader
from actjax.imported import network
from actjax.scoring import networks
from actjax.train import checkpoint, evaluation, prediction
from actjax.workdir import predictions
from actjax.workdir.predictions import Prediction


def predict(run: runs.Run) -> list[Path]:
    """Writes the predictions of the scored split, if the data set is prepared."""
    split = run.setup.scored.split
    path = predictions.path_of(run.workdir, split)
    if path.exists():
        return [path]
    if not os.path.isdir(run.builder.data_dir):
        print("import: no predictions, as the data set is not prepared; run --stage=data, then this again")
        return []
    source = run.open_source(split)
    classes = network.record_of(run).classes
    module = networks.open_network(run, len(source.class_names)).module
    outputs = evaluation.predict(
        module,
        run.setup.frontend,
        checkpoint.load_best(run.workdir)[0],
        runs.batches(source, run.setup.scored.batch_size),
        multilabel=source.multi_label or getattr(module, "independent_outputs", False),
    )
    values, index = (np.concatenate(shares) for shares in zip(*parallel.gather_hosts(outputs), strict=True))
    names, means = prediction.by_recording(values, [source.recording_ids[i] for i in index])
    first = dict(zip(reversed([source.recording_ids[i] for i in index]), index[::-1].tolist(), strict=True))
    labels = [_labels(source, first[name]) for name in names]
    if parallel.process_index() == 0:
        predictions.write(path, classes, map(Prediction, names, labels, means))
        _say(classes, names, labels, means)
    return [path]


def _labels(source: loader.Source, clip: int) -> list[str]:
    """The labels of a clip's recording."""
    label = source.labels[clip]
    return [source.class_names[i] for i in (np.flatnonzero(label) if source.multi_label else [label])]


def _say(classes: list[str], names: list[str], labels: list[Any], means: np.ndarray) -> None:
    """Prints the first few predictions, and how many are right where labels and outputs share names."""
    named = [classes[i] for i in means.argmax(axis=1)]
    for name, call, row in list(zip(names, named, means, strict=True))[:5]:
        print(f"import: {json.dumps(name)} is called {call}, p = {row.max():.3f}")
    comparable = [(true, call) for true, call in zip(labels, named, strict=True) if set(true) & set(classes)]
    if comparable:
        right = sum(call in true for true, call in comparable)
        print(f"import: {right} of {len(comparable)} recordings named as labelled")
