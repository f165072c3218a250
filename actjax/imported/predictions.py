"""What an imported network calls every recording of the split that is scored."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from actjax import parallel
from actjax import run as runs
from actjax.data import loader
from actjax.imported import network
from actjax.scoring import networks
from actjax.train import checkpoint, evaluation, prediction
from actjax.workdir import predictions
from actjax.workdir.predictions import Prediction


def predict(run: runs.Run) -> list[Path]:
    """Writes what the network calls every recording of the split that is scored, if that is prepared."""
    split = run.setup.scored.split
    path = predictions.path_of(run.workdir, split)
    if path.exists():
        return [path]
    if not os.path.isdir(run.builder.data_dir):
        print("import: no predictions, as the data set is not prepared; run --stage=data, then this again")
        return []
    source = run.open_source(split)
    classes = network.record_of(run).classes
    own = evaluation.predict(
        networks.open_network(run, len(source.class_names)).module,
        run.setup.frontend,
        checkpoint.load_best(run.workdir)[0],
        runs.batches(source, run.setup.scored.batch_size),
        multilabel=source.multi_label,
    )
    values, index = (np.concatenate(parts) for parts in zip(*parallel.gather_hosts(own), strict=True))
    names, means = prediction.by_recording(values, [source.recording_ids[i] for i in index])
    first = dict(zip(reversed([source.recording_ids[i] for i in index]), index[::-1].tolist(), strict=True))
    labels = [_labels(source, first[name]) for name in names]
    if parallel.process_index() == 0:
        predictions.write(path, classes, map(Prediction, names, labels, means))
        _say(classes, names, labels, means)
    return [path]


def _labels(source: loader.Source, clip: int) -> list[str]:
    """The labels of a clip's recording."""
    own = source.labels[clip]
    return [source.class_names[i] for i in (np.flatnonzero(own) if source.multi_label else [own])]


def _say(classes: list[str], names: list[str], labels: list[Any], means: np.ndarray) -> None:
    """The first few predictions, and how many are right where labels and outputs share names."""
    named = [classes[i] for i in means.argmax(axis=1)]
    for name, call, row in list(zip(names, named, means, strict=True))[:5]:
        print(f"import: {json.dumps(name)} is called {call}, p = {row.max():.3f}")
    known = [(own, call) for own, call in zip(labels, named, strict=True) if set(own) & set(classes)]
    if known:
        right = sum(call in own for own, call in known)
        print(f"import: {right} of {len(known)} recordings named as labelled")
