"""Xception for log-mel images: separable convolutions with shortcuts."""

from collections.abc import Sequence

import flax.linen as nn
import jax

from actjax.nn.blocks import BatchNorm, Grid, Window
from actjax.options import WIDTH, Number
from actjax.types import Layer

RANGES = {"entry": WIDTH, "exit": WIDTH, "middle_blocks": Number(1, 1000, whole=True)}

CONV1 = Window((48, 3), (2, 2))
CONV2 = Window((3, 3))
# Kernel of both separable convolutions of each entry block; the shortcut and the pooling halve the map.
ENTRY = (Window((3, 24), padding="SAME"), Window((3, 3), padding="SAME"), Window((3, 3), padding="SAME"))
ENTRY_POOL = Window((3, 3), (2, 2), "SAME")
MIDDLE = Window((3, 3), padding="SAME")
EXIT_POOL = Window((2, 2), (2, 2), "SAME")
SHORTCUT = Window((1, 1), (2, 2), "SAME")


class XceptionAudio(nn.Module):
    """See `model`."""

    num_classes: int
    axis_name: str | None
    stem: int
    entry: tuple[int, int, int]
    middle_blocks: int
    exit: int
    dropout: float

    @nn.compact
    def __call__(
        self, mel_bft: jax.Array, *, train: bool, mask_b: jax.Array | None = None
    ) -> tuple[jax.Array, dict[str, jax.Array]]:
        """[b, f, t] -> logits [b, classes], layers."""
        self.layers(mel_bft.shape[1:])
        layers = {}

        def norm(x: jax.Array, name: str) -> jax.Array:
            return BatchNorm(self.axis_name, name=f"{name}_bn")(x, train=train, mask_b=mask_b)

        def elu(x: jax.Array, name: str) -> jax.Array:
            layers[name] = nn.elu(x)
            return layers[name]

        def separable(x: jax.Array, width: int, window: Window, name: str) -> jax.Array:
            channels = x.shape[-1]
            depthwise = {"name": f"{name}_depthwise", "use_bias": False, "feature_group_count": channels}
            x = window.conv(channels, **depthwise)(x)
            x = Window((1, 1)).conv(width, name=f"{name}_pointwise", use_bias=False)(x)
            return norm(x, name)

        def shortcut(x: jax.Array, width: int, name: str) -> jax.Array:
            return norm(SHORTCUT.conv(width, name=f"{name}_shortcut", use_bias=False)(x), f"{name}_shortcut")

        x = CONV1.conv(self.stem, name="conv1", use_bias=False)(mel_bft[..., None])
        x = elu(norm(x, "conv1"), "conv1")
        x = elu(norm(CONV2.conv(self.stem, name="conv2", use_bias=False)(x), "conv2"), "conv2")
        for i, (width, window) in enumerate(zip(self.entry, ENTRY, strict=True), 1):
            y = x if i == 1 else elu(x, f"entry{i}_a")
            y = elu(separable(y, width, window, f"entry{i}_1"), f"entry{i}_b")
            y = ENTRY_POOL.max_pool(separable(y, width, window, f"entry{i}_2"))
            x = y + shortcut(x, width, f"entry{i}")
        for i in range(1, self.middle_blocks + 1):
            y = x
            for j, letter in enumerate("abc", 1):
                y = separable(elu(y, f"middle{i}_{letter}"), self.entry[-1], MIDDLE, f"middle{i}_{j}")
            x = x + y
        y = separable(elu(x, "exit_a"), self.entry[-1], MIDDLE, "exit_1")
        y = EXIT_POOL.max_pool(separable(elu(y, "exit_b"), self.exit, MIDDLE, "exit_2"))
        x = layers["embedding"] = (y + shortcut(x, self.exit, "exit")).mean((1, 2))
        x = nn.Dropout(self.dropout, deterministic=not train)(x)
        return nn.Dense(self.num_classes, name="logits")(x), layers

    def layers(self, input_shape_ft: Sequence[int]) -> tuple[Layer, ...]:
        """Name, size, depth and geometry of every layer, for an input of (bands, frames)."""
        grids = []

        def add(grid: Grid, name: str, width: int) -> Grid:
            grids.append((grid.check(f"xception_audio, {name}"), name, width))
            return grid

        grid = add(CONV1.over(Grid.of_input(input_shape_ft)), "conv1", self.stem)
        grid = add(CONV2.over(grid), "conv2", self.stem)
        before = self.stem
        for i, (width, window) in enumerate(zip(self.entry, ENTRY, strict=True), 1):
            grid = grid if i == 1 else add(grid, f"entry{i}_a", before)
            grid = add(window.over(grid), f"entry{i}_b", width)
            grid, before = ENTRY_POOL.over(window.over(grid)), width
        for i in range(1, self.middle_blocks + 1):
            for letter in "abc":
                grid = MIDDLE.over(add(grid, f"middle{i}_{letter}", before))
        grid = MIDDLE.over(add(grid, "exit_a", before))
        add(grid, "exit_b", before)
        count = len(grids) + 2
        maps = [grid.layer(name, width, i / count) for i, (grid, name, width) in enumerate(grids, 1)]
        return (*maps, Layer("embedding", self.exit, (count - 1) / count))


def model(
    *,
    num_classes: int,
    axis_name: str | None = None,
    stem: int = 64,
    entry: tuple[int, int, int] = (128, 256, 728),
    middle_blocks: int = 4,
    exit: int = 1024,
    dropout: float = 0.0,
) -> XceptionAudio:
    """The authors' adaptation of Xception to log-mel images of 96 bands x 1366 frames.

    Entry: conv 64 (48 x 3, stride 2) and 64 (3 x 3), unpadded; three blocks of two separable
    convolutions and a 3 x 3 max-pool of stride 2 beside a 1 x 1 shortcut of stride 2, of 128
    (kernels 3 x 24), 256 and 728 channels. Middle: four blocks of three separable convolutions with
    identity shortcut. Exit: separable convolutions of 728 and 1024, a 2 x 2 max-pool beside a
    shortcut, and the average over the map, which is the embedding. Batch norm follows every
    convolution, so none has a bias; the layers are the outputs of every ELU. Its parameters with 12
    classes: 9,653,492. Slizovskaia, Gómez and Haro, ICMR 2017; Chollet, CVPR 2017.

    Args:
      num_classes: number of outputs.
      axis_name: of the device axis over which batch normalisation is synchronised.
      stem: channels of the first two convolutions.
      entry: channels of the entry blocks; the middle has those of the last.
      middle_blocks: number of middle blocks.
      exit: channels of the last convolution, and units of the embedding.
      dropout: rate before the last layer; 0 in the publication.
    """
    return XceptionAudio(
        num_classes=num_classes,
        axis_name=axis_name,
        stem=stem,
        entry=entry,
        middle_blocks=middle_blocks,
        exit=exit,
        dropout=dropout,
    )
