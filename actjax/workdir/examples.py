"""Keeps scores/<score set>.examples.npz: pairs of a map and a feature to show as pictures."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from actjax import files
from actjax.npz import read_arrays

SUFFIX = ".examples.npz"
# What the JSON of an example must hold, by type.
_NEEDED = {
    "network": str,
    "layer": str,
    "feature": str,
    "metric": str,
    "clip_id": str,
    "neuron": int,
    "score": (int, float),
}


@dataclasses.dataclass(frozen=True)
class Example:
    """An activation map beside the feature that it comes close to, on one clip.

    Attributes:
      map_ft: [f, t] the activation map, on the grid where it was compared.
      values_kt: [rows, t] the feature on the same frames.
      network, layer, neuron: whose map it is.
      feature: the feature's name.
      metric: which compared them.
      score: of neuron and feature over all clips, as in the table.
      clip_id: the clip that is shown.
      times_s: [t] the centres of the frames.
      map_hz: [f] centre frequencies of the map's rows; None where they have none.
      feature_hz: [rows] those of the feature's; None where they have none.
      row_names: [rows] names of the feature's rows; None where they have frequencies.
      unit: of the feature's values.
    """

    map_ft: np.ndarray
    values_kt: np.ndarray
    network: str
    layer: str
    neuron: int
    feature: str
    metric: str
    score: float
    clip_id: str
    times_s: Sequence[float]
    map_hz: Sequence[float] | None = None
    feature_hz: Sequence[float] | None = None
    row_names: Sequence[str] | None = None
    unit: str = ""

    def labels(self) -> dict[str, Any]:
        """All but the two arrays."""
        names = (field.name for field in dataclasses.fields(self))
        return {name: getattr(self, name) for name in names if name not in ("map_ft", "values_kt")}


def path_of(scores: Path) -> Path:
    """The file beside a score set's .parquet."""
    return scores.with_suffix(SUFFIX)


def write(path: Path, examples: Sequence[Example]) -> Path:
    """Keeps three arrays for each example i: `<i>_map`, `<i>_feature` and, as JSON, `<i>_json`."""
    arrays: dict[str, np.ndarray] = {}
    for i, example in enumerate(examples):
        arrays |= {f"{i}_map": example.map_ft, f"{i}_feature": example.values_kt}
        arrays[f"{i}_json"] = np.asarray(json.dumps(example.labels()))
    with files.written_whole(path) as aside, open(aside, "wb") as file:
        np.savez(file, allow_pickle=False, **arrays)
    return path


def read(folder: Path) -> list[Example]:
    """The examples of all score sets of a folder, the newest set's first.

    Raises:
      FileError: a file that is not as `write` makes it.
    """
    return [example for path in paths_of(folder) for example in _read_one(path)]


def paths_of(folder: Path) -> list[Path]:
    """The files of all score sets of a folder, the newest first."""
    paths = folder.glob(f"*{SUFFIX}")
    return sorted(paths, key=lambda path: (path.stat().st_mtime_ns, path.name), reverse=True)


def _read_one(path: Path) -> list[Example]:
    expected = "examples of maps and features"
    arrays = read_arrays(path, expected=expected)
    with files.reading(path, expected):
        numbers = sorted(int(name.removesuffix("_json")) for name in arrays if name.endswith("_json"))
        return [_checked(arrays, i) for i in numbers]


def _checked(arrays: Mapping[str, np.ndarray], i: int) -> Example:
    """Example i; ValueError where it is incomplete or its arrays do not fit each other."""
    missing = [name for name in (f"{i}_map", f"{i}_feature") if name not in arrays]
    labels = json.loads(str(arrays[f"{i}_json"]))
    wrong = [key for key, kind in _NEEDED.items() if not isinstance(labels.get(key), kind)]
    if missing or wrong:
        raise ValueError(f"example {i} lacks {', '.join(missing + wrong)}; run --stage=score again")
    sides = [np.asarray(arrays[f"{i}_{name}"], np.float32) for name in ("map", "feature")]
    times = np.asarray(labels["times_s"], np.float64)
    if any(side.ndim != 2 for side in sides) or {side.shape[1] for side in sides} != {len(times)}:
        shapes = ", ".join(str(array.shape) for array in (*sides, times))
        raise ValueError(f"example {i}: map, feature and times_s must have equally many frames, got {shapes}")
    for key, rows in (("map_hz", len(sides[0])), ("feature_hz", len(sides[1])), ("row_names", len(sides[1]))):
        if labels.get(key) is not None and len(labels[key]) != rows:
            raise ValueError(f"example {i}: expected {rows} values of {key}, got {len(labels[key])}")
    known = {field.name for field in dataclasses.fields(Example)}
    labels = {name: value for name, value in labels.items() if name in known}
    return Example(map_ft=sides[0], values_kt=sides[1], **labels)
