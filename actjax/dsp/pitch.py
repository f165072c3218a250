"""Fundamental frequency and its harmonics: YIN, autocorrelation, spectral peaks near multiples."""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from actjax import precision
from actjax.dsp.autocorrelation import frame_autocorrelation, hann_autocorrelation
from actjax.dsp.parabola import vertex_shift
from actjax.dsp.spectrum import PRECISION, hann_window, magnitude
from actjax.kernels import lag_differences, largest_near, platform
from actjax.kernels.batched import over_clips


class Pitch(NamedTuple):
    """What YIN finds in each frame.

    Attributes:
      f0_hz: [t] the estimate, also where unvoiced.
      aperiodicity: [t] the normalised difference at the chosen period, 0 periodic .. about 1 noise.
      sounding: [t] the frame is not silent.
    """

    f0_hz: jax.Array
    aperiodicity: jax.Array
    sounding: jax.Array


def yin(
    frames_ts: jax.Array,
    *,
    sample_rate_hz: int,
    hop_samples: int,
    fmin_hz: float,
    fmax_hz: float,
    threshold: float = 0.1,
) -> Pitch:
    """The YIN estimator (de Cheveigné & Kawahara 2002) on frames [t, s] that start a hop apart.

    d_l = sum (x[s] - x[s + l])^2 over the samples that both have; d'_l = d_l / mean(d_1 .. d_l). The period
    is the first local minimum of d' below the threshold, else the smallest value, refined by a parabola.
    """
    shortest, longest = period_range(frames_ts.shape[1], sample_rate_hz, fmin_hz, fmax_hz)
    normalised, sounding = _normalised_difference(frames_ts, hop_samples, shortest, longest)
    before, after = normalised[:, :-2], normalised[:, 2:]
    middle = normalised[:, 1:-1]
    troughs = [
        normalised[:, :1] < normalised[:, 1:2],
        (middle < before) & (middle <= after),
        normalised[:, -1:] < normalised[:, -2:-1],
    ]
    trough = jnp.concatenate(troughs, axis=1) & (normalised < threshold)
    chosen = jnp.where(jnp.any(trough, axis=1), jnp.argmax(trough, axis=1), jnp.argmin(normalised, axis=1))
    shift = jnp.pad(vertex_shift(before, middle, after), ((0, 0), (1, 1)))
    period = shortest + chosen.astype(shift.dtype) + _at(shift, chosen)
    return Pitch(sample_rate_hz / period, _at(normalised, chosen), sounding)


def period_range(length: int, sample_rate_hz: int, fmin_hz: float, fmax_hz: float) -> tuple[int, int]:
    """(shortest, longest) period in samples for frames of `length`.

    Raises:
      ValueError: frequencies out of order or above half the sample rate, or a window shorter than two periods
        of fmin_hz.
    """
    if not 0 < fmin_hz < fmax_hz <= sample_rate_hz / 2:
        raise ValueError(
            f"expected 0 < fmin_hz < fmax_hz <= {sample_rate_hz / 2:g} Hz, got {fmin_hz:g} and {fmax_hz:g}"
        )
    longest = int(np.ceil(sample_rate_hz / fmin_hz))
    if longest > length // 2:
        raise ValueError(
            f"expected a window of two periods of fmin_hz {fmin_hz:g} Hz, {2 * longest} samples, got {length}"
        )
    return int(np.floor(sample_rate_hz / fmax_hz)), longest


def periodicity(
    frames_ts: jax.Array, *, sample_rate_hz: int, fmin_hz: float, fmax_hz: float
) -> tuple[jax.Array, jax.Array]:
    """(r [t], sounding [t]): the largest normalised autocorrelation at a period in range (Boersma 1993).

    Frames lose their mean and get a Hann window; the autocorrelation is divided by the window's own, scaled
    to 1 at lag 0, and its maximum refined by a parabola.
    """
    shortest, longest = period_range(frames_ts.shape[1], sample_rate_hz, fmin_hz, fmax_hz)
    r, sounding = _window_normalised(frames_ts, longest + 2)
    before, middle, after = r[:, shortest - 1 : longest], r[:, shortest : longest + 1], r[:, shortest + 1 :]
    peak = (middle > before) & (middle >= after)
    best = jnp.argmax(jnp.where(peak, middle, -jnp.inf), axis=1)
    low, top, high = (_at(side, best) for side in (before, middle, after))
    curvature = jnp.where(jnp.any(peak, axis=1), low + high - 2.0 * top, 1.0)
    refined = top - (high - low) ** 2 / (8.0 * curvature)
    return jnp.where(jnp.any(peak, axis=1), refined, jnp.max(middle, axis=1)), sounding


