"""The image that a network sees."""

import jax
import jax.numpy as jnp
import numpy as np

from actjax.dsp.framing import signal_frames
from actjax.dsp.spectrum import mel_power, power_spectrum, power_to_db
from actjax.types import Frontend


def network_input(wave_s: jax.Array, frontend: Frontend, length: jax.Array | None = None) -> jax.Array:
    """What a network takes of a wave: [mel, t] of `log_mel_image`, or the wave itself, [1, s]."""
    return wave_s[None] if frontend.takes == "wave" else log_mel_image(wave_s, frontend, length)


def log_mel_image(wave_s: jax.Array, frontend: Frontend, length: jax.Array | None = None) -> jax.Array:
    """A wave as a log-mel image.

    Mel power spectrum, squared if asked, 10 log10(max(power, floor)), no lower than top_db below the clip's
    own maximum, or log10(1 + 10000 power), then (that + offset) / scale, then minus `subtract`.

    Args:
      wave_s: [s] samples in -1 .. 1 at frontend.sample_rate_hz.
      frontend: the settings.
      length: samples of signal; the maximum is over the frames centred on them. None for all.

    Returns:
      [mel, t] float32 with t = 1 + s // hop_samples.

    Raises:
      ValueError: `subtract` has another shape than the image.
    """
    power = mel_power(
        power_spectrum(wave_s, frontend.n_fft, frontend.hop_samples),
        frontend.sample_rate_hz,
        frontend.n_mels,
        frontend.fmin_hz,
        frontend.fmax_hz,
    )
    power = power**2 if frontend.squared else power
    if frontend.compression == "db":
        inside = signal_frames(length, len(power), frontend.hop_samples)
        power = power_to_db(power, floor=frontend.floor, top_db=frontend.top_db, inside_t=inside)
    else:
        power = jnp.log10(1 + 10_000 * power)
    image = (power.T + frontend.offset) / frontend.scale
    if frontend.subtract is None:
        return image
    subtract = np.asarray(frontend.subtract, np.float32)
    if subtract.shape != image.shape:
        raise ValueError(f"expected Frontend.subtract of shape {image.shape}, got {subtract.shape}")
    return image - jnp.asarray(subtract)
