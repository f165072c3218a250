"""One layer of parallel filters, tall and narrow, that each look for a timbre."""

from collections.abc import Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp

from actjax.nn.blocks import Grid, Window
from actjax.nn.timbre import TimbreFilters, branches, check_even_padding
from actjax.types import Layer

POOL_FRAMES = 32


class SingleLayer(nn.Module):
    """See `model`."""

    num_classes: int
    axis_name: str | None
    filter_heights: tuple[int, ...]
    even_padding: str
    dropout: float

    @nn.compact
    def __call__(
        self, mel_bft: jax.Array, *, train: bool, mask_b: jax.Array | None = None
    ) -> tuple[jax.Array, dict[str, jax.Array]]:
        """[b, f, t] -> logits [b, classes], layers."""
        self.layers(mel_bft.shape[1:])
        filters = TimbreFilters(self.filter_heights, self.even_padding, self.axis_name, name="filters")
        layers = filters(mel_bft, train=train, mask_b=mask_b)
        pool = _pool(mel_bft.shape[1])
        # [b, 1, parts, c] -> [b, c * parts]: channels before parts, as published.
        pooled = [pool.max_pool(x)[:, 0].transpose(0, 2, 1).reshape(len(x), -1) for x in layers.values()]
        x = layers["embedding"] = jnp.concatenate(pooled, 1)
        x = nn.Dropout(self.dropout, deterministic=not train)(x)
        return nn.Dense(self.num_classes, name="logits")(x), layers

    def layers(self, input_shape_ft: Sequence[int]) -> tuple[Layer, ...]:
        """Name, size, depth and geometry of every layer, for an input of (bands, frames)."""
        whole = Grid.of_input(input_shape_ft)
        segments = _pool(input_shape_ft[0]).over(whole).check("singlelayer, pooling").time.size
        maps = [
            window.over(whole).layer(name, n, 1 / 3)
            for name, window, n in branches(self.filter_heights, self.even_padding)
        ]
        return (*maps, Layer("embedding", segments * sum(layer.neurons for layer in maps), 2 / 3))

    def flattened(self, input_shape_ft: Sequence[int]) -> tuple[list[tuple[int, int, int]], bool]:
        """(freq, time, channels) of the maps joined before the first dense layer; channels come first."""
        segments = _pool(input_shape_ft[0]).over(Grid.of_input(input_shape_ft)).time.size
        return [
            (1, segments, filters) for _, _, filters in branches(self.filter_heights, self.even_padding)
        ], True


def _pool(bands: int) -> Window:
    """All bands, POOL_FRAMES frames; what remains at the end is dropped."""
    return Window((bands, POOL_FRAMES), (bands, POOL_FRAMES))


def model(
    *,
    num_classes: int,
    axis_name: str | None = None,
    filter_heights: tuple[int, ...] = (50, 70),
    even_padding: str = "before",
    dropout: float = 0.5,
) -> SingleLayer:
    """The single-layer network of Pons et al., "Timbre Analysis of Music Audio Signals with CNNs".

    Parallel branches: each height in `filter_heights` (mel bands) by 1, 3 and 5 frames with 128, 64
    and 32 filters, padded 'same' - batch norm - ELU - max-pool over all bands and 32 frames. The
    concatenation, height by height and width by width, channels before pooled segments, is the
    embedding; dropout and the output layer follow. Its parameters at 96 x 128 with 11 classes: 78,667
    (with the published weights' heights (5, 80): 61,867). EUSIPCO 2017.

    Args:
      num_classes: number of outputs.
      axis_name: of the device axis over which batch normalisation is synchronised.
      filter_heights: in mel bands.
      even_padding: the side on which 'same' pads even heights by one band more: "before" the lowest
        band, as Theano did, on which the published networks were trained, or "after" the highest, as
        TensorFlow does.
      dropout: rate before the last layer.
    """
    return SingleLayer(
        num_classes=num_classes,
        axis_name=axis_name,
        filter_heights=tuple(filter_heights),
        even_padding=check_even_padding(even_padding),
        dropout=dropout,
    )
