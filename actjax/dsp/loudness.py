"""Loudness after ITU-R BS.1770-4: K-weighting, blocks, gates."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from actjax.dsp.fourier import inverse
from actjax.dsp.framing import check_wave, fast_length, frame_energy

# What a full-scale 997 Hz sine gains in the K filter, so that it reads -3.01 LUFS.
OFFSET_DB = -0.691
BLOCK_S, STEP_S = 0.4, 0.1


def k_weighted(wave_s: jax.Array, sample_rate_hz: int) -> jax.Array:
    """[s] the wave after BS.1770's shelf and high-pass, both applied as one response in the frequency domain.

    The two second-order filters decay within 0.25 s, which is the room left for them; at 48 kHz the result
    equals recursive filtering to float32 precision, without its sequential loop.
    """
    check_wave(wave_s)
    samples = wave_s.shape[0]
    length = fast_length(samples + sample_rate_hz // 4)
    response = jnp.asarray(_k_response(sample_rate_hz, length).astype(np.complex64))
    weighted = jnp.fft.rfft(wave_s, n=length) * response
    return inverse(weighted.real[None], length, weighted.imag[None])[0, :samples]


def block_power(wave_s: jax.Array, sample_rate_hz: int) -> jax.Array:
    """[block] K-weighted mean squares of blocks of 400 ms every 100 ms.

    The last block may lack up to 50 ms, which count as zeros, so that the blocks cover the wave as nearly
    as they can (the standard drops it; pyloudnorm keeps it).

    Raises:
      ValueError: a wave shorter than one block.
    """
    length, step = int(BLOCK_S * sample_rate_hz), int(STEP_S * sample_rate_hz)
    if wave_s.shape[0] < length:
        raise ValueError(f"expected at least {length} samples (400 ms), got {wave_s.shape[0]}")
    blocks = round((wave_s.shape[0] - length) / step) + 1
    weighted = jnp.pad(k_weighted(wave_s, sample_rate_hz), (0, step))[: (blocks - 1) * step + length]
    return frame_energy(weighted, length, step, centred=False) / length


def blocks_inside(length: jax.Array | None, blocks: int, sample_rate_hz: int) -> jax.Array:
    """[block] bool: the blocks that `block_power` has on a wave of `length` samples; all for None."""
    if length is None:
        return jnp.ones(blocks, bool)
    window, step = int(BLOCK_S * sample_rate_hz), int(STEP_S * sample_rate_hz)
    # Half a step is rounded to even, as Python's round does.
    last = jnp.round((length - window).astype(jnp.float32) / step).astype(length.dtype)
    return (jnp.arange(blocks) <= last) & (length >= window)


def to_lufs(power: jax.Array, floor: float = 1e-12) -> jax.Array:
    """-0.691 + 10 log10(power), power not below the floor."""
    return OFFSET_DB + 10.0 * jnp.log10(jnp.maximum(power, floor))


def gated(power_o: jax.Array, relative_db: float, inside_o: jax.Array) -> jax.Array:
    """[block] bool: inside, above -70 LUFS and above the mean of those blocks plus `relative_db`."""
    loud = inside_o & (to_lufs(power_o) >= -70.0)
    return loud & (to_lufs(power_o) > to_lufs(masked_mean(power_o, loud)) + relative_db)


def masked_mean(x: jax.Array, keep: jax.Array) -> jax.Array:
    """The mean of the kept values, 0 if none is."""
    weight = keep.astype(x.dtype)
    return jnp.sum(x * weight) / jnp.maximum(jnp.sum(weight), 1.0)


@functools.cache
def _k_response(sample_rate_hz: int, length: int):
    """The response of BS.1770's two stages, as tabled for 48 kHz, at the bins of any sample rate.

    Taking the values of the 48 kHz filters keeps one response for all rates, where mapping the filters to a
    low rate would bend it by up to 0.25 dB. Above 24 kHz it stays as at 24 kHz.
    """
    hz = np.minimum(np.arange(length // 2 + 1) * sample_rate_hz / length, 24000.0)
    z = np.exp(-2j * np.pi * hz / 48000.0)
    shelf = _biquad(
        z, (1.53512485958697, -2.69169618940638, 1.19839281085285), (-1.69065929318241, 0.73248077421585)
    )
    high_pass = _biquad(z, (1.0, -2.0, 1.0), (-1.99004745483398, 0.99007225036621))
    return shelf * high_pass


def _biquad(z: np.ndarray, b: tuple[float, float, float], a: tuple[float, float]):
    return (b[0] + b[1] * z + b[2] * z**2) / (1.0 + a[0] * z + a[1] * z**2)
