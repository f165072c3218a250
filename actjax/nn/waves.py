"""What networks that take the raw wave do first."""

import jax
import jax.numpy as jnp

from actjax import dsp


def wave_frames(wave_bs: jax.Array, length: int, hop_samples: int) -> jax.Array:
    """[b, s] -> [b, t, length] centred frames, each less its mean and divided by its deviation.

    Frame i is centred on sample i * hop, with zeros beyond the ends; t = 1 + s // hop. A frame of silence
    stays 0.
    """
    frames = jax.vmap(lambda wave: dsp.frame(wave, length, hop_samples))(wave_bs)
    centred = frames - frames.mean(-1, keepdims=True)
    deviation = jnp.sqrt((centred * centred).mean(-1, keepdims=True))
    return centred / jnp.maximum(deviation, 1e-8)
