"""The first layer of the networks of Pons et al.: parallel filters of many shapes."""

import flax.linen as nn
import jax

from actjax.models._blocks import BatchNorm, Window

# Width in frames -> number of filters, for each height.
FILTERS = {1: 128, 3: 64, 5: 32}


def branches(filter_heights: tuple[int, ...]) -> list[tuple[str, Window, int]]:
    """Name, window and filters of each branch: height by height and width by width, as published."""
    return [
        (f"conv_m{height}x{width}", Window((height, width), padding="SAME"), filters)
        for height in filter_heights
        for width, filters in FILTERS.items()
    ]


class TimbreFilters(nn.Module):
    """Each branch: convolution - batch norm - ELU."""

    filter_heights: tuple[int, ...]
    axis_name: str | None

    @nn.compact
    def __call__(
        self, mel_bft: jax.Array, *, train: bool, mask_b: jax.Array | None = None
    ) -> dict[str, jax.Array]:
        """[b, f, t] -> name -> [b, f, t, c]."""
        layers = {}
        for name, window, filters in branches(self.filter_heights):
            x = window.conv(filters, name=name)(mel_bft[..., None])
            x = BatchNorm(self.axis_name, name=f"{name}_bn")(x, train=train, mask_b=mask_b)
            layers[name] = nn.elu(x)
        return layers
