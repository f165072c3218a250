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

`<layer>/hz` and the like describe a layer only where there is an array `<layer>` and they have one axis at
most; anything else is a layer, whatever its name.
"""

import dataclasses
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np

from actjax.activations import comparisons
from actjax.external import properties as described
from actjax.external.formats.arrays import BOUND, open_arrays
from actjax.external.formats.stored import Stored
from actjax.files import FileError, printable
from actjax.layer_axis import LayerAxis
from actjax.types import Feature, Layer, LeftOut


@dataclasses.dataclass(frozen=True, eq=False)
class ExternalLayer:
    """One layer of a file.

    Attributes:
      name: as in the file.
      stored: the array.
      depth: 0 input .. 1 output.
      time0_s, hop_s, field_s: of its frames; None for an embedding.
      hz: [freq] centre frequencies, or None.
      offset: [channels] taken off float64 and whole numbers that float32 would round away, or None.
    """

    name: str
    stored: Stored
    depth: float
    time0_s: float | None = None
    hop_s: float | None = None
    field_s: float | None = None
    hz: np.ndarray | None = None
    offset: np.ndarray | None = None

    def layer(self, setting: comparisons.Setting) -> Layer:
        """Its place, along time in samples of the audio; see `in_samples`."""
        *_, neurons = shape = self.stored.shape
        if self.time0_s is None or self.hop_s is None or self.field_s is None:
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
        """[b, f, t, c] or [b, c] of some clips; half precision as it is, all else as float32.

        Raises:
          FileError: finite values beyond the range of float32; a chunk that is damaged.
        """
        values = self.stored.rows(rows)
        if values.dtype not in (np.float16, np.float32, ml_dtypes.bfloat16):
            values = values if self.offset is None else values.astype(np.float64) - self.offset
            values = described.narrowed(self.stored.path, self.name, values)
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


def open_activations(
    path: str | Path,
    chosen: str = ".*",
    *,
    bound: int = BOUND,
    at_once: int = 32,
    say: Callable[[str], None] = print,
) -> Activations:
    """Opens a file of activations; values are read later, once their checksums are found right.

    Args:
      path: .npz, .npy, .safetensors, .h5, .zarr or a folder of .npy files.
      chosen: a regular expression that the whole name of a layer matches.
      bound: bytes of memory that the file may ask for.
      at_once: how many clips are read at a time.
      say: takes one line about a layer whose values lose an offset.

    Raises:
      FileNotFoundError, ValueError: one line that says what the file lacks, or why it is refused.
    """
    path = Path(path).expanduser()
    arrays, attributes = open_arrays(path, bound)
    clip_ids = described.read_clip_ids(path, arrays, attributes, bound)
    names = described.array_names(arrays)
    if not names:
        raise FileError(
            path, "holds no layer: expected arrays [clips, freq, time, channels] or [clips, units]"
        )
    layers = [
        _layer(path, name, arrays, attributes, clips=len(clip_ids), depth=(i + 1) / (len(names) + 1))
        for i, name in enumerate(names)
        if re.fullmatch(chosen, name)
    ]
    if not layers:
        raise ValueError(f"score.layers = {chosen!r} matches no layer of {path}; known: {', '.join(names)}")
    # All are held against the bound before the first is read.
    for layer in layers:
        layer.stored.check_size(min(at_once, len(clip_ids)), bound)
        described.check_count(path, layer.name, "neurons", layer.stored.shape[-1], bound)
    return Activations(path, clip_ids, tuple(sorted((_ready(one, bound, say) for one in layers), key=_depth)))


def plan(
    layers: Sequence[ExternalLayer], features: Sequence[Feature], setting: comparisons.Setting
) -> tuple[list[comparisons.Problem], list[LeftOut]]:
    """All comparisons of a file's layers; see `comparisons.plan`."""
    problems, left_out = [], []
    for one in layers:
        hz = one.hz if one.hz is not None else np.full(1, np.nan)
        wants = setting.wants if one.hz is not None else setting.wants - {("map", True)}
        # Axes are counted in samples of the audio, not in frames of some front end.
        front = dataclasses.replace(setting.frontend, hop_samples=1, n_fft=1)
        here = dataclasses.replace(setting, frontend=front, band_centres_hz=hz, wants=wants)
        planned, lacking = comparisons.plan([one.layer(here)], features, here)
        problems += planned
        left_out += lacking
        if one.hop_s is not None and wants != setting.wants:
            reason = f"no centre frequencies: give {one.name}/hz to compare cell by cell"
            frequency = [f for f in features if f.axis == "frequency" and f.hop_samples is not None]
            left_out += [LeftOut(one.name, "map", f.name, reason) for f in frequency]
    return problems, left_out


def _depth(layer: ExternalLayer) -> float:
    return layer.depth


def _ready(layer: ExternalLayer, bound: int, say: Callable[[str], None]) -> ExternalLayer:
    """The layer, its checksums found right, and without an offset that float32 could not hold."""
    layer.stored.verify()
    neurons = layer.stored.shape[-1]
    offset = described.offsets(layer.stored, lambda values: values.reshape(-1, neurons), neurons, bound)
    if not offset.any():
        return layer
    shifted = np.flatnonzero(offset)
    line = (
        f"{layer.stored.path}: {len(shifted)} channels of {layer.name!r:.80} less their first value, "
        f"{offset[shifted[0]]:.9g} say, about which float32 would round their differences away"
    )
    say(printable(line))
    return dataclasses.replace(layer, offset=offset)


def _layer(
    path: Path,
    name: str,
    arrays: Mapping[str, Stored],
    attributes: Mapping[str, Any],
    clips: int,
    depth: float,
) -> ExternalLayer:
    stored = arrays[name]
    if len(stored.shape) not in (2, 3, 4) or stored.shape[0] != clips or 0 in stored.shape:
        of, _, last = name.rpartition("/")
        hint = (
            f" (and there is no layer {of!r} that it could describe)" if last in described.PROPERTIES else ""
        )
        raise FileError(
            path,
            f"expected layer {name!r} as [{clips} clips, freq, time, channels] or [{clips} clips, units], "
            f"got shape {list(stored.shape)}{hint}",
        )
    if stored.dtype.kind not in "fiub" and stored.dtype != ml_dtypes.bfloat16:
        raise FileError(path, f"expected numbers in layer {name!r}, got {stored.dtype}")
    bands = stored.shape[1] if len(stored.shape) == 4 else 1
    properties = described.properties_of(path, name, arrays, attributes, bands)
    if properties["depth"] is not None:
        stated = described.numbers(path, name, "depth", properties["depth"])
        if stated.size != 1 or not 0 <= stated.item() <= 1:
            raise FileError(path, f"expected {name}/depth as one number of 0 .. 1, got {stated!r:.60}")
        depth = float(stated.item())
    if len(stored.shape) == 2:
        return ExternalLayer(name, stored, depth)
    time0_s, hop_s = described.frame_times(path, name, properties)
    field_s = (
        hop_s
        if properties["field_s"] is None
        else described.seconds(path, name, "field_s", properties["field_s"])
    )
    hz = None if properties["hz"] is None else described.numbers(path, name, "hz", properties["hz"])
    if hz is not None and (hz.shape != (bands,) or not (np.diff(hz) > 0).all() or not np.isfinite(hz).all()):
        raise FileError(path, f"expected {name}/hz as {bands} rising frequencies, got shape {hz.shape}")
    return ExternalLayer(name, stored, depth, time0_s, hop_s, field_s, hz)
