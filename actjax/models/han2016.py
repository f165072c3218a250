"""Pairs of small convolutions without batch norm, for predominant instruments."""

import functools
from collections.abc import Sequence

import flax.linen as nn
import jax

from actjax.nn.blocks import Grid, Window
from actjax.types import Layer

# One row of zeros on every side, then a 'same' convolution: maps grow by two.
CONV = Window((3, 3), padding=((2, 2), (2, 2)))
POOL = Window((3, 3), (3, 3))
SLOPE = 0.33


class Han2016(nn.Module):
    """See `model`."""

    num_classes: int
    widths: tuple[int, ...]
    embedding: int
    dropout: float

    @nn.compact
    def __call__(
        self, mel_bft: jax.Array, *, train: bool, mask_b: jax.Array | None = None
    ) -> tuple[jax.Array, dict[str, jax.Array]]:
        """[b, f, t] -> logits [b, classes], layers; clips do not meet, so mask_b changes nothing."""
        self.layers(mel_bft.shape[1:])
        leaky = functools.partial(nn.leaky_relu, negative_slope=SLOPE)
        layers, x = {}, mel_bft[..., None]
        for i, width in enumerate(self.widths, 1):
            for letter in "ab":
                x = layers[f"conv{i}{letter}"] = leaky(CONV.conv(width, name=f"conv{i}{letter}")(x))
            if i < len(self.widths):
                x = nn.Dropout(self.dropout / 2, deterministic=not train)(POOL.max_pool(x))
        x = nn.Dense(self.embedding, name="embedding")(x.max((1, 2)))
        x = layers["embedding"] = leaky(x)
        x = nn.Dropout(self.dropout, deterministic=not train)(x)
        return nn.Dense(self.num_classes, name="logits")(x), layers

    def layers(self, input_shape_ft: Sequence[int]) -> tuple[Layer, ...]:
        """Name, size, depth and geometry of every layer, for an input of (bands, frames)."""
        grid, layers, count = (
            Grid.of_input(input_shape_ft).check("han2016, input"),
            [],
            2 * len(self.widths) + 2,
        )
        for i, width in enumerate(self.widths, 1):
            for letter in "ab":
                grid = CONV.over(grid)
                layers.append(grid.layer(f"conv{i}{letter}", width, (len(layers) + 1) / count))
            if i < len(self.widths):
                grid = POOL.over(grid).check(f"han2016, after conv{i}b")
        return (*layers, Layer("embedding", self.embedding, (count - 1) / count))


def model(
    *,
    num_classes: int,
    axis_name: str | None = None,
    widths: tuple[int, int, int, int] = (32, 64, 128, 256),
    embedding: int = 1024,
    dropout: float = 0.5,
) -> Han2016:
    """The network of Han, Kim and Lee for predominant instruments, for 128 bands x 43 frames.

    Four blocks of two [zero-pad 1 - conv 3 x 3 'same' - LeakyReLU 0.33], of 32, 64, 128 and 256
    filters; 3 x 3 max-pool of stride 3 and dropout after the first three, then the maximum over the
    map - dense 1024 - LeakyReLU (embedding) - dropout - output, of which training with several labels
    takes the sigmoid. Its parameters with 11 classes: 1,446,123. IEEE/ACM TASLP 25(1), 2017.

    Args:
      num_classes: number of outputs.
      axis_name: unused, as nothing is normalised over the batch.
      widths: channels of the four blocks.
      embedding: units of the dense layer.
      dropout: rate before the last layer; half of it after the first three blocks.
    """
    return Han2016(num_classes=num_classes, widths=tuple(widths), embedding=embedding, dropout=dropout)
