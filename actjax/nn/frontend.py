"""The input of every network: wave to log-mel image, on the device."""

import jax

from actjax import dsp
from actjax.types import Frontend


def images(wave_bs: jax.Array, frontend: Frontend, length_b: jax.Array | None = None) -> jax.Array:
    """[b, s] float32 waves, each of length_b samples of signal -> [b, f, t] float32 images of `frontend`."""
    if length_b is None:
        return jax.vmap(lambda wave: dsp.log_mel_image(wave, frontend))(wave_bs)
    return jax.vmap(lambda wave, length: dsp.log_mel_image(wave, frontend, length))(wave_bs, length_b)
