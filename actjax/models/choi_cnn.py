"""Four convolution blocks and a wide dense layer, for music tagging."""

from collections.abc import Sequence

import flax.linen as nn
import jax

from actjax.nn.blocks import Grid
from actjax.nn.choi import POOLS, ChoiBlocks, check_input_norm, conv_layers
from actjax.types import Layer


class ChoiCnn(nn.Module):
    """See `model`."""

    num_classes: int
    axis_name: str | None
    widths: tuple[int, ...]
    embedding: int
    input_norm: str
    dropout: float

    @nn.compact
    def __call__(
        self, mel_bft: jax.Array, *, train: bool, mask_b: jax.Array | None = None
    ) -> tuple[jax.Array, dict[str, jax.Array]]:
        """[b, f, t] -> logits [b, classes], layers."""
        self.layers(mel_bft.shape[1:])
        blocks = ChoiBlocks(self.axis_name, self.widths, self.input_norm, 0.0, name="blocks")
        x, layers = blocks(mel_bft, train=train, mask_b=mask_b)
        x = nn.Dense(self.embedding, name="embedding")(x.reshape(len(x), -1))
        x = layers["embedding"] = nn.elu(x)
        x = nn.Dropout(self.dropout, deterministic=not train)(x)
        return nn.Dense(self.num_classes, name="logits")(x), layers

    def layers(self, input_shape_ft: Sequence[int]) -> tuple[Layer, ...]:
        """Name, size, depth and geometry of every layer, for an input of (bands, frames)."""
        count = len(self.widths) + 2
        maps = conv_layers("choi_cnn", self.widths, input_shape_ft, count)
        return (*maps, Layer("embedding", self.embedding, (count - 1) / count))

    def flattened(self, input_shape_ft: Sequence[int]) -> tuple[list[tuple[int, int, int]], bool]:
        """(freq, time, channels) of the map before the first dense layer; channels come last."""
        last = self.layers(input_shape_ft)[-2]
        grid = POOLS[-1].over(Grid.of_layer(last))
        return [(grid.frequency.size, grid.time.size, last.neurons)], False


def model(
    *,
    num_classes: int,
    axis_name: str | None = None,
    widths: tuple[int, int, int, int] = (64, 128, 128, 128),
    embedding: int = 1024,
    input_norm: str = "channel",
    dropout: float = 0.5,
) -> ChoiCnn:
    """The network that the authors' ICMR 2017 code calls crnn, for 96 bands x 1366 frames.

    Time zero-padded by 37 on both sides - batch norm of the input - four blocks [conv 3 x 3 - batch
    norm - ELU - max-pool 2, 3, 4 and 4] - flatten - dense 1024 - ELU (embedding) - dropout - output.
    Its parameters at 96 x 1366 with 12 classes: 2,349,966. After Choi, Fazekas and Sandler, ISMIR 2016.

    Args:
      num_classes: number of outputs.
      axis_name: of the device axis over which batch normalisation is synchronised.
      widths: channels of the four convolutions.
      embedding: units of the dense layer.
      input_norm: "channel" normalises the input by one mean and variance, "frequency" each band by
        its own; the description allows both.
      dropout: rate before the last layer.
    """
    return ChoiCnn(
        num_classes=num_classes,
        axis_name=axis_name,
        widths=tuple(widths),
        embedding=embedding,
        input_norm=check_input_norm(input_norm),
        dropout=dropout,
    )
