"""A residual network of 18 layers."""

from collections.abc import Sequence

import flax.linen as nn
import jax

from actjax.nn.blocks import BatchNorm, Grid, Window
from actjax.types import Layer

# Padded alike on both sides, so that the cells of both paths lie on each other.
STEM = Window((7, 7), (2, 2), ((3, 3), (3, 3)))
STEM_POOL = Window((3, 3), (2, 2), ((1, 1), (1, 1)))


def _conv(stride: int) -> Window:
    return Window((3, 3), (stride, stride), ((1, 1), (1, 1)))


class ResNet(nn.Module):
    """See `model`."""

    num_classes: int
    axis_name: str | None
    stem: int
    widths: tuple[int, ...]
    blocks: tuple[int, ...]
    dropout: float

    @nn.compact
    def __call__(
        self, mel_bft: jax.Array, *, train: bool, mask_b: jax.Array | None = None
    ) -> tuple[jax.Array, dict[str, jax.Array]]:
        """[b, f, t] -> logits [b, classes], layers."""
        self.layers(mel_bft.shape[1:])
        layers = {}

        def normed(x: jax.Array, window: Window, width: int, name: str) -> jax.Array:
            x = window.conv(width, name=name, use_bias=False)(x)
            return BatchNorm(self.axis_name, name=f"{name}_bn")(x, train=train, mask_b=mask_b)

        x = layers["conv1"] = nn.relu(normed(mel_bft[..., None], STEM, self.stem, "conv1"))
        x = STEM_POOL.max_pool(x)
        for name, width, stride in self._plan():
            y = layers[f"{name}_a"] = nn.relu(normed(x, _conv(stride), width, f"{name}_a"))
            y = normed(y, _conv(1), width, f"{name}_b")
            if x.shape != y.shape:
                x = normed(x, Window((1, 1), (stride, stride)), width, f"{name}_shortcut")
            x = layers[f"{name}_b"] = nn.relu(x + y)
        x = layers["embedding"] = x.mean((1, 2))
        x = nn.Dropout(self.dropout, deterministic=not train)(x)
        return nn.Dense(self.num_classes, name="logits")(x), layers

    def layers(self, input_shape_ft: Sequence[int]) -> tuple[Layer, ...]:
        """Name, size, depth and geometry of every layer, for an input of (bands, frames)."""
        plan = self._plan()
        count = 2 * len(plan) + 3
        grid = STEM.over(Grid.of_input(input_shape_ft).check("resnet, input"))
        layers = [grid.layer("conv1", self.stem, 1 / count)]
        grid = STEM_POOL.over(grid)
        for name, width, stride in plan:
            for letter, step in (("a", stride), ("b", 1)):
                grid = _conv(step).over(grid)
                layers.append(grid.layer(f"{name}_{letter}", width, (len(layers) + 1) / count))
        return (*layers, Layer("embedding", self.widths[-1], (count - 1) / count))

    def _plan(self) -> list[tuple[str, int, int]]:
        """Name, width and stride of every block; each stage but the first begins by halving."""
        return [
            (f"stage{i}_{j}", width, 2 if i > 1 and j == 1 else 1)
            for i, (width, blocks) in enumerate(zip(self.widths, self.blocks, strict=True), 1)
            for j in range(1, blocks + 1)
        ]


def model(
    *,
    num_classes: int,
    axis_name: str | None = None,
    stem: int = 64,
    widths: tuple[int, ...] = (64, 128, 256, 512),
    blocks: tuple[int, ...] = (2, 2, 2, 2),
    dropout: float = 0.0,
) -> ResNet:
    """The 18-layer residual network of He et al. on a log-mel image as a one-channel picture.

    Conv 7 x 7 of stride 2 - max-pool 3 x 3 of stride 2 - four stages of two blocks of two 3 x 3
    convolutions with a shortcut - average over the map (embedding) - output. Batch norm follows every
    convolution. Its parameters with 12 classes: 11,176,396. CVPR 2016.

    Args:
      num_classes: number of outputs.
      axis_name: of the device axis over which batch normalisation is synchronised.
      stem: channels of the first convolution.
      widths: channels of each stage.
      blocks: number of blocks of each stage.
      dropout: rate before the last layer; 0 in the publication.

    Raises:
      ValueError: widths and blocks of different numbers of stages.
    """
    if len(widths) != len(blocks):
        raise ValueError(f"resnet: expected widths and blocks of as many stages, got {widths} and {blocks}")
    return ResNet(
        num_classes=num_classes,
        axis_name=axis_name,
        stem=stem,
        widths=tuple(widths),
        blocks=tuple(blocks),
        dropout=dropout,
    )
