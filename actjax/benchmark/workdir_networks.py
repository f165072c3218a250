"""What the benchmarks take of a workdir: networks to intervene on, neurons to calibrate by, named units."""

from pathlib import Path

import jax
import numpy as np

from actjax import runs
from actjax.benchmark import calibration
from actjax.benchmark.metrics import causal
from actjax.findings import observe
from actjax.hypotheses import known_units, statements
from actjax.imported import network as imported_network
from actjax.scores.files import load_scores
from actjax.scoring import networks as scoring_networks
from actjax.statistics import calibration as mismatch
from actjax.workdir import recorded_config, train_record

# Neurons of a layer that the calibration takes, evenly spaced: its cost grows with them.
NEURONS = 16


def networks(run: runs.Run) -> dict[str, causal.Units] | None:
    """{"trained", "untrained": clips -> means of all neurons of all layers}; None if nothing was trained.

    Raises:
      ValueError: the workdir was trained with another config.
    """
    if not train_record.path_of(run.workdir).exists():
        return None
    recorded_config.write(run.workdir, "train", run.config.to_dict())
    source = run.open_source("train")
    network = scoring_networks.open_network(run, len(source.class_names))
    units = {}
    for name in ("trained", "untrained"):
        variables = jax.device_get(scoring_networks.variables(network, name, source))
        units[name] = causal.module_units(network.module, variables, network.frontend)
    return units


def known(run: runs.Run) -> dict[str, dict[str, float]]:
    """How the metrics that the workdir was scored by do on its network's named units; {} without hypotheses.

    Raises:
      ValueError: the hypotheses' file is damaged, or the workdir holds no scores.
    """
    options = run.config.hypotheses
    if not options.file or not train_record.path_of(run.workdir).exists():
        return {}
    stated = statements.of_network(Path(options.file).expanduser(), options.network)
    outputs = imported_network.record_of(run).classes
    standing = known_units.standings(load_scores(run.workdir), stated, outputs)
    return {one.metric: {k: v for k, v in one._asdict().items() if k != "metric"} for one in standing}


def real(run: runs.Run) -> dict[str, calibration.Real] | None:
    """Frames of a deep layer with chroma, and the embedding with scalars; None if there are none to take.

    There are none where nothing was trained, and, as a line says, where a class has too few recordings.

    Raises:
      ValueError: the workdir was trained with another config, or its clips have no single class.
    """
    if not train_record.path_of(run.workdir).exists():
        return None
    recorded_config.write(run.workdir, "train", run.config.to_dict())
    source = run.open_source(run.setup.scored.split)
    if source.multi_label:
        raise ValueError("mismatched clips of one class need data with one label a clip")
    if lacking := mismatch.too_few_recordings(source.recording_ids, source.labels):
        print(f"  real neurons are left out: {lacking}")
        return None
    network = scoring_networks.open_network(run, len(source.class_names))
    weights = {"trained": scoring_networks.variables(network, "trained", source)}
    planned = observe.plan(run.setup, network)
    observe.check_memory(planned, len(weights), len(source), run.setup.scored.memory_bytes)
    sides = observe.collect(run.setup, planned, network, source, weights)
    clip_names = list(source.recording_ids), source.labels.tolist()
    neurons = {}
    for deep in sides.networks["chroma"][:1]:
        maps = deep.x["trained"].reshape(len(source), *deep.shape_ft, -1).mean(axis=1)
        whole_o = deep.mask_bo.all(axis=0)
        x, y = _spaced(maps)[:, whole_o], deep.y_bok[:, whole_o]
        neurons[f"{deep.layer} x chroma by frames"] = calibration.Real(x, y, *clip_names, "clip")
    for units in sides.networks["clip"]:
        x, y = _spaced(units.x["trained"]), units.y_bok
        neurons[f"{units.layer} x scalars by clips"] = calibration.Real(x, y, *clip_names, "all")
    return neurons


def _spaced(values_bon: np.ndarray) -> np.ndarray:
    """At most NEURONS of those that vary, evenly spaced."""
    alive = np.flatnonzero(values_bon.std(axis=(0, 1)) > 0)
    return values_bon[:, :, alive[np.linspace(0, len(alive) - 1, min(NEURONS, len(alive))).astype(int)]]