def _window_normalised(frames_ts: jax.Array, lags: int) -> tuple[jax.Array, jax.Array]:
    """(r [t, lag], sounding [t]): autocorrelation under a Hann window, over the window's own, 1 at lag 0."""
    length = frames_ts.shape[1]
    of_window = np.fft.irfft(np.abs(np.fft.rfft(hann_window(length), 2 * length)) ** 2)[:lags]
    raw = hann_autocorrelation(frames_ts, lags)
    sounding = raw[:, 0] > 1e-12 * length
    scale = jnp.where(sounding, raw[:, 0], 1.0)
    return raw / scale[:, None] * jnp.asarray(of_window[0] / of_window, raw.dtype)[None, :], sounding


class Partials(NamedTuple):
    """Spectral peaks near the multiples of f0, each [t, harmonic]."""

    hz: jax.Array
    magnitude: jax.Array
    number: jax.Array
    present: jax.Array


def partials(power_tf: jax.Array, f0_hz: jax.Array, *, sample_rate_hz: int, count: int) -> Partials:
    """The largest magnitude within a third of f0 around each of the first `count` multiples of f0.

    Frequency and height are refined by a parabola through the magnitudes, roots of the power, of three bins;
    multiples whose neighbourhood passes half the sample rate, or that have no peak, are absent.
    """
    bins = power_tf.shape[1]
    hz_per_bin = sample_rate_hz / (2 * (bins - 1))
    number = jnp.arange(1, count + 1, dtype=power_tf.dtype)
    spacing = f0_hz[:, None] / hz_per_bin
    best = _largest_near(jax.lax.stop_gradient(power_tf), jax.lax.stop_gradient(spacing[:, 0]), count)
    low, top, high = (magnitude(jnp.take_along_axis(power_tf, best + i, axis=1)) for i in (-1, 0, 1))
    peak = (top > low) & (top >= high)
    curvature = jnp.where(peak, low + high - 2.0 * top, 1.0)
    shift = jnp.where(peak, 0.5 * (low - high) / curvature, 0.0)
    present = peak & ((number + 1.0 / 3.0)[None, :] * spacing < bins - 1)
    hz = (best.astype(power_tf.dtype) + shift) * hz_per_bin
    height = top - 0.25 * (low - high) * shift
    return Partials(hz, jnp.where(present, height, 0.0), jnp.broadcast_to(number[None, :], hz.shape), present)


def _largest_near(power: jax.Array, spacing: jax.Array, count: int):
    """[t, harmonic] index of the largest bin within a third of the spacing around each multiple of it.

    The first of the largest; the last but one bin where there is none.
    """
    by_kernel = power.dtype == jnp.float32 and precision.kernel_searches()

    def elsewhere(power: jax.Array, spacing: jax.Array) -> jax.Array:
        if by_kernel:
            return _by_kernel(count)(power[None], spacing[None])[0]
        return _by_all_bins(power, spacing, count)

    by_stretches = functools.partial(_by_stretches, count=count)
    index = platform.dependent(power, spacing, cpu=by_stretches, default=elsewhere)
    return jnp.clip(index, 1, power.shape[1] - 2)


def _by_kernel(count: int):
    """The kernel's search of spectra [b, t, f] with spacings [b, t]."""
    return over_clips(functools.partial(largest_near.largest_near, count=count))


