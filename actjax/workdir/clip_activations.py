"""Keeps clip_activations.npz: every neuron's mean activation on each scored clip, trained and untrained."""

import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from actjax import files

NAME = "clip_activations.npz"
_REMEDY = "delete it and run --stage=atlas again"


class ClipActivations(NamedTuple):
    """Mean activations of clips.

    Attributes:
      made_from: a hash of the weights and the clips.
      clip_ids: [b] names of the clips.
      labels: [b] the class of each clip, or [b, classes] bool.
      class_names: of the labels.
      means: network -> layer -> [b, n] float32 the neuron's mean over the cells that see signal.
    """

    made_from: str
    clip_ids: list[str]
    labels: np.ndarray
    class_names: list[str]
    means: Mapping[str, Mapping[str, np.ndarray]]

    def changing(self, network: str) -> dict[str, np.ndarray]:
        """Layer -> [n] on how many clips a neuron leaves the value that it has on most of them."""
        return {
            layer: (means_bn != np.median(means_bn, axis=0)).sum(axis=0)
            for layer, means_bn in self.means.get(network, {}).items()
        }


def path_of(workdir: Path) -> Path:
    """The file."""
    return workdir / NAME


def write(workdir: Path, activations: ClipActivations) -> Path:
    """Writes the file, whole or not at all."""
    layers = [(network, layer) for network, of_network in activations.means.items() for layer in of_network]
    header = {
        "made_from": activations.made_from,
        "clip_ids": activations.clip_ids,
        "class_names": activations.class_names,
    }
    arrays = {f"means_{i}": activations.means[network][layer] for i, (network, layer) in enumerate(layers)}
    arrays |= {"labels": activations.labels, "about": np.asarray(json.dumps(header | {"layers": layers}))}
    path = path_of(workdir)
    with files.written_whole(path) as aside, open(aside, "wb") as file:
        np.savez_compressed(file, allow_pickle=False, **arrays)
    return path


def read(workdir: Path) -> ClipActivations | None:
    """Reads the file; None where there is none.

    Raises:
      FileError: it is damaged, or not as `write` makes it.
    """
    path = path_of(workdir)
    if not path.exists():
        return None
    files.regular_file(path)
    with files.reading(path, f"mean activations of clips; {_REMEDY}"):
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
        if damaged is not None:
            raise ValueError(f"the checksum of {damaged} does not fit")
        with np.load(path, allow_pickle=False) as archive:
            return _checked(dict(archive))


def _checked(arrays: Mapping[str, np.ndarray]) -> ClipActivations:
    header = json.loads(str(arrays["about"]))
    clips, labels = [str(one) for one in header["clip_ids"]], np.asarray(arrays["labels"])
    if labels.ndim not in (1, 2) or len(labels) != len(clips) or labels.dtype.kind not in "iub":
        raise ValueError(f"expected the labels of {len(clips)} clips, got {labels.dtype} {labels.shape}")
    means: dict[str, dict[str, np.ndarray]] = {}
    for i, (network, layer) in enumerate(header["layers"]):
        means_bn = np.asarray(arrays[f"means_{i}"])
        if means_bn.ndim != 2 or len(means_bn) != len(clips) or means_bn.dtype != np.float32:
            raise ValueError(f"expected [{len(clips)}, n] means of {layer!r}, got {means_bn.shape}")
        means.setdefault(str(network), {})[str(layer)] = means_bn
    names = [str(one) for one in header["class_names"]]
    return ClipActivations(str(header["made_from"]), clips, labels, names, means)
