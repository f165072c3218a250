"""Parallel timbre filters, then two plain convolutions."""

from collections.abc import Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp

from actjax.nn.blocks import BatchNorm, Grid, Window
from actjax.nn.timbre import TimbreFilters, branches, check_even_padding
from actjax.types import Layer

FIRST_POOL = Window((24, 32), (24, 32))
CONV = Window((3, 3), padding="SAME")
POOL = Window((2, 2), (2, 2))


class MultiLayer(nn.Module):
    """See `model`."""

    num_classes: int
    axis_name: str | None
    filter_heights: tuple[int, ...]
    even_padding: str
    widths: tuple[int, ...]
    embedding: int
    dropout: float

    @nn.compact
    def __call__(
        self, mel_bft: jax.Array, *, train: bool, mask_b: jax.Array | None = None
    ) -> tuple[jax.Array, dict[str, jax.Array]]:
        """[b, f, t] -> logits [b, classes], layers."""
        self.layers(mel_bft.shape[1:])
        filters = TimbreFilters(self.filter_heights, self.even_padding, self.axis_name, name="filters")
        layers = filters(mel_bft, train=train, mask_b=mask_b)
        x = jnp.concatenate([FIRST_POOL.max_pool(x) for x in layers.values()], -1)
        for i, width in enumerate(self.widths, 2):
            x = nn.Dropout(self.dropout / 2, deterministic=not train)(x)
            x = CONV.conv(width, name=f"conv{i}")(x)
            x = BatchNorm(self.axis_name, name=f"bn{i}")(x, train=train, mask_b=mask_b)
            x = layers[f"conv{i}"] = nn.elu(x)
            x = POOL.max_pool(x)
        x = nn.Dropout(self.dropout, deterministic=not train)(x.reshape(len(x), -1))
        x = layers["embedding"] = nn.elu(nn.Dense(self.embedding, name="embedding")(x))
        x = nn.Dropout(self.dropout, deterministic=not train)(x)
        return nn.Dense(self.num_classes, name="logits")(x), layers

    def layers(self, input_shape_ft: Sequence[int]) -> tuple[Layer, ...]:
        """Name, size, depth and geometry of every layer, for an input of (bands, frames)."""
        whole, count = Grid.of_input(input_shape_ft), len(self.widths) + 3
        layers = [
            w.over(whole).layer(name, n, 1 / count)
            for name, w, n in branches(self.filter_heights, self.even_padding)
        ]
        # What follows sees as far as the largest branch does.
        largest = branches((max(self.filter_heights),), self.even_padding)[-1]
        grid = largest[1].over(whole)
        grid = FIRST_POOL.over(grid).check("multilayer, first pooling")
        for i, width in enumerate(self.widths, 2):
            grid = CONV.over(grid)
            layers.append(grid.layer(f"conv{i}", width, i / count))
            grid = POOL.over(grid).check(f"multilayer, after conv{i}")
        return (*layers, Layer("embedding", self.embedding, (count - 1) / count))

    def flattened(self, input_shape_ft: Sequence[int]) -> tuple[list[tuple[int, int, int]], bool]:
        """(freq, time, channels) of the map before the first dense layer; channels come last."""
        last = self.layers(input_shape_ft)[-2]
        grid = POOL.over(Grid.of_layer(last))
        return [(grid.frequency.size, grid.time.size, last.neurons)], False


def model(
    *,
    num_classes: int,
    axis_name: str | None = None,
    filter_heights: tuple[int, ...] = (5, 80),
    even_padding: str = "before",
    widths: tuple[int, int] = (128, 128),
    embedding: int = 256,
    dropout: float = 0.5,
) -> MultiLayer:
    """The multi-layer network of Pons et al., for 96 bands x 128 frames.

    The parallel filters of singlelayer, max-pooled over 24 bands x 32 frames and joined - twice
    [dropout - conv 128 3 x 3 'same' - batch norm - ELU - max-pool 2 x 2] - flatten - dropout - dense
    256 - ELU (embedding) - dropout - output. Its parameters at 96 x 128 with 11 classes: 742,315.
    EUSIPCO 2017.

    Args:
      num_classes: number of outputs.
      axis_name: of the device axis over which batch normalisation is synchronised.
      filter_heights: in mel bands.
      even_padding: the side on which 'same' pads even heights by one band more: "before" the lowest
        band, as Theano did, on which the published networks were trained, or "after" the highest, as
        TensorFlow does.
      widths: channels of the two plain convolutions.
      embedding: units of the dense layer.
      dropout: rate around the dense layer; half of it before the convolutions.
    """
    return MultiLayer(
        num_classes=num_classes,
        axis_name=axis_name,
        filter_heights=tuple(filter_heights),
        even_padding=check_even_padding(even_padding),
        widths=tuple(widths),
        embedding=embedding,
        dropout=dropout,
    )
