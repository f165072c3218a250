"""The input of every network, on the device: a log-mel image of the wave, or the wave."""

import jax

from actjax import dsp
from actjax.types import Frontend


def images(wave_bs: jax.Array, frontend: Frontend, length_b: jax.Array | None = None) -> jax.Array:
    """[b, s] float32 waves, each of length_b samples of signal -> [b, f, t] what `frontend` makes of them.

    What is [b, f, t] already is such images (see train/imaged.py).
    """
    if wave_bs.ndim == 3:
        return wave_bs
    if length_b is None:
        return jax.vmap(lambda wave: dsp.network_input(wave, frontend))(wave_bs)
    return jax.vmap(lambda wave, length: dsp.network_input(wave, frontend, length))(wave_bs, length_b)
