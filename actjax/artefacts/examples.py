"""Pairs to show as pictures, scores/<score set>.examples.npz: a map, a feature, and what is known of both."""

import dataclasses
import json
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from actjax import files

# key -> what it has to be
_ABOUT = {
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
      map: [f, t] the activation map, on the grid where it was compared.
      feature: [rows, t] the feature on the same frames.
      about: network, layer, neuron, feature, metric, clip_id; score (over all clips, as in the table);
        times_s, [t] the centres of the frames in seconds; map_hz, [f] centre frequencies of the map's
        rows, or None; feature_hz, [rows] of the feature's, or None; row_names, [rows] names where the
        rows are no frequencies, or None; unit of the feature's values.
    """

    map: np.ndarray
    feature: np.ndarray
    about: Mapping[str, Any]


def path_of(scores: Path) -> Path:
    """The file beside a score set's .parquet."""
    return scores.with_suffix(".examples.npz")


def write(path: Path, examples: Sequence[Example]) -> Path:
    """Keeps three arrays for each example i: `<i>_map`, `<i>_feature` and, as JSON, `<i>_json`."""
    arrays: dict[str, np.ndarray] = {}
    for i, example in enumerate(examples):
        arrays |= {f"{i}_map": example.map, f"{i}_feature": example.feature}
        arrays[f"{i}_json"] = np.asarray(json.dumps(dict(example.about)))
    with files.written_whole(path) as aside, open(aside, "wb") as file:
        np.savez(file, **arrays)
    return path


def read(folder: Path) -> list[Example]:
    """The examples of all score sets of a folder, the newest set's first.

    Raises:
      FileError: a file that is not as `write` makes it.
    """
    paths = sorted(folder.glob("*examples.npz"), key=lambda p: (p.stat().st_mtime_ns, p.name), reverse=True)
    return [example for path in paths for example in _read_one(path)]


def _read_one(path: Path) -> list[Example]:
    files.regular_file(path)
    with files.reading(path, "examples of maps and features"):
        with zipfile.ZipFile(path) as archive:
            # np.load stops reading where an array ends, before the checksum is compared.
            damaged = archive.testzip()
        if damaged is not None:
            raise ValueError(f"the checksum of {damaged} does not fit")
        with np.load(path, allow_pickle=False) as archive:
            arrays = dict(archive)
        numbers = sorted(int(name.removesuffix("_json")) for name in arrays if name.endswith("_json"))
        return [_checked(arrays, i) for i in numbers]


def _checked(arrays: Mapping[str, np.ndarray], i: int) -> Example:
    """Example i; ValueError where it is incomplete or its parts do not fit each other."""
    missing = [name for name in (f"{i}_map", f"{i}_feature") if name not in arrays]
    about = json.loads(str(arrays[f"{i}_json"]))
    wrong = [key for key, kind in _ABOUT.items() if not isinstance(about.get(key), kind)]
    if missing or wrong:
        raise ValueError(f"example {i} lacks {', '.join(missing + wrong)}; run --stage=score again")
    sides = [np.asarray(arrays[f"{i}_{name}"], np.float32) for name in ("map", "feature")]
    times = np.asarray(about["times_s"], np.float64)
    if any(side.ndim != 2 for side in sides) or {side.shape[1] for side in sides} != {len(times)}:
        shapes = ", ".join(str(array.shape) for array in (*sides, times))
        raise ValueError(f"example {i}: map, feature and times_s must have equally many frames, got {shapes}")
    for key, rows in (("map_hz", len(sides[0])), ("feature_hz", len(sides[1])), ("row_names", len(sides[1]))):
        if about.get(key) is not None and len(about[key]) != rows:
            raise ValueError(f"example {i}: expected {rows} values of {key}, got {len(about[key])}")
    return Example(*sides, about)
