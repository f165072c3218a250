"""Loudness after ITU-R BS.1770-4: K-weighting, blocks, gates."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from actjax.dsp.framing import check_wave, fast_length, frame_energy

# What a full-scale 997 Hz sine gains in the K filter, so that it reads -3.01 LUFS.
OFFSET_DB = -0.691
BLOCK_S, STEP_S = 0.4, 0.1


def k_weighted(wave_s: jax.Array, sample_rate_hz: int) -> jax.Array:
    """[s] the wave after BS.1770's shelf and high-pass, both applied as one response in the frequency domain.

    The two second-order filters decay within 0.25 s, which is the room left for them; the result equals
    recursive filtering to float32 precision, without its sequential loop.
    """
    check_wave(wave_s)
    samples = wave_s.shape[0]
    length = fast_length(samples + sample_rate_hz // 4)
    response = jnp.asarray(_k_response(sample_rate_hz, length).astype(np.complex64))
    return jnp.fft.irfft(jnp.fft.rfft(wave_s, n=length) * response, n=length)[:samples]


def block_power(wave_s: jax.Array, sample_rate_hz: int) -> jax.Array:
    """[block] K-weighted mean squares of whole blocks of 400 ms every 100 ms.

    Raises:
      ValueError: a wave shorter than one block.
    """
    length, step = int(BLOCK_S * sample_rate_hz), int(STEP_S * sample_rate_hz)
    if wave_s.shape[0] < length:
        raise ValueError(f"expected at least {length} samples (400 ms), got {wave_s.shape[0]}")
    return frame_energy(k_weighted(wave_s, sample_rate_hz), length, step, centred=False) / length


def to_lufs(power: jax.Array, floor: float = 1e-12) -> jax.Array:
    """-0.691 + 10 log10(power), power not below the floor."""
    return OFFSET_DB + 10.0 * jnp.log10(jnp.maximum(power, floor))


def gated(power_o: jax.Array, relative_db: float) -> jax.Array:
    """[block] bool: above -70 LUFS and above the mean of those blocks plus `relative_db`."""
    loud = to_lufs(power_o) >= -70.0
    return loud & (to_lufs(power_o) > to_lufs(masked_mean(power_o, loud)) + relative_db)


def masked_mean(x: jax.Array, keep: jax.Array) -> jax.Array:
    """The mean of the kept values, 0 if none is."""
    kept = keep.astype(x.dtype)
    return jnp.sum(x * kept) / jnp.maximum(jnp.sum(kept), 1.0)


@functools.cache
def _k_response(sample_rate_hz, length):
    """Both stages of BS.1770's filter, mapped from 48 kHz to the sample rate by the bilinear transform."""
    z = np.exp(-2j * np.pi * np.arange(length // 2 + 1) / length)
    shelf_hz, shelf_q, shelf_db = 1681.974450955533, 0.7071752369554196, 3.999843853973347
    k = np.tan(np.pi * shelf_hz / sample_rate_hz)
    high = 10.0 ** (shelf_db / 20.0)
    middle = high**0.4996667741545416
    shelf = (high + middle * k / shelf_q + k * k) + 2.0 * (k * k - high) * z
    shelf = shelf + (high - middle * k / shelf_q + k * k) * z**2
    shelf = shelf / _denominator(k, shelf_q, z)
    pass_hz, pass_q = 38.13547087602444, 0.5003270373238773
    k = np.tan(np.pi * pass_hz / sample_rate_hz)
    # BS.1770 leaves the numerator 1, -2, 1 of the high-pass unscaled.
    high_pass = (1.0 - 2.0 * z + z**2) * (1.0 + k / pass_q + k * k) / _denominator(k, pass_q, z)
    return shelf * high_pass


def _denominator(k, q, z):
    return (1.0 + k / q + k * k) + 2.0 * (k * k - 1.0) * z + (1.0 - k / q + k * k) * z**2
