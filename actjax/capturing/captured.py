"""What a capture gives: every layer's activations, and where their cells lie."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from actjax.activations import views
from actjax.external.folder import LayerTimes, new_folder
from actjax.types import Frontend, Layer


class Clock(NamedTuple):
    """How steps of a network's input become seconds and Hz.

    Attributes:
      step_s: between two of them.
      window_s: what one of them hears.
      band_hz: [bands] of the input's image, or None.
    """

    step_s: float
    window_s: float
    band_hz: np.ndarray | None = None

    @classmethod
    def of_wave(cls, sample_rate_hz: float) -> "Clock":
        """That of samples."""
        return cls(1 / sample_rate_hz, 1 / sample_rate_hz)

    @classmethod
    def of_image(cls, front: Frontend, band_hz: np.ndarray) -> "Clock":
        """That of frames of a front end."""
        rate = front.sample_rate_hz
        return cls(front.hop_samples / rate, front.n_fft / rate, band_hz)

    def times(self, layer: Layer) -> LayerTimes:
        """Places a layer in seconds, and in Hz where its input has bands."""
        if layer.time is None or layer.frequency is None:
            return LayerTimes(layer.depth)
        hz = None
        if self.band_hz is not None and layer.frequency.size > 1:
            hz = views.layer_frequency(layer.frequency, self.band_hz).centres
        return LayerTimes(
            depth=layer.depth,
            time0_s=layer.time.first * self.step_s,
            hop_s=layer.time.step * self.step_s,
            field_s=(layer.time.field - 1) * self.step_s + self.window_s,
            hz=hz,
        )


@dataclasses.dataclass(frozen=True, eq=False)
class Captured(Mapping[str, np.ndarray]):
    """Layer name -> its activations: maps [clips, freq, time, channels], embeddings [clips, units].

    Attributes:
      arrays: by layer, in order of computation; where a folder was named they are mapped from it.
      layers: name, neurons, depth and geometry of each, in samples of the wave or in bands and frames of the
        image that the network takes.
      times: layer -> the same in seconds and Hz; empty where neither a sample rate nor a front end was named.
      clip_ids: of the first axis.
    """

    arrays: Mapping[str, np.ndarray]
    layers: tuple[Layer, ...]
    times: Mapping[str, LayerTimes]
    clip_ids: tuple[str, ...]

    def __getitem__(self, name: str) -> np.ndarray:
        return self.arrays[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.arrays)

    def __len__(self) -> int:
        return len(self.arrays)

    def save(self, folder: str | Path, dtype: str = "float32") -> Path:
        """Writes a folder that `--config.score.activations=FOLDER` scores.

        Raises:
          FileError: something is there already.
          ValueError: times are missing.
        """
        path = Path(folder).expanduser()
        check_times(self.times)
        with new_folder(path, len(self.clip_ids), dtype) as writer:
            writer.add(self.arrays)
            writer.finish(self.clip_ids, self.times)
        return path


def check_times(times: Mapping[str, LayerTimes]) -> None:
    """Raises ValueError where nobody knows how long a step of the input is."""
    if not times:
        raise ValueError("a folder of activations needs seconds: say sample_rate_hz, or frontend for images")


def checked_ids(clip_ids: Sequence[str] | None, clips: int) -> tuple[str, ...]:
    """The clip ids, "0", "1" ... where none are named.

    Raises:
      ValueError: another number of them than of clips, or one twice.
    """
    ids = tuple(map(str, range(clips) if clip_ids is None else clip_ids))
    if len(ids) != clips or len(set(ids)) != clips:
        raise ValueError(
            f"expected {clips} different clip_ids, one a clip, got {len(ids)}, {len(set(ids))} different"
        )
    return ids
