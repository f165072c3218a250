"""Local derivatives along time."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from actjax.dsp.spectrum import PRECISION

# The frames that a derivative is fitted to.
DELTA_FRAMES = 9


def delta(values_kt: jax.Array, *, order: int = 1, width: int = DELTA_FRAMES) -> jax.Array:
    """[k, t] the order-th derivative of a polynomial of that order fitted to `width` frames around each one.

    At the ends the first and last whole window's derivative is repeated (Savitzky & Golay 1964; Furui 1986).

    Raises:
      ValueError: fewer frames than the window has, or an even window not longer than the order.
    """
    frames = values_kt.shape[1]
    if width % 2 == 0 or width <= order:
        raise ValueError(f"expected an odd delta width above the order {order}, got {width}")
    if frames < width:
        raise ValueError(f"expected at least {width} frames for deltas, got {frames}; give a longer clip")
    windows = np.arange(frames - width + 1)[:, None] + np.arange(width)[None, :]
    slopes = jnp.dot(
        values_kt[:, windows], jnp.asarray(_weights(order, width), values_kt.dtype), precision=PRECISION
    )
    return jnp.pad(slopes, ((0, 0), (width // 2, width // 2)), mode="edge")


@functools.cache
def _weights(order: int, width: int):
    position = np.arange(width) - width // 2
    return np.linalg.pinv(np.vander(position, order + 1, increasing=True))[order] * float(
        np.prod(np.arange(1, order + 1))
    )
