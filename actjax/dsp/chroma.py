"""The chroma bank as a function of the tuning, so that each clip of a batch can have its own."""

import jax
import jax.numpy as jnp

from actjax.dsp.banks import chroma_bank_bumps


def chroma_bank(tuning: jax.Array, sample_rate_hz: int, n_fft: int, n_chroma: int = 12) -> jax.Array:
    """Weights that fold the bins of a power spectrum into pitch classes (Ellis 2007).

    Each bin gets a Gaussian bump over pitch classes around its own pitch, at least a class wide, scaled to
    unit length, times a Gaussian over octaves centred 5 octaves above A0 with a width of 2.

    Args:
      tuning: scalar, in fractions of a chroma bin above A = 440 Hz.
      sample_rate_hz: of the wave.
      n_fft: length of the Fourier transform.
      n_chroma: classes per octave, a multiple of 12.

    Returns:
      [n_chroma, f], the first row C.
    """
    position, octave, width = (
        jnp.asarray(constant, tuning.dtype) for constant in chroma_bank_bumps(sample_rate_hz, n_fft, n_chroma)
    )
    classes = jnp.arange(n_chroma, dtype=tuning.dtype)
    half = n_chroma / 2
    distance = (position - tuning)[None, :] - classes[:, None] + half
    distance = distance - n_chroma * jnp.floor(distance / n_chroma) - half
    bumps = jnp.exp(-0.5 * (2.0 * distance / width[None, :]) ** 2)
    bumps = bumps / jnp.sqrt(jnp.sum(bumps**2, axis=0, keepdims=True))
    octaves = jnp.exp(-0.5 * ((octave - tuning / n_chroma - 5.0) / 2.0) ** 2)
    # Rows start at A; C lies three semitones above.
    return jnp.roll(bumps * octaves[None, :], -3 * (n_chroma // 12), axis=0)
