"""What a run's neurons do on the scored clips, computed when it is asked for, and those clips' sounds."""

import functools
from pathlib import Path
from typing import Any

import jax
import numpy as np

from actjax import config_files, runs
from actjax.activations.capture import input_outputs, network_outputs
from actjax.nn.frontend import images
from actjax.results.picture import Clip
from actjax.scoring import networks


@functools.lru_cache(maxsize=32)
def activations(workdir: Path, data_dir: str | None, network: str, layer: str) -> np.ndarray:
    """[clips, neurons] the mean of every activation map, or the unit's value, on each scored clip.

    Raises:
      FileNotFoundError: the data set is not prepared, or the network is not there.
    """
    run = _opened(workdir, data_dir)
    source = run.open_source(run.setup.scored.split)
    apply, variables, front = input_outputs, None, run.setup.analysis
    if network != "input":
        opened = networks.open_network(run, len(source.class_names))
        train = run.open_source("train") if network == "untrained" else source
        apply, front = network_outputs(opened.module), opened.frontend
        variables = networks.variables(opened, network, train)

    @jax.jit
    def means(audio_bs: jax.Array, length_b: jax.Array) -> jax.Array:
        output = apply(variables, images(audio_bs, front, length_b))[layer]
        return output.mean(axis=tuple(range(1, output.ndim - 1)))

    batches = runs.batches(source, run.setup.scored.batch_size)
    return np.concatenate([np.asarray(means(b.audio, b.length))[b.mask] for b in batches])


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
