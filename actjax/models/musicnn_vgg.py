"""A tagger of music with five plain convolutions, musicnn's baseline."""

from collections.abc import Sequence
from pathlib import Path

import flax.linen as nn
import jax

from actjax.nn.blocks import BatchNorm, Grid, Window
from actjax.nn.imported import Imported
from actjax.nn.published import musicnn
from actjax.options import Choice
from actjax.types import Layer

# What pip calls the package with its weights.
WHEEL = "musicnn-*.whl"
RANGES = {"trained_on": Choice(tuple(musicnn.TAGS))}
CONV = Window((3, 3), padding="SAME")
# (bands, frames).
POOLS = (Window((1, 4), (2, 2)), *(Window((2, 2), (2, 2)),) * 3, Window((4, 4), (4, 4)))


class MusicnnVgg(nn.Module):
    """See `model`."""

    num_classes: int
    axis_name: str | None
    dropout: float
    independent_outputs: bool = True

    @nn.compact
    def __call__(
        self, mel_bft: jax.Array, *, train: bool, mask_b: jax.Array | None = None
    ) -> tuple[jax.Array, dict[str, jax.Array]]:
        """[b, f, t] -> logits [b, classes], layers."""
        self.layers(mel_bft.shape[1:])
        layers = {}
        x = BatchNorm(self.axis_name, name="input_bn")(mel_bft[..., None], train=train, mask_b=mask_b)
        for i, pool in enumerate(POOLS, 1):
            x = nn.relu(CONV.conv(128, name=f"conv{i}")(x))
            last = i == len(POOLS)
            if not last:
                x = BatchNorm(self.axis_name, name=f"conv{i}_bn")(x, train=train, mask_b=mask_b)
            layers[f"conv{i}"] = x
            rate = self.dropout if last else self.dropout / 2
            x = nn.Dropout(rate, deterministic=not train)(pool.max_pool(x))
        # Frames before bands, as published.
        x = x.transpose(0, 2, 1, 3).reshape(len(x), -1)
        layers["tags"] = nn.Dense(self.num_classes, name="tags")(x)
        return layers["tags"], layers

    def layers(self, input_shape_ft: Sequence[int]) -> tuple[Layer, ...]:
        """Name, size, depth and geometry of every layer, for an input of (bands, frames)."""
        grid, layers, count = Grid.of_input(input_shape_ft), [], len(POOLS) + 2
        for i, pool in enumerate(POOLS, 1):
            grid = CONV.over(grid)
            layers.append(grid.layer(f"conv{i}", 128, i / count))
            grid = pool.over(grid).check(f"musicnn_vgg, after conv{i}")
        return (*layers, Layer("tags", self.num_classes, (count - 1) / count))


def model(
    *, num_classes: int, axis_name: str | None = None, trained_on: str = "MTT", dropout: float = 0.5
) -> MusicnnVgg:
    """The plain tagger that Pons and Serra publish beside musicnn, after Choi et al. (ISMIR 2016).

    Batch norm of the image - five times convolution 3 x 3 of 128 filters, ReLU, batch norm (but the last) and
    max-pool - output. Layer "tags" holds the log-odds of each tag; each is true or not by itself. Its
    parameters at 96 x 187 with 50 tags: 605,492. `config.weights` takes the same wheel as musicnn's does.

    Args:
      num_classes: number of outputs.
      axis_name: of the device axis over which batch normalisation is synchronised.
      trained_on: whose published weights and names of tags `config.weights` reads: "MTT" (MagnaTagATune) or
        "MSD" (Million Song Dataset).
      dropout: rate before the output; half of it after the first four pools.
    """
    RANGES["trained_on"]("trained_on", trained_on)
    return MusicnnVgg(num_classes, axis_name, dropout)


def read_weights(path: Path, bound: int, *, trained_on: str = "MTT") -> Imported:
    """Reads the network of that name from the package's wheel; see `nn.published.musicnn.read`."""
    return musicnn.read(path, bound, f"{trained_on}_vgg")
