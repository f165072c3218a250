"""What a run's neurons do on the scored clips, computed when it is asked for, and those clips' sounds."""

import functools
import re
from pathlib import Path
from typing import Any

import numpy as np

from actjax import config_files, runs
from actjax.activations.capture import input_layers, input_outputs
from actjax.atlas_site import elsewhere
from actjax.atlas_site.activity import clip_means, means_of, on_images
from actjax.results.picture import Clip
from actjax.scoring import networks
from actjax.setup import EXTERNAL
from actjax.workdir import train_record


def activations(workdir: Path, data_dir: str | None, network: str, layer: str) -> np.ndarray:
    """[clips, neurons] the mean of every activation map over the signal, or the unit's value, on each clip.

    They are computed once for each layer and the weights that the workdir holds.

    Raises:
      FileNotFoundError: the data set is not prepared, or the network is not there.
    """
    record = train_record.read(workdir)
    return _means(workdir, data_dir, network, layer, record and record.weights)


@functools.lru_cache(maxsize=32)
def _means(
    workdir: Path, data_dir: str | None, network: str, layer: str, trained_weights: str | None
) -> np.ndarray:
    """What `activations` gives; the hash of the weights tells results of one workdir apart."""
    run = _opened(workdir, data_dir)
    source = run.open_source(run.setup.scored.split)
    if network == "input":
        compute_layers, front = on_images(input_outputs, run.setup.analysis), run.setup.analysis
        layers = [one for one in input_layers(run.setup.analysis_shape_ft) if one.name == layer]
        batch_size = run.setup.scored.batch_size
        return means_of(compute_layers, front, layers, {network: None}, source, batch_size)[network][layer]
    if network == EXTERNAL:
        return elsewhere.listen(run, source).clip_means(source)[network][layer]
    # Sets scored before may hold layers that score.layers leaves out now.
    opened = networks.open_network(run, len(source.class_names))._replace(chosen_layers=re.escape(layer))
    train = run.open_source("train") if network == "untrained" else source
    weights = {network: networks.variables(opened, network, train)}
    return clip_means(opened, opened.layers(), weights, source)[network][layer]


def read_clips(workdir: Path, data_dir: str | None, order: np.ndarray, values: np.ndarray) -> list[Clip]:
    """The sounds of some of the scored clips, in that order, each with the neuron's value there."""
    run = _opened(workdir, data_dir)
    source = run.open_source(run.setup.scored.split)
    clips = []
    for batch in runs.batches(source.take(order), 1):
        place = int(np.flatnonzero(batch.mask)[0])
        index = int(order[len(clips)])
        wave_s = np.asarray(batch.audio[place][: int(batch.length[place])], np.float32)
        label = _label(source.labels[index], source.class_names)
        value = float(values[len(clips)])
        clips.append(Clip(source.clip_ids[index], label, value, wave_s, run.setup.frontend.sample_rate_hz))
    return clips


def _label(label: Any, names: tuple[str, ...]) -> str:
    """The class's name, or the names of all of a clip's classes."""
    if np.ndim(label) == 0:
        return names[int(label)]
    return ", ".join(name for name, there in zip(names, label, strict=True) if there)


def _opened(workdir: Path, data_dir: str | None) -> runs.Run:
    """The run of a workdir, with the config that it was made with."""
    return runs.open_run(config_files.load(f"of_workdir:{workdir}"), workdir, data_dir=data_dir)
