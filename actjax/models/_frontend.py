"""The input of every network: wave to log-mel image, on the device."""

import jax

from actjax import dsp
from actjax.types import Frontend


def images(wave_bs: jax.Array, frontend: Frontend) -> jax.Array:
    """[b, s] float32 waves -> [b, f, t] float32 log-mel images of `frontend`."""
    return jax.vmap(lambda wave: dsp.log_mel_image(wave, frontend))(wave_bs)
