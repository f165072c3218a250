"""A small VGG: four plain convolutions and a dense embedding, to be trained on a CPU in a minute."""

from collections.abc import Sequence
from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from actjax.nn.blocks import BatchNorm, Grid, Window
from actjax.types import Layer


class Stage(NamedTuple):
    """One convolution and the pooling after it."""

    conv: Window
    pool: Window | None


# Nothing is padded, so every cell of every layer sees real input only. Time is reduced by 4 in all
# and the last field is 31 frames; frequency is pooled more, which is where the arithmetic is saved.
STAGES = (
    Stage(Window((5, 5), (2, 2)), Window((2, 2), (2, 2))),
    Stage(Window((3, 3)), Window((2, 1), (2, 1))),
    Stage(Window((3, 3)), None),
    Stage(Window((3, 3)), None),
)


class Vgg(nn.Module):
    """See `model`."""

    num_classes: int
    axis_name: str | None
    widths: tuple[int, ...]
    embedding: int
    dropout: float

    @nn.compact
    def __call__(
        self, mel_bft: jax.Array, *, train: bool, mask_b: jax.Array | None = None
    ) -> tuple[jax.Array, dict[str, jax.Array]]:
        """[b, f, t] -> logits [b, classes], layers."""
        self.layers(mel_bft.shape[1:])
        layers = {}
        # Scale and bias here would change nothing after the next batch norm: their gradient is only
        # rounding, which Adam turns into steps that differ with the number of devices.
        norm = BatchNorm(self.axis_name, affine=False, name="bn0")
        x = norm(mel_bft[..., None], train=train, mask_b=mask_b)
        for i, (stage, width) in enumerate(zip(STAGES, self.widths, strict=True), 1):
            x = stage.conv.conv(width, name=f"conv{i}", use_bias=False)(x)
            norm = BatchNorm(self.axis_name, name=f"bn{i}")
            layers[f"conv{i}"], x = norm.rectified(x, stage.pool, train=train, mask_b=mask_b)
        # Bands stay apart (an instrument has its register), time is summarised.
        x = jnp.concatenate([x.mean(2), x.max(2)], -1)
        x = nn.Dense(self.embedding, name="embedding")(x.reshape(len(x), -1))
        x = layers["embedding"] = nn.relu(x)
        x = nn.Dropout(self.dropout, deterministic=not train)(x)
        return nn.Dense(self.num_classes, name="logits")(x), layers

    def layers(self, input_shape_ft: Sequence[int]) -> tuple[Layer, ...]:
        """Name, size, depth and geometry of every layer, for an input of (bands, frames)."""
        grid, layers, count = Grid.of_input(input_shape_ft), [], len(STAGES) + 2
        for i, (stage, width) in enumerate(zip(STAGES, self.widths, strict=True), 1):
            grid = stage.conv.over(grid).check(f"vgg, conv{i}")
            layers.append(grid.layer(f"conv{i}", width, i / count))
            if stage.pool is not None:
                grid = stage.pool.over(grid).check(f"vgg, after conv{i}")
        return (*layers, Layer("embedding", self.embedding, (count - 1) / count))


def model(
    *,
    num_classes: int,
    axis_name: str | None = None,
    widths: tuple[int, int, int, int] = (24, 32, 48, 64),
    embedding: int = 96,
    dropout: float = 0.3,
) -> Vgg:
    """A plain convolutional network after Simonyan and Zisserman (ICLR 2015), made small.

    Four convolutions (5 x 5 of stride 2, then 3 x 3), each with batch norm and ReLU, unpadded; max-pool
    2 x 2 after the first and 2 x 1 after the second; mean and maximum over time - dense 96 - ReLU
    (embedding) - dropout - output. Its parameters at 96 bands with 12 classes: 124,308.

    Args:
      num_classes: number of outputs.
      axis_name: of the device axis over which batch normalisation is synchronised.
      widths: channels of the four convolutions.
      embedding: units of the penultimate layer.
      dropout: rate before the last layer.
    """
    return Vgg(
        num_classes=num_classes,
        axis_name=axis_name,
        widths=tuple(widths),
        embedding=embedding,
        dropout=dropout,
    )
