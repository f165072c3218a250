"""Activations made elsewhere: arrays in a file, scored like the layers of a network that runs here.

A file holds one array a layer, `[clips, freq, time, channels]`, `[clips, time, channels]` or
`[clips, units]`, the array `clip_ids` of str, and of each layer with time, as arrays `<layer>/hop_s` or as
attributes of the layer:

    time0_s   the time of the middle of frame 0 in the clip, seconds
    hop_s     between frames, seconds
    field_s   what a frame sees (receptive field and analysis window), seconds; hop_s where absent. A
              frame that sees beyond the clip's ends is left out
    hz        [freq] the centre frequencies of its bands; where absent, nothing is compared cell by cell
    depth     0 input .. 1 output; by the order in the file where absent
"""

import dataclasses
import re
from collections.abc import Sequence
from pathlib import Path

import ml_dtypes
import numpy as np

from actjax.activations import _external_described as described
from actjax.activations import problems as problems_lib
from actjax.activations._external_files import Stored, open_arrays
from actjax.types import Feature, Layer, LayerAxis


@dataclasses.dataclass(frozen=True, eq=False)
class ExternalLayer:
    """One layer of a file.

    Attributes:
      name: as in the file.
      stored: the array.
      depth: 0 input .. 1 output.
      time0_s, hop_s, field_s: of its frames; None for an embedding.
      hz: [freq] centre frequencies, or None.
    """

    name: str
    stored: Stored
    depth: float
    time0_s: float | None = None
    hop_s: float | None = None
    field_s: float | None = None
    hz: np.ndarray | None = None

    def layer(self, setting: problems_lib.Setting) -> Layer:
        """Its place, along time in samples of the audio; see `in_samples`."""
        *_, neurons = shape = self.stored.shape
        if self.hop_s is None:
            return Layer(self.name, neurons, self.depth)
        rate = setting.frontend.sample_rate_hz
        time = LayerAxis(
            size=shape[-2],
            first=self.time0_s * rate,
            step=self.hop_s * rate,
            field=max(round(self.field_s * rate), 1),
            input_size=setting.clip_samples,
        )
        bands = shape[1] if len(shape) == 4 else 1
        return Layer(self.name, neurons, self.depth, LayerAxis.of_input(bands), time)

    def read(self, rows: np.ndarray) -> np.ndarray:
        """[b, f, t, c] or [b, c] of some clips; half precision as it is, all else as float32."""
        values = self.stored.rows(rows)
        if values.dtype not in (np.float16, np.float32, ml_dtypes.bfloat16):
            values = values.astype(np.float32)
        return values[:, None] if values.ndim == 3 else values


@dataclasses.dataclass(frozen=True, eq=False)
class Activations:
    """An opened file of activations.

    Attributes:
      path: of it.
      clip_ids: of the first axis of every layer.
      layers: in the order of depth.
    """

    path: Path
    clip_ids: tuple[str, ...]
    layers: tuple[ExternalLayer, ...]


def open_activations(path: str | Path, chosen: str = ".*") -> Activations:
    """Opens a file of activations; values are read later.

    Args:
      path: .npz, .npy, .safetensors, .h5, .zarr or a folder of .npy files.
      chosen: a regular expression that the whole name of a layer matches.

    Raises:
      FileNotFoundError, ValueError: one line that says what the file lacks, or why it is refused.
    """
    path = Path(path).expanduser()
    arrays, about = open_arrays(path)
    clip_ids = described.read_clip_ids(path, arrays, about)
    names = described.array_names(arrays)
    if not names:
        raise ValueError(
            f"{path} holds no layer: expected arrays [clips, freq, time, channels] or [clips, units]"
        )
    layers = [
        _layer(path, name, arrays, about, clips=len(clip_ids), depth=(i + 1) / (len(names) + 1))
        for i, name in enumerate(names)
        if re.fullmatch(chosen, name)
    ]
    if not layers:
        raise ValueError(f"score.layers = {chosen!r} matches no layer of {path}; known: {', '.join(names)}")
    return Activations(path, clip_ids, tuple(sorted(layers, key=lambda layer: layer.depth)))


def plan(
    layers: Sequence[ExternalLayer], features: Sequence[Feature], setting: problems_lib.Setting
) -> tuple[list[problems_lib.Problem], list[problems_lib.LeftOut]]:
    """All comparisons of a file's layers; see `problems.plan`."""
    made, left_out = [], []
    for one in layers:
        hz = one.hz if one.hz is not None else np.full(1, np.nan)
        wants = setting.wants if one.hz is not None else setting.wants - {("map", True)}
        # Axes are counted in samples of the audio, not in frames of some front end.
        front = dataclasses.replace(setting.frontend, hop_samples=1, n_fft=1)
        here = dataclasses.replace(setting, frontend=front, band_centres_hz=hz, wants=wants)
        problems, out = problems_lib.plan([one.layer(here)], features, here)
        made += problems
        left_out += out
        if one.hop_s is not None and wants != setting.wants:
            reason = f"no centre frequencies: give {one.name}/hz to compare cell by cell"
            frequency = [f for f in features if f.axis == "frequency" and f.hop_samples is not None]
            left_out += [problems_lib.LeftOut(one.name, "map", f.name, reason) for f in frequency]
    return made, left_out


def _layer(path: Path, name: str, arrays, about, clips: int, depth: float) -> ExternalLayer:
    stored = arrays[name]
    if len(stored.shape) not in (2, 3, 4) or stored.shape[0] != clips or 0 in stored.shape:
        raise ValueError(
            f"{path}: expected layer {name!r} as [{clips} clips, freq, time, channels] or [{clips} clips, "
            f"units], got shape {list(stored.shape)}"
        )
    if stored.dtype.kind not in "fiub" and stored.dtype != ml_dtypes.bfloat16:
        raise ValueError(f"{path}: expected numbers in layer {name!r}, got {stored.dtype}")
    given = {key: described.property_of(name, key, arrays, about) for key in described.PROPERTIES}
    if given["depth"] is not None:
        depth = float(np.asarray(given["depth"], np.float64))
    if len(stored.shape) == 2:
        return ExternalLayer(name, stored, depth)
    time0_s, hop_s = described.frame_times(path, name, given)
    field_s = (
        hop_s if given["field_s"] is None else described.seconds(path, name, "field_s", given["field_s"])
    )
    hz = None if given["hz"] is None else np.asarray(given["hz"], np.float64)
    bands = stored.shape[1] if len(stored.shape) == 4 else 1
    if hz is not None and (hz.shape != (bands,) or not (np.diff(hz) > 0).all()):
        raise ValueError(f"{path}: expected {name}/hz as {bands} rising frequencies, got shape {hz.shape}")
    return ExternalLayer(name, stored, depth, time0_s, hop_s, field_s, hz)
