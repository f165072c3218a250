"""The convolutional part that the two networks after Choi et al. share."""

from collections.abc import Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp

from actjax.nn.blocks import BatchNorm, Grid, Window
from actjax.types import Layer

# Silence on both sides makes 1366 frames 1440, which the pooling divides.
BANDS_AND_FRAMES = ((0, 0), (37, 37))
PAD = Window((1, 1), padding=BANDS_AND_FRAMES)
CONV = Window((3, 3), padding="SAME")
POOLS = tuple(Window((n, n), (n, n)) for n in (2, 3, 4, 4))
INPUT_NORMS = ("channel", "frequency")


def check_input_norm(input_norm: str) -> str:
    """Raises ValueError unless `input_norm` is known."""
    if input_norm not in INPUT_NORMS:
        raise ValueError(f"expected input_norm to be one of {INPUT_NORMS}, got {input_norm!r}")
    return input_norm


class ChoiBlocks(nn.Module):
    """Four blocks conv 3 x 3 - batch norm - ELU - max-pool over the padded, normalised input."""

    axis_name: str | None
    widths: tuple[int, ...]
    input_norm: str
    dropout: float

    @nn.compact
    def __call__(
        self, mel_bft: jax.Array, *, train: bool, mask_b: jax.Array | None = None
    ) -> tuple[jax.Array, dict[str, jax.Array]]:
        """[b, f, t] -> the last pooled map [b, f, t, c], layers."""
        layers = {}
        x = jnp.pad(mel_bft, ((0, 0), *BANDS_AND_FRAMES))
        # Batch norm takes its channels last: one for the whole image, or one for each band.
        x = x[..., None] if self.input_norm == "channel" else x.transpose(0, 2, 1)
        x = BatchNorm(self.axis_name, name="bn0")(x, train=train, mask_b=mask_b)
        x = x if self.input_norm == "channel" else x.transpose(0, 2, 1)[..., None]
        for i, (width, pool) in enumerate(zip(self.widths, POOLS, strict=True), 1):
            x = CONV.conv(width, name=f"conv{i}")(x)
            x = BatchNorm(self.axis_name, name=f"bn{i}")(x, train=train, mask_b=mask_b)
            x = layers[f"conv{i}"] = nn.elu(x)
            x = nn.Dropout(self.dropout, deterministic=not train)(pool.max_pool(x))
        return x, layers


def conv_layers(
    name: str, widths: tuple[int, ...], input_shape_ft: Sequence[int], count: int
) -> tuple[Layer, ...]:
    """The layers of ChoiBlocks in a network `name` that is `count` layers deep."""
    grid, layers = PAD.over(Grid.of_input(input_shape_ft)), []
    for i, (width, pool) in enumerate(zip(widths, POOLS, strict=True), 1):
        grid = CONV.over(grid)
        layers.append(grid.layer(f"conv{i}", width, i / count))
        grid = pool.over(grid).check(f"{name}, after conv{i}")
    return tuple(layers)
