"""What the benchmarks take of a trained workdir: networks for the causal check, neurons for calibration."""

from typing import Any

import jax
import numpy as np

from actjax import workdir
from actjax.benchmark import _causal, calibration
from actjax.datasets import loader
from actjax.stages import _findings_sides, _networks, _parts

# Neurons of a layer that the calibration takes, evenly spaced: its cost grows with them.
NEURONS = 16


def networks(run: _parts.Run) -> dict[str, _causal.Units] | None:
    """{"trained", "untrained": clips -> means of all neurons of all layers}; None if nothing was trained.

    Raises:
      ValueError: the workdir was trained with another config.
    """
    if not (run.workdir / "train.json").exists():
        return None
    workdir.claim(run.workdir, "train", run.config.to_dict())
    source = loader.open_source(_parts.builder(run), "train")
    module: Any = _networks.module(run, len(source.class_names))
    found = {}
    for name in ("trained", "untrained"):
        variables = jax.device_get(_networks.variables(run, name, source))
        found[name] = _causal.module_units(module, variables, _parts.frontend(run.config))
    return found


def real(run: _parts.Run) -> dict[str, calibration.Real] | None:
    """Frames of a deep layer with chroma, and the embedding with scalars; None if nothing was trained.

    Raises:
      ValueError: the workdir was trained with another config, or its clips have no single class.
    """
    if not (run.workdir / "train.json").exists():
        return None
    workdir.claim(run.workdir, "train", run.config.to_dict())
    source = loader.open_source(_parts.builder(run), run.config.score.split)
    if source.multi_label:
        raise ValueError("mismatched clips of one class need data with one label a clip")
    sides = _findings_sides.collect(run, source, {"trained": _networks.variables(run, "trained", source)})
    about = source.recording_ids, source.labels
    found = {}
    for deep in sides.networks["chroma"][:1]:
        maps = deep.x["trained"].reshape(len(source), *deep.shape_ft, -1).mean(axis=1)
        whole = deep.mask_bo.all(axis=0)
        x, y = _some(maps)[:, whole], deep.y_bok[:, whole]
        found[f"{deep.layer} x chroma by frames"] = calibration.Real(x, y, *about, "clip")
    for units in sides.networks["clip"]:
        x, y = _some(units.x["trained"]), units.y_bok
        found[f"{units.layer} x scalars by clips"] = calibration.Real(x, y, *about, "all")
    return found


def _some(values_bon: np.ndarray) -> np.ndarray:
    """At most NEURONS of those that vary."""
    alive = np.flatnonzero(values_bon.std(axis=(0, 1)) > 0)
    return values_bon[:, :, alive[np.linspace(0, len(alive) - 1, min(NEURONS, len(alive))).astype(int)]]
