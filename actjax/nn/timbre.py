"""The first layer of the networks of Pons et al.: parallel filters of many shapes."""

import flax.linen as nn
import jax

from actjax.nn.blocks import BatchNorm, Window

# Width in frames -> number of filters, for each height.
FILTERS = {1: 128, 3: 64, 5: 32}


EVEN_PADDINGS = ("before", "after")


def branches(filter_heights: tuple[int, ...], even_padding: str) -> list[tuple[str, Window, int]]:
    """Name, window and filters of each branch: height by height and width by width, as published.

    An even height is padded by one band more `even_padding` the image than on its other side.
    """
    windows = []
    for height in filter_heights:
        more, less = height // 2, (height - 1) // 2
        bands = (more, less) if even_padding == "before" else (less, more)
        for width, filters in FILTERS.items():
            window = Window((height, width), padding=(bands, (width // 2, width // 2)))
            windows.append((f"conv_m{height}x{width}", window, filters))
    return windows


def check_even_padding(even_padding: str) -> str:
    """Raises ValueError unless `even_padding` is known."""
    if even_padding not in EVEN_PADDINGS:
        raise ValueError(f"expected even_padding to be one of {EVEN_PADDINGS}, got {even_padding!r}")
    return even_padding


class TimbreFilters(nn.Module):
    """Each branch: convolution - batch norm - ELU."""

    filter_heights: tuple[int, ...]
    even_padding: str
    axis_name: str | None

    @nn.compact
    def __call__(
        self, mel_bft: jax.Array, *, train: bool, mask_b: jax.Array | None = None
    ) -> dict[str, jax.Array]:
        """[b, f, t] -> name -> [b, f, t, c]."""
        layers = {}
        for name, window, filters in branches(self.filter_heights, self.even_padding):
            x = window.conv(filters, name=name)(mel_bft[..., None])
            x = BatchNorm(self.axis_name, name=f"{name}_bn")(x, train=train, mask_b=mask_b)
            layers[name] = nn.elu(x)
        return layers
