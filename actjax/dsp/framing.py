"""Cutting a wave into centred frames, and the checks that every frame-based block shares."""

import math

import jax
import jax.numpy as jnp
import numpy as np


def frame_count(samples: int, hop_samples: int) -> int:
    """The number of centred frames of a wave: 1 + samples // hop; frame i is centred on sample i * hop."""
    return 1 + samples // hop_samples


def signal_frames(length: jax.Array | None, frames: int, hop_samples: int) -> jax.Array | None:
    """[t] bool: the frames that a wave of `length` samples has; None, which is all, where length is None."""
    return None if length is None else jnp.arange(frames) <= length // hop_samples


def frame(wave_s: jax.Array, length: int, hop_samples: int, *, pad_mode: str = "constant") -> jax.Array:
    """Cuts a wave into overlapping frames centred on multiples of the hop.

    Args:
      wave_s: [s] samples.
      length: samples per frame.
      hop_samples: samples between frame centres.
      pad_mode: how the ends are continued by length // 2 samples: "constant" (zeros) or "edge".

    Returns:
      [t, length] with t = 1 + s // hop_samples.
    """
    check_wave(wave_s)
    frames = frame_count(wave_s.shape[0], hop_samples)
    padded = jnp.pad(wave_s, length // 2, mode=pad_mode)
    if length % hop_samples == 0:  # overlapping frames are neighbouring hops side by side: no gather
        per_frame = length // hop_samples
        hops = frames + per_frame - 1
        surplus = hops * hop_samples - padded.shape[0]
        padded = jnp.pad(padded, (0, max(surplus, 0)))[: hops * hop_samples]
        blocks = padded.reshape(hops, hop_samples)
        return jnp.concatenate([blocks[i : i + frames] for i in range(per_frame)], axis=1)
    starts = hop_samples * np.arange(frames)
    surplus = int(starts[-1]) + length - padded.shape[0]
    padded = jnp.pad(padded, (0, max(surplus, 0)))
    return padded[starts[:, None] + np.arange(length)[None, :]]


def frame_energy(wave_s: jax.Array, length: int, hop_samples: int, *, centred: bool = True) -> jax.Array:
    """[t] sums of squares of overlapping frames, as `frame` cuts them (zeros beyond the ends).

    Blocks of the greatest common divisor of frame, hop and padding are summed once and then combined.
    Without `centred`, frame i starts at sample i * hop and only whole frames count.
    """
    check_wave(wave_s)
    before = length // 2 if centred else 0
    block = math.gcd(math.gcd(length, hop_samples), before)
    if centred:
        frames = frame_count(wave_s.shape[0], hop_samples)
    else:
        frames = max((wave_s.shape[0] - length) // hop_samples + 1, 0)
    total = max((frames - 1) * hop_samples + length, 0)
    padded = jnp.pad(wave_s, (before, max(total - before - wave_s.shape[0], 0)))[:total]
    sums = jnp.sum(padded.reshape(total // block, block) ** 2, axis=1)
    starts = (hop_samples // block) * np.arange(frames)
    return jnp.sum(sums[starts[:, None] + np.arange(length // block)[None, :]], axis=1)


def fast_length(least: int) -> int:
    """A product of powers of 2, 3 and 5 not below `least`: a fast Fourier transform's length.

    The one with the highest power of 2 up to a sixteenth beyond `least`, else the next one: 768 takes less
    time than 750.
    """
    lengths = [n for n in range(least, least + least // 16 + 1) if _is_smooth(n)]
    if lengths:
        return max(lengths, key=lambda n: (n & -n, -n))
    while not _is_smooth(least):
        least += 1
    return least


def _is_smooth(number: int) -> bool:
    """Whether a number has no prime factors but 2, 3 and 5."""
    for prime in (2, 3, 5):
        while number % prime == 0:
            number //= prime
    return number == 1


def check_wave(wave_s: jax.Array) -> None:
    """Raises ValueError unless the wave is [s] floating point with at least one sample."""
    if wave_s.ndim != 1 or wave_s.shape[0] < 1:
        raise ValueError(f"expected one mono wave [s] of at least 1 sample, got shape {wave_s.shape}")
    if not jnp.issubdtype(wave_s.dtype, jnp.floating):
        raise ValueError(
            f"expected a floating-point wave in [-1, 1], got {wave_s.dtype}; divide by full scale"
        )


def check_settings(sample_rate_hz: int, n_fft: int, hop_samples: int, *, least_rate_hz: float = 0) -> None:
    """Raises ValueError for an impossible window, hop or sample rate."""
    if sample_rate_hz <= 0 or sample_rate_hz < least_rate_hz:
        needed = f"at least {least_rate_hz:g}" if least_rate_hz else "a positive"
        raise ValueError(f"expected {needed} Hz sample rate, got {sample_rate_hz}; resample the audio")
    if n_fft < 4 or n_fft % 2:
        raise ValueError(f"expected an even n_fft of at least 4 samples, got {n_fft}")
    if not 1 <= hop_samples <= n_fft:
        raise ValueError(f"expected hop_samples from 1 to the window of {n_fft} samples, got {hop_samples}")
