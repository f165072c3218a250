"""The constant-Q transform by a pyramid of octaves that Basic Pitch sees its waves through."""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np

from actjax import dsp

SAMPLE_RATE_HZ, HOP = 22_050, 256
LOWEST_HZ, BINS, PER_OCTAVE = 27.5, 309, 36
TAPS = 256
OCTAVES = math.ceil(BINS / PER_OCTAVE)
# Reflecting an octave's ends takes so many samples of the lowest one.
LEAST_SAMPLES = (TAPS // 2 + 1) * HOP
_Q = 1 / (2 ** (1 / PER_OCTAVE) - 1)


def log_power(wave_bs: jax.Array) -> jax.Array:
    """[b, s] -> [b, bins, t], the decibels of each bin put to 0 .. 1 over each clip; t = 1 + s // HOP.

    Each octave is the highest one's kernels on a wave of half the rate, as in Schoerkhuber and Klapuri,
    "Constant-Q transform toolbox for music processing", 2010; scaled by the window's length. In float32,
    whatever the precision of the network behind it, and handed on in the wave's.
    """
    dtype, wave_bs = wave_bs.dtype, wave_bs.astype(jnp.float32)
    kernels, lowpass = jnp.asarray(_kernels()), jnp.asarray(_lowpass())
    octaves = []
    for octave in range(OCTAVES):
        mirrored = jnp.pad(wave_bs, ((0, 0), (TAPS // 2, TAPS // 2)), mode="reflect")
        both = _convolved(mirrored, kernels, HOP >> octave, 0)
        octaves.insert(0, both[:, :PER_OCTAVE] ** 2 + both[:, PER_OCTAVE:] ** 2)
        wave_bs = _convolved(wave_bs, lowpass, 2, (TAPS - 2) // 2)[:, 0]
    power = jnp.concatenate(octaves, 1)[:, -BINS:] * jnp.asarray(window_samples(), jnp.float32)[None, :, None]
    level = 10 * jnp.log10(power + 1e-10)
    level = level - level.min((1, 2), keepdims=True)
    highest = level.max((1, 2), keepdims=True)
    return jnp.where(highest > 0, level / jnp.where(highest > 0, highest, 1.0), 0.0).astype(dtype)


def window_samples() -> np.ndarray:
    """[bins] the length of each bin's window at the full rate."""
    return np.ceil(_Q * SAMPLE_RATE_HZ / (LOWEST_HZ * 2 ** (np.arange(BINS) / PER_OCTAVE)))


def _convolved(wave_bs: jax.Array, filters_kl: jax.Array, stride: int, side: int) -> jax.Array:
    """[b, s] -> [b, k, t] by each filter, with `side` zeros before and after the wave."""
    return jax.lax.conv_general_dilated(
        wave_bs[:, None], filters_kl[:, None], (stride,), [(side, side)], precision=dsp.PRECISION
    )


@functools.cache
def _kernels() -> np.ndarray:
    """[2 x bins of an octave, taps] real and imaginary parts of the highest octave's kernels, sum |k| = 1."""
    out = np.zeros((PER_OCTAVE, TAPS), np.complex128)
    highest_hz = LOWEST_HZ * 2 ** (np.arange(BINS - PER_OCTAVE, BINS) / PER_OCTAVE)
    for i, hz in enumerate(highest_hz):
        length = math.ceil(_Q * SAMPLE_RATE_HZ / hz)
        start = math.ceil(TAPS / 2 - length / 2) - length % 2
        at = np.arange(length) - (length + 1) // 2
        window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(length) / length)
        kernel = window * np.exp(2j * np.pi * hz / SAMPLE_RATE_HZ * at)
        out[i, start : start + length] = kernel / np.abs(kernel).sum()
    return np.concatenate([out.real, out.imag]).astype(np.float32)


@functools.cache
def _lowpass() -> np.ndarray:
    """[1, taps] a linear-phase filter of half the band: the sampled response under a Hamming window."""
    at = np.linspace(0, 1, TAPS + 1)
    gain = np.interp(at, [0, 0.5 / 1.001, 0.5 * 1.001, 1], [1, 1, 0, 0])
    delayed = gain * np.exp(-1j * np.pi * at * (TAPS - 1) / 2)
    return (np.fft.irfft(delayed)[:TAPS] * np.hamming(TAPS))[None].astype(np.float32)