def _by_stretches(power: jax.Array, spacing: jax.Array, count: int):
    """Every multiple looks at a stretch as long as its neighbourhood can be.

    From (h - 1/3) to (h + 1/3) spacings that end at half the sample rate: all stretches together are 1.7
    times the bins for ten multiples. Scattering each bin to its multiple took three times as long on a CPU.
    """
    bins = power.shape[1]

    def near(number: int) -> jax.Array:
        width = int(np.ceil(2 / 3 * bins / (number + 1 / 3))) + 4
        lowest = jnp.floor((number - 1 / 3) * spacing).astype(jnp.int32) - 1
        index = lowest[:, None] + jnp.arange(width, dtype=jnp.int32)[None, :]
        mine = (_multiples(index, spacing) == number) & (index < bins)
        there = jnp.take_along_axis(power, jnp.clip(index, 0, bins - 1), axis=1)
        seen = jnp.where(mine, there, -1.0)
        has_it = mine & (seen == jnp.max(seen, axis=1, keepdims=True))
        return jnp.min(jnp.where(has_it, index, bins), axis=1)

    return jnp.stack([near(number) for number in range(1, count + 1)], axis=1)


def _by_all_bins(power: jax.Array, spacing: jax.Array, count: int):
    """Every multiple looks at all bins, which a GPU reads once for all of them, without a gather."""
    bins = power.shape[1]
    index = jnp.arange(bins, dtype=jnp.int32)[None, :]
    multiple = _multiples(index, spacing)

    def near(number: int) -> jax.Array:
        mine = multiple == number
        largest = jnp.max(jnp.where(mine, power, -1.0), axis=1, keepdims=True)
        return jnp.min(jnp.where(mine & (power == largest), index, bins), axis=1)

    return jnp.stack([near(number) for number in range(1, count + 1)], axis=1)


def _multiples(index: jax.Array, spacing: jax.Array):
    """[t, index] the multiple of the spacing that a bin lies within a third of it from; 0 for none."""
    position = index.astype(spacing.dtype) / spacing[:, None]
    nearest = jnp.round(position)
    return jnp.where(jnp.abs(position - nearest) <= 1.0 / 3.0, nearest, 0.0)


def _normalised_difference(frames: jax.Array, hop_samples: int, shortest: int, longest: int):
    """(d' [t, shortest .. longest], sounding [t])."""
    acf = frame_autocorrelation(frames, hop_samples, longest + 1)
    by_products = functools.partial(_by_products, shortest=shortest)
    sounding, sides = acf[:, 0] > 1e-12 * frames.shape[1], (acf, frames[:, :longest])
    if acf.dtype != jnp.float32 or longest > lag_differences.MOST or not precision.kernel_differences():
        return by_products(*sides), sounding
    by_kernel = _differences_by_kernel(shortest)
    return platform.dependent(*sides, cpu=by_products, default=by_kernel), sounding


def _by_products(acf: jax.Array, samples: jax.Array, *, shortest: int):
    """The running sums as products with a triangle: XLA's cumulative sum is several times slower on a CPU."""
    longest = samples.shape[1]
    triangle = np.triu(np.ones((longest, longest), np.float32))
    energy = jnp.dot(samples**2, jnp.asarray(triangle), precision=PRECISION)
    difference = 2.0 * (acf[:, :1] - acf[:, 1:]) - energy
    mean = jnp.dot(difference, jnp.asarray(triangle), precision=PRECISION)
    mean = mean / jnp.arange(1, longest + 1, dtype=samples.dtype)[None, :]
    difference, mean = difference[:, shortest - 1 :], mean[:, shortest - 1 :]
    positive = mean > 0
    return jnp.where(positive, difference / jnp.where(positive, mean, 1.0), 1.0)


@functools.cache
def _differences_by_kernel(shortest: int):
    """The function of autocorrelations and first samples that a GPU computes by its kernel."""

    @over_clips
    def of_clips(acf_btl: jax.Array, samples_bts: jax.Array) -> jax.Array:
        acf, samples = (side.reshape(-1, side.shape[2]) for side in (acf_btl, samples_bts))
        return lag_differences.lag_differences(acf, samples, shortest).reshape(*acf_btl.shape[:2], -1)

    @jax.custom_jvp
    def kernel(acf: jax.Array, samples: jax.Array) -> jax.Array:
        return of_clips(acf[None], samples[None])[0]

    @kernel.defjvp
    def _(primals: tuple[jax.Array, jax.Array], tangents: tuple[jax.Array, jax.Array]):
        by_products = functools.partial(_by_products, shortest=shortest)
        return kernel(*primals), jax.jvp(by_products, primals, tangents)[1]

    return kernel


def _at(rows: jax.Array, index: jax.Array):
    return jnp.take_along_axis(rows, index[:, None], axis=1)[:, 0]
