"""Autocorrelation of frames: of rows, of frames that share hops, and of frames under a Hann window.

Inverse transforms are `actjax.dsp.fourier`'s, of which the first half is looked at: lags are no longer.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from actjax.dsp.fourier import as_real, inverse, inverse_of_real
from actjax.dsp.framing import fast_length
from actjax.dsp.spectrum import hann_spectrum, hann_window
from actjax.kernels import platform


def autocorrelation(frames_ts: jax.Array, lags: int) -> jax.Array:
    """[t, lags] sums of x[s] x[s + lag] within each row of [t, s]; nothing wraps around."""
    power, length = _padded_power(frames_ts, lags)
    return inverse(power, length)[:, :lags]


def summed_autocorrelation(frames_ts: jax.Array, lags: int) -> jax.Array:
    """[lags] the sum over all rows of what `autocorrelation` gives, with one inverse transform."""
    power, length = _padded_power(frames_ts, lags)
    return inverse(jnp.sum(power, axis=0, keepdims=True), length)[0, :lags]


def frame_autocorrelation(frames_ts: jax.Array, hop_samples: int, lags: int) -> jax.Array:
    """[t, lags] as `autocorrelation` of frames [t, s] that start a hop apart, each hop transformed once.

    A frame is a row of whole hops. For lags up to a hop its autocorrelation is the sum of those of its hops
    and of each hop with the next: a sum of products of their transforms. Frames of eight hops take a sixth of
    the time of their own transforms. Frames of other lengths, and longer lags, are transformed whole.
    """
    frames, length = frames_ts.shape
    if length % hop_samples or length == hop_samples or lags > hop_samples + 1:
        return autocorrelation(frames_ts, lags)
    hops = jnp.concatenate([frames_ts[:, :hop_samples], frames_ts[-1, hop_samples:].reshape(-1, hop_samples)])
    of_frames = platform.dependent(
        jnp.fft.rfft(hops, n=2 * hop_samples, axis=1),
        cpu=functools.partial(_by_sides, frames=frames),
        default=functools.partial(_by_real, frames=frames),
    )
    return of_frames[:, :lags]


def _by_sides(hops: jax.Array, frames: int):
    """[t, lags] the frames' autocorrelations, from the transforms of their hops."""
    x, y = hops.real, hops.imag
    turned = _turned(hops.shape[1], x.dtype)
    alone = x**2 + y**2
    real = alone[:-1] + (x[:-1] * x[1:] + y[:-1] * y[1:]) * turned
    imaginary = (x[:-1] * y[1:] - y[:-1] * x[1:]) * turned
    pairs = len(hops) - frames
    real = _sums(real, pairs, frames) + alone[pairs:]
    return inverse(real, 2 * (hops.shape[1] - 1), _sums(imaginary, pairs, frames))


def _by_real(hops: jax.Array, frames: int):
    """As `_by_sides`, whose sides a GPU would put apart first and together last, in passes of their own."""
    alone = hops.real**2 + hops.imag**2
    length, pairs = 2 * (hops.shape[1] - 1), len(hops) - frames
    pair = jnp.conj(hops[:-1]) * hops[1:] * _turned(hops.shape[1], hops.dtype)
    with_next = as_real(alone[:-1] + pair.real, pair.imag, length)
    last = as_real(alone, jnp.zeros_like(alone), length)[pairs:]
    return inverse_of_real(_sums(with_next, pairs, frames) + last)


def _turned(bins: int, dtype: jnp.dtype):
    """[1, f] the next hop begins half a transform later, which turns every other bin around."""
    return jnp.asarray(1.0 - 2.0 * (np.arange(bins) % 2), dtype)[None, :]


def hann_autocorrelation(frames_ts: jax.Array, lags: int) -> jax.Array:
    """[t, lags] the autocorrelation of each row [t, s] without its mean under a periodic Hann window."""
    return platform.dependent(
        frames_ts,
        cpu=lambda frames: autocorrelation(_centred_under_hann(frames), lags),
        default=lambda frames: _hann_circular(frames, lags),
    )


def _padded_power(frames_ts: jax.Array, lags: int):
    """(|transform|^2 of rows with zeros behind them, so that no lag wraps around; its length)."""
    length = fast_length(max(frames_ts.shape[1] + lags - 1, 2 * lags - 1))
    spectrum = jnp.fft.rfft(frames_ts, n=length, axis=1)
    return spectrum.real**2 + spectrum.imag**2, length


def _centred_under_hann(frames_ts: jax.Array):
    centred = frames_ts - jnp.mean(frames_ts, axis=1, keepdims=True)
    return centred * jnp.asarray(hann_window(frames_ts.shape[1]), frames_ts.dtype)[None, :]


def _hann_circular(frames_ts: jax.Array, lags: int):
    """By the transform of the frames alone, which other features take too, less what wraps around.

    The mean goes in the frequency domain, where the window has three bins. What wraps around at a lag is the
    convolution of the frame's first samples with its last ones, reversed.
    """
    length = frames_ts.shape[1]
    mean = jnp.mean(frames_ts, axis=1)
    spectrum = hann_spectrum(frames_ts)
    power = spectrum.real**2 + spectrum.imag**2
    of_mean = mean[:, None] * jnp.asarray([[length / 2, -length / 4]], mean.dtype)
    lowest = (spectrum.real[:, :2] - of_mean) ** 2 + spectrum.imag[:, :2] ** 2
    around = inverse(jnp.concatenate([lowest, power[:, 2:]], axis=1), length)[:, :lags]
    ends = lags - 1
    window = jnp.asarray(hann_window(length)[None, :ends], frames_ts.dtype)
    first = (frames_ts[:, :ends] - mean[:, None]) * window
    # The window is symmetric about its middle: sample length - s weighs as sample s, the first one nothing.
    last = (frames_ts[:, : length - ends : -1] - mean[:, None]) * window[:, 1:]
    size = fast_length(2 * ends)
    x, y = jnp.fft.rfft(jnp.stack([first, jnp.pad(last, ((0, 0), (1, 0)))]), n=size, axis=2)
    real = x.real * y.real - x.imag * y.imag
    wrapped = inverse(real, size, x.real * y.imag + x.imag * y.real)[:, :lags]
    return around - wrapped


def _sums(rows: jax.Array, count: int, frames: int):
    """[frames, f] sums of `count` rows that follow each other, from each row on."""
    return functools.reduce(jnp.add, [rows[i : i + frames] for i in range(count)])
