"""Four convolution blocks, then recurrent layers over time."""

from collections.abc import Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp

from actjax.nn.choi import ChoiBlocks, check_input_norm, conv_layers
from actjax.types import Layer


class Crnn(nn.Module):
    """See `model`."""

    num_classes: int
    axis_name: str | None
    widths: tuple[int, ...]
    recurrent: tuple[int, ...]
    input_norm: str
    dropout: float

    @nn.compact
    def __call__(
        self, mel_bft: jax.Array, *, train: bool, mask_b: jax.Array | None = None
    ) -> tuple[jax.Array, dict[str, jax.Array]]:
        """[b, f, t] -> logits [b, classes], layers."""
        self.layers(mel_bft.shape[1:])
        blocks = ChoiBlocks(self.axis_name, self.widths, self.input_norm, self.dropout / 3, name="blocks")
        x, layers = blocks(mel_bft, train=train, mask_b=mask_b)
        x = x.transpose(0, 2, 1, 3).reshape(x.shape[0], x.shape[2], -1)
        for i, units in enumerate(self.recurrent, 1):
            silence = jnp.zeros((x.shape[0], units), x.dtype)
            cells = nn.RNN(nn.GRUCell(units, name=f"gru{i}"), name=f"rnn{i}")
            x = jnp.asarray(cells(x, initial_carry=silence))
        x = layers["embedding"] = x[:, -1]
        x = nn.Dropout(self.dropout, deterministic=not train)(x)
        return nn.Dense(self.num_classes, name="logits")(x), layers

    def layers(self, input_shape_ft: Sequence[int]) -> tuple[Layer, ...]:
        """Name, size, depth and geometry of every layer; the recurrent ones see the whole past."""
        count = len(self.widths) + len(self.recurrent) + 1
        maps = conv_layers("crnn", self.widths, input_shape_ft, count)
        return (*maps, Layer("embedding", self.recurrent[-1], (count - 1) / count))


def model(
    *,
    num_classes: int,
    axis_name: str | None = None,
    widths: tuple[int, int, int, int] = (64, 128, 128, 128),
    recurrent: tuple[int, ...] = (32, 32),
    input_norm: str = "channel",
    dropout: float = 0.3,
) -> Crnn:
    """A convolutional recurrent network, for 96 bands x 1366 frames.

    The convolution blocks of choi_cnn, then two GRU layers of 32 units over time; the last state is
    the embedding. Its parameters at 96 bands with 12 classes: 392,718. Choi, Fazekas, Sandler and
    Cho, "Convolutional recurrent neural networks for music classification", ICASSP 2017.

    Args:
      num_classes: number of outputs.
      axis_name: of the device axis over which batch normalisation is synchronised.
      widths: channels of the four convolutions.
      recurrent: units of the GRU layers.
      input_norm: as in choi_cnn.
      dropout: rate before the last layer; a third of it after each block.
    """
    return Crnn(
        num_classes=num_classes,
        axis_name=axis_name,
        widths=tuple(widths),
        recurrent=tuple(recurrent),
        input_norm=check_input_norm(input_norm),
        dropout=dropout,
    )
