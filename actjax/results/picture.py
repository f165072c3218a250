"""Pictures and sounds that a notebook shows by themselves."""

import base64
import dataclasses
import io
import wave
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from actjax.pages.markup import Markup, join, tag


@dataclasses.dataclass(frozen=True)
class Picture:
    """A picture; the last line of a notebook's cell shows it.

    Attributes:
      png: its bytes.
    """

    png: bytes

    def save(self, path: str | Path) -> Path:
        """Writes the PNG file."""
        Path(path).write_bytes(self.png)
        return Path(path)

    def _repr_png_(self) -> bytes:
        """What a notebook shows."""
        return self.png


@dataclasses.dataclass(frozen=True)
class Clip:
    """A clip and what a neuron does on it.

    Attributes:
      clip_id: as the data set names it.
      label: the name of its class, several joined by commas.
      activation: the neuron's mean over the clip.
      wave_s: [s] samples of signal, in -1 .. 1.
      sample_rate_hz: of the wave.
    """

    clip_id: str
    label: str
    activation: float
    wave_s: np.ndarray
    sample_rate_hz: int

    def wav(self) -> bytes:
        """The clip as a WAV file of 16 bits."""
        out = io.BytesIO()
        with wave.open(out, "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(self.sample_rate_hz)
            file.writeframes((np.clip(self.wave_s, -1, 1) * 32767).astype("<i2").tobytes())
        return out.getvalue()


@dataclasses.dataclass(frozen=True)
class Sounds:
    """Clips with a player each; the last line of a notebook's cell shows them.

    Attributes:
      title: what they are.
      clips: in order.
    """

    title: str
    clips: Sequence[Clip]

    def _repr_html_(self) -> Markup:
        """What a notebook shows."""
        return join(tag("p", tag("b", self.title)), *(_player(clip) for clip in self.clips))


def _player(clip: Clip) -> Markup:
    data = base64.b64encode(clip.wav()).decode()
    text = f"{clip.activation:.3g} · {clip.label} · {clip.clip_id}"
    return tag("p", tag("audio", controls="", src=f"data:audio/wav;base64,{data}"), " ", text)
