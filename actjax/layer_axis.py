"""Where the cells of a layer lie along an axis of the network's input, window after window."""

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class LayerAxis:
    """Where the cells of a layer lie along one axis of the network's input.

    Cell i sits at `first + i * step` (in input frames or bands, 0 = centre of the first one) and
    sees the inputs within `field / 2` of it.

    Attributes:
      size: number of cells.
      first: centre of cell 0.
      step: distance between cells.
      field: width of the receptive field, a count of inputs.
      input_size: number of input frames or bands.
    """

    size: int
    first: float
    step: float
    field: int
    input_size: int

    @classmethod
    def of_input(cls, size: int) -> "LayerAxis":
        """The input itself: one cell an input, each seeing itself."""
        return cls(size=size, first=0.0, step=1.0, field=1, input_size=size)

    def window(self, kernel: int, stride: int = 1, padding: str | tuple[int, int] = "SAME") -> "LayerAxis":
        """The axis after a convolution or pooling window of `kernel` cells and `stride`."""
        if padding == "SAME":
            size = -(-self.size // stride)
            total = max((size - 1) * stride + kernel - self.size, 0)
            low, high = total // 2, total - total // 2
        else:
            low, high = (0, 0) if isinstance(padding, str) else padding
            size = (self.size + low + high - kernel) // stride + 1
        return LayerAxis(
            size=size,
            first=self.first + ((kernel - 1) / 2 - low) * self.step,
            step=self.step * stride,
            field=round(self.field + (kernel - 1) * self.step),
            input_size=self.input_size,
        )

    def centres(self) -> np.ndarray:
        """[size] the cells' centres, in inputs."""
        return self.first + self.step * np.arange(self.size)

    def inside(self) -> np.ndarray:
        """[size] bool, True where the receptive field holds no padding."""
        half = (self.field - 1) / 2
        centres = self.centres()
        return (centres - half >= -1e-6) & (centres + half <= self.input_size - 1 + 1e-6)
