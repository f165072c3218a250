"""A tagger of music whose first filters are shaped for timbre (tall) and for time (long)."""

from collections.abc import Sequence
from pathlib import Path

import flax.linen as nn
import jax
import jax.numpy as jnp

from actjax.nn.blocks import BatchNorm, Grid, Window
from actjax.nn.imported import Imported
from actjax.nn.published import musicnn
from actjax.options import Choice
from actjax.types import Layer

# What pip calls the package with its weights.
WHEEL = "musicnn-*.whl"
RANGES = {"trained_on": Choice(tuple(musicnn.TAGS))}
# (bands, frames) of the timbral filters, of which there are 204 each, and frames of the 51 temporal ones.
TIMBRAL = {
    "conv_m38x7": Window((38, 7), padding=((0, 0), (3, 3))),
    "conv_m67x7": Window((67, 7), padding=((0, 0), (3, 3))),
}
TEMPORAL = {f"temporal{n}": Window((1, n), padding="SAME") for n in (128, 64, 32)}
MIDDLE = Window((1, 7), padding=((0, 0), (3, 3)))


class Musicnn(nn.Module):
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

        def norm(x: jax.Array, name: str) -> jax.Array:
            return BatchNorm(self.axis_name, name=f"{name}_bn")(x, train=train, mask_b=mask_b)

        def filtered(x: jax.Array, window: Window, filters: int, name: str) -> jax.Array:
            return norm(nn.relu(window.conv(filters, name=name)(x)), name)

        x, layers = norm(mel_bft[..., None], "input"), {}
        tall = [filtered(x, window, 204, name).max(1, keepdims=True) for name, window in TIMBRAL.items()]
        layers["timbral"] = jnp.concatenate(tall, -1)
        for name, window in TEMPORAL.items():
            layers[name] = filtered(x, window, 51, name).max(1, keepdims=True)
        front = middle = jnp.concatenate(list(layers.values()), -1)
        for i in (1, 2, 3):
            x = filtered(middle, MIDDLE, 64, f"cnn{i}")
            middle = layers[f"cnn{i}"] = x if i == 1 else x + middle
        every = jnp.concatenate([front, *(layers[f"cnn{i}"] for i in (1, 2, 3))], -1)[:, 0]
        # Maximum and mean of each channel side by side, as published.
        pooled = jnp.stack([every.max(1), every.mean(1)], -1).reshape(len(every), -1)
        x = nn.Dropout(self.dropout, deterministic=not train)(norm(pooled, "pooled"))
        x = norm(nn.relu(nn.Dense(200, name="penultimate")(x)), "penultimate")
        layers["penultimate"] = x
        x = nn.Dropout(self.dropout, deterministic=not train)(x)
        layers["tags"] = nn.Dense(self.num_classes, name="tags")(x)
        return layers["tags"], layers

    def layers(self, input_shape_ft: Sequence[int]) -> tuple[Layer, ...]:
        """Name, size, depth and geometry of every layer, for an input of (bands, frames)."""
        whole = Grid.of_input(input_shape_ft)
        tall = [_all_bands(window.over(whole).check("musicnn, timbral")) for window in TIMBRAL.values()]
        grids = {"timbral": tall[-1]}
        grids |= {name: _all_bands(window.over(whole)) for name, window in TEMPORAL.items()}
        # The longest of the front end's fields is that of what is made of all of them.
        grid = grids["temporal128"]
        for i in (1, 2, 3):
            grid = grids[f"cnn{i}"] = MIDDLE.over(grid)
        sizes = {"timbral": 408} | dict.fromkeys(TEMPORAL, 51) | {f"cnn{i}": 64 for i in (1, 2, 3)}
        count = len(grids) + 3
        maps = [grids[name].layer(name, n, i / count) for i, (name, n) in enumerate(sizes.items(), 1)]
        penultimate = Layer("penultimate", 200, (count - 2) / count)
        return (*maps, penultimate, Layer("tags", self.num_classes, (count - 1) / count))


def model(
    *, num_classes: int, axis_name: str | None = None, trained_on: str = "MTT", dropout: float = 0.5
) -> Musicnn:
    """The tagger of Pons and Serra, "musicnn: Pre-trained CNNs for Music Audio Tagging".

    Batch norm of the image - timbral filters (38 and 67 bands x 7 frames, 204 each) and temporal ones (128,
    64 and 32 frames of a band, 51 each), ReLU, batch norm, maximum over frequency - three convolutions over 7
    frames of 64 filters, the last two residual - maximum and mean over time of all of these - batch norm -
    dense 200 - ReLU - batch norm - output. Layer "tags" holds the log-odds of each tag, of which each is
    true or not by itself. Its parameters with 50 tags: 787,159. ISMIR 2019 late-breaking; architecture: Pons
    et al., "End-to-end learning for music audio tagging at scale", ISMIR 2018.

    `config.weights` takes the wheel of the PyPI package musicnn 0.1.0, whose networks see
    log10(1 + 10000 x) of 96 mel bands at 16 kHz, 512 / 256, in patches of 187 frames.

    Args:
      num_classes: number of outputs.
      axis_name: of the device axis over which batch normalisation is synchronised.
      trained_on: whose published weights and names of tags `config.weights` reads: "MTT" (MagnaTagATune) or
        "MSD" (Million Song Dataset).
      dropout: rate before both dense layers.
    """
    RANGES["trained_on"]("trained_on", trained_on)
    return Musicnn(num_classes, axis_name, dropout)


def read_weights(path: Path, bound: int, *, trained_on: str = "MTT") -> Imported:
    """Reads the network of that name from the package's wheel; see `nn.published.musicnn.read`."""
    return musicnn.read(path, bound, f"{trained_on}_musicnn")


def _all_bands(grid: Grid) -> Grid:
    """The grid after the maximum over frequency."""
    return Window((grid.frequency.size, 1)).over(grid)
