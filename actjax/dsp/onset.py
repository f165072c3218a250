"""Onset envelope (spectral flux of the log-mel spectrum) and peak picking."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from actjax.dsp.framing import signal_frames
from actjax.dsp.spectrum import mel_power, power_spectrum, power_to_db


def onset_envelope(
    wave_s: jax.Array,
    *,
    sample_rate_hz: int,
    n_fft: int = 2048,
    hop_samples: int = 512,
    n_mels: int = 128,
    fmax_hz: float | None = None,
    lag: int = 1,
    length: jax.Array | None = None,
) -> jax.Array:
    """[t] mean over mel bands of the rise in dB since `lag` frames ago (spectral flux; Böck & Widmer 2013).

    A frame sees an onset half a window before it reaches the frame's centre, so the envelope is delayed by
    n_fft // (2 hop) frames; the frames before have value 0. The range of 80 dB hangs from the maximum of the
    first `length` samples.
    """
    power = mel_power(power_spectrum(wave_s, n_fft, hop_samples), sample_rate_hz, n_mels, 0.0, fmax_hz)
    db = power_to_db(power, inside_t=signal_frames(length, len(power), hop_samples))
    rise = jnp.mean(jnp.maximum(db[lag:] - db[:-lag], 0.0), axis=1)
    return jnp.pad(rise, (lag + n_fft // (2 * hop_samples), 0))[: db.shape[0]]


def pick_peaks(
    envelope_t: jax.Array,
    *,
    sample_rate_hz: int,
    hop_samples: int,
    delta: float = 0.07,
    length: jax.Array | None = None,
) -> jax.Array:
    """[t] bool: the peaks of an envelope, by the rule of Böck, Krebs, Schedl (2012).

    The envelope is scaled to 0 .. 1. A frame is a peak if it is the maximum of the last 30 ms, at least
    `delta` above the mean of the 100 ms around it, and more than 30 ms after the last peak. A constant
    envelope has none. Only the frames of the first `length` samples take part.
    """
    envelope_t = jax.lax.stop_gradient(envelope_t)  # a decision has no derivative
    inside = signal_frames(length, len(envelope_t), hop_samples)
    inside = jnp.ones(len(envelope_t), bool) if inside is None else inside
    low = jnp.min(jnp.where(inside, envelope_t, jnp.inf))
    high = jnp.max(jnp.where(inside, envelope_t, -jnp.inf))
    varies = high > low
    scaled = jnp.where(inside, (envelope_t - low) / jnp.where(varies, high - low, 1.0), 0.0)
    short = int(0.03 * sample_rate_hz // hop_samples)
    long = int(0.10 * sample_rate_hz // hop_samples)
    is_maximum = scaled == _windowed(scaled, short, 0, -jnp.inf, jax.lax.max)
    total = _windowed(scaled, long, long, 0.0, jax.lax.add)
    frames = jnp.arange(len(scaled))
    count = jnp.minimum(frames + long, jnp.sum(inside) - 1) - jnp.maximum(frames - long, 0) + 1
    above = scaled >= total / jnp.maximum(count, 1).astype(scaled.dtype) + delta
    return _spaced(is_maximum & above & varies & inside, short)


def _windowed(
    x: jax.Array,
    before: int,
    after: int,
    initial: float,
    reducer: Callable[[jax.Array, jax.Array], jax.Array],
):
    start = jnp.asarray(initial, x.dtype)
    return jax.lax.reduce_window(x, start, reducer, (before + 1 + after,), (1,), [(before, after)])


def _spaced(candidate_t: jax.Array, wait: int):
    """Keeps a candidate unless one kept before lies within `wait` frames.

    How many frames stay blocked is a map of 0 .. wait into itself at every frame; maps of many frames are
    composed in pairs, where a loop over frames would wait for an accelerator at each.
    """
    blocked_w = jnp.arange(wait + 1)
    idle_w = jnp.maximum(blocked_w - 1, 0)
    at_candidate_w = jnp.where(blocked_w == 0, wait, idle_w)
    maps_tw = jnp.where(candidate_t[:, None], at_candidate_w[None, :], idle_w[None, :])
    through_tw = jax.lax.associative_scan(lambda a, b: jnp.take_along_axis(b, a, axis=1), maps_tw)
    before_t = jnp.concatenate([jnp.zeros((1,), through_tw.dtype), through_tw[:-1, 0]])
    return candidate_t & (before_t == 0)
