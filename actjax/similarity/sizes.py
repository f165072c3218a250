"""Few sizes instead of many, so that compiled programs serve more than one."""

import numpy as np

# Up to here powers of two, from there on its multiples.
_STEP = 64
_LEAST = 16


def roomy(size: int) -> int:
    """The size that stands for `size` and some below it: 16, 32, 64, 128, 192 ..."""
    if size > _STEP:
        return -(-size // _STEP) * _STEP
    return max(_LEAST, 1 << (size - 1).bit_length())


def widened(values: np.ndarray, shape: tuple[int | None, ...]) -> np.ndarray:
    """The values with zeros behind them along the first axes, up to `shape`; None leaves an axis as it is."""
    widths = [(0, (wide or narrow) - narrow) for wide, narrow in zip(shape, values.shape, strict=False)]
    if not any(more for _, more in widths):
        return values
    return np.pad(values, widths + [(0, 0)] * (values.ndim - len(widths)))
