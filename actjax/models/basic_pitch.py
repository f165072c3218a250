"""A transcriber of notes on the raw wave: contours, notes and onsets for every frame."""

from collections.abc import Sequence
from pathlib import Path

import flax.linen as nn
import jax
import jax.numpy as jnp

from actjax.nn import pitch_pyramid
from actjax.nn.blocks import BatchNorm, Grid, Window
from actjax.nn.imported import Imported
from actjax.nn.published import basic_pitch
from actjax.types import Layer

# What npm calls the package with its weights.
WHEEL = "spotify-basic-pitch-*.tgz"
# In bins of a third of a semitone: the harmonics 1/2, 1 ... 7.
HARMONICS = (-36, 0, 36, 57, 72, 84, 93, 101)
PER_KEY = 3
# Name -> (filters, window over frequency and time).
CONVOLUTIONS = {
    "contour_conv": (8, Window((39, 3), padding="SAME")),
    "contour": (1, Window((5, 5), padding="SAME")),
    "note_conv": (32, Window((7, 7), (PER_KEY, 1), "SAME")),
    "note": (1, Window((3, 7), padding="SAME")),
    "onset_conv": (32, Window((5, 5), (PER_KEY, 1), "SAME")),
    "onset": (1, Window((3, 3), padding="SAME")),
}


class BasicPitch(nn.Module):
    """See `model`."""

    num_classes: int
    axis_name: str | None
    dropout: float
    takes: str = "wave"
    independent_outputs: bool = True

    @nn.compact
    def __call__(
        self, wave_b1s: jax.Array, *, train: bool, mask_b: jax.Array | None = None
    ) -> tuple[jax.Array, dict[str, jax.Array]]:
        """[b, 1, s] -> logits [b, classes], the mean over the frames; layers [b, 1, t, c]."""
        self.layers(wave_b1s.shape[1:])

        def norm(x: jax.Array, name: str) -> jax.Array:
            return BatchNorm(self.axis_name, name=name)(x, train=train, mask_b=mask_b)

        def conv(x: jax.Array, name: str, use_bias: bool = True) -> jax.Array:
            filters, window = CONVOLUTIONS[name]
            return window.conv(filters, name=name, use_bias=use_bias)(x)

        x = norm(pitch_pyramid.log_power(wave_b1s[:, 0])[..., None], "input_bn")
        stacked = jnp.concatenate([_shifted(x, bins) for bins in HARMONICS], -1)[
            :, : PER_KEY * self.num_classes
        ]
        layers = {}
        x = nn.relu(norm(conv(stacked, "contour_conv", use_bias=False), "contour_conv_bn"))
        layers["contour_conv"] = _over_frequency(x)
        contour = nn.sigmoid(conv(x, "contour"))
        layers["contour"] = _as_units(contour)
        x = nn.relu(conv(contour, "note_conv"))
        layers["note_conv"] = _over_frequency(x)
        logits = conv(nn.Dropout(self.dropout, deterministic=not train)(x), "note")
        note = nn.sigmoid(logits)
        layers["note"] = _as_units(note)
        x = nn.relu(norm(conv(stacked, "onset_conv", use_bias=False), "onset_conv_bn"))
        layers["onset_conv"] = _over_frequency(x)
        layers["onset"] = _as_units(nn.sigmoid(conv(jnp.concatenate([note, x], -1), "onset")))
        return logits[..., 0].mean(2), layers

    def layers(self, input_shape_ft: Sequence[int]) -> tuple[Layer, ...]:
        """Name, size, depth and geometry of every layer, for an input of (1, samples).

        A frame is taken to see the longest window of the constant-Q transform, that of its lowest bin; the
        putting to 0 .. 1, which sees the whole clip, and the halving filters are not counted.
        """
        longest = 2 * int(pitch_pyramid.window_samples()[0] / 2)
        if input_shape_ft[1] < pitch_pyramid.LEAST_SAMPLES:
            raise ValueError(
                f"basic_pitch: each cell sees {longest} frames, got {input_shape_ft[1]} frames; take longer "
                f"clips, of {pitch_pyramid.LEAST_SAMPLES} samples at least"
            )
        window = Window((1, longest), (1, pitch_pyramid.HOP), ((0, 0), (longest // 2, longest // 2)))
        frames = window.over(Grid.of_input(input_shape_ft))
        grids = {"contour_conv": _wider(frames, "contour_conv"), "onset_conv": _wider(frames, "onset_conv")}
        for name, before in (("contour", "contour_conv"), ("note_conv", "contour"), ("note", "note_conv")):
            grids[name] = _wider(grids[before], name)
        grids["onset"] = _wider(grids["note"], "onset")
        sizes = {name: filters for name, (filters, _) in CONVOLUTIONS.items()}
        sizes |= {"contour": PER_KEY * self.num_classes, "note": self.num_classes, "onset": self.num_classes}
        count = len(sizes) + 1
        return tuple(grids[name].layer(name, n, i / count) for i, (name, n) in enumerate(sizes.items(), 1))


def model(*, num_classes: int = 88, axis_name: str | None = None, dropout: float = 0.0) -> BasicPitch:
    """Basic Pitch: contours, notes and onsets of every frame of a raw wave at 22.05 kHz.

    Decibels of a constant-Q transform of 36 bins an octave, put to 0 .. 1 over the clip - eight harmonics as
    channels - convolutions for the contour (264 bins), from it for the notes (88 keys), and from both for the
    onsets. These three are layers of units frame by frame; of the convolutions between them each channel is
    its mean over frequency. The published program cuts waves into windows of 43,844 samples, here a clip is
    one. Its parameters: 16,742. R. Bittner et al., "A Lightweight Instrument-Agnostic Model for Polyphonic
    Note Transcription and Multipitch Estimation", ICASSP 2022.

    `config.weights` takes the npm package @spotify/basic-pitch as `npm pack` leaves it.

    Args:
      num_classes: number of keys, from A0; the contour has three bins a key.
      axis_name: of the device axis over which batch normalisation is synchronised.
      dropout: rate before the notes' last convolution; the published network has none.
    """
    return BasicPitch(num_classes, axis_name, dropout)


def read_weights(path: Path, bound: int) -> Imported:
    """Reads the package; see `nn.published.basic_pitch.read`."""
    return basic_pitch.read(path, bound)


def _shifted(x_bft1: jax.Array, bins: int) -> jax.Array:
    """The map of a harmonic: that of `bins` above, zeros where there is none."""
    edges = ((0, 0), (max(-bins, 0), max(bins, 0)), (0, 0), (0, 0))
    count = x_bft1.shape[1]
    return jnp.pad(x_bft1, edges)[:, max(bins, 0) : max(bins, 0) + count]


def _over_frequency(x_bftc: jax.Array) -> jax.Array:
    return x_bftc.mean(1, keepdims=True)


def _as_units(x_bft1: jax.Array) -> jax.Array:
    """[b, f, t, 1] -> [b, 1, t, f]: each bin is a unit."""
    return x_bft1.transpose(0, 3, 2, 1)


def _wider(grid: Grid, name: str) -> Grid:
    """The frames after a convolution over time."""
    return Window((1, CONVOLUTIONS[name][1].kernel[1]), padding="SAME").over(grid)
