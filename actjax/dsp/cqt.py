"""Constant-Q transform of a whole clip by one Fourier transform.

After Holighaus, Dörfler, Velasco, Grill (2013) and Schörkhuber, Klapuri, Holighaus, Dörfler (2014): each
filter is a short stretch of the clip's spectrum, and sampling its output every hop is folding that stretch to
as many bins as there are frames.
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from actjax import precision
from actjax.dsp.framing import check_wave, fast_length, frame_count, signal_frames
from actjax.dsp.spectrum import magnitude, power_spectrum
from actjax.dsp.tuning import estimate_tuning
from actjax.kernels import platform, spectrum_folds
from actjax.kernels.batched import over_clips

# Half-width of the stretch kept, in units of 1 / window duration; the Hann window's main lobe has 2.
_REACH = 5.0


class Grid(NamedTuple):
    """The centre frequencies: `bins` from fmin_hz up, `bins_per_octave` to the octave."""

    sample_rate_hz: int
    hop_samples: int
    fmin_hz: float
    bins: int
    bins_per_octave: int


def cqt_magnitude(
    wave_s: jax.Array, grid: Grid, tuning: float | None = 0.0, length: jax.Array | None = None
) -> jax.Array:
    """[t, bin] magnitudes: |sum_s w[s] x[t hop + s] exp(-2 pi i f s / rate)| sqrt(length).

    w is a Hann window of `length` = Q rate / f samples and unit sum, Q the constant ratio of centre
    frequency to bandwidth of `lengths`.

    Args:
      wave_s: [s] samples.
      grid: the centre frequencies.
      tuning: all centres are raised by this fraction of a bin; None estimates it from the clip, then to the
        nearest bin of the clip's spectrum (less than 1 / duration).
      length: samples of signal, on which the tuning is estimated; None for all.
    """
    check_wave(wave_s)
    samples = wave_s.shape[0]
    static = (
        grid if not tuning else grid._replace(fmin_hz=grid.fmin_hz * 2 ** (tuning / grid.bins_per_octave))
    )
    frames, octaves = frame_count(samples, grid.hop_samples), _octaves(static, samples)
    slots = octaves[0].slots
    spectrum = jnp.fft.rfft(wave_s, n=slots * grid.hop_samples)
    raise_by = (
        None if tuning is not None else 2.0 ** (_tuning(wave_s, grid, length) / grid.bins_per_octave) - 1.0
    )
    first = jnp.concatenate([_first(octave, raise_by) for octave in octaves])

    def by_octaves(spectrum: jax.Array, first: jax.Array) -> jax.Array:
        rows = [jnp.fft.fft(folded, axis=1) for folded in _folded(spectrum, first, octaves)]
        # Forward transforms run backwards in time; inverse ones are scaled in a second pass on a GPU.
        backwards = jnp.concatenate([magnitude(row.real**2 + row.imag**2) for row in rows], axis=0)
        later = jnp.flip(backwards[:, slots - frames + 1 :], axis=1)
        return jnp.concatenate([backwards[:, :1], later], axis=1).T

    def by_kernel(spectrum: jax.Array, first: jax.Array) -> jax.Array:
        folded = _by_kernel(static, samples)(jnp.stack([spectrum.real, spectrum.imag]), first)
        return _backwards_magnitude(folded, frames)

    if wave_s.dtype != jnp.float32 or not precision.kernel_folds():
        return by_octaves(spectrum, first)
    return platform.dependent(spectrum, first, cpu=by_octaves, default=by_kernel)


def centres_hz(grid: Grid) -> np.ndarray:
    """[bin] the centre frequencies, before tuning."""
    return grid.fmin_hz * 2.0 ** (np.arange(grid.bins) / grid.bins_per_octave)


def lengths(grid: Grid) -> np.ndarray:
    """[bin] window lengths in samples: Q rate / f, 1 / Q = (2^(2/b) - 1) / (2^(2/b) + 1), b per octave."""
    ratio = 2.0 ** (2.0 / grid.bins_per_octave)
    return (ratio + 1.0) / (ratio - 1.0) * grid.sample_rate_hz / centres_hz(grid)


def check_grid(grid: Grid) -> None:
    """Raises ValueError unless the highest filter, with its bandwidth, lies below half the sample rate."""
    if grid.bins < 1 or grid.bins_per_octave < 1 or grid.fmin_hz <= 0:
        raise ValueError(f"expected at least one bin, one per octave and a positive fmin_hz, got {grid}")
    # A Hann window's equivalent noise bandwidth is 1.5 bins.
    top_hz = centres_hz(grid)[-1] + 0.75 * grid.sample_rate_hz / lengths(grid)[-1]
    if top_hz > grid.sample_rate_hz / 2:
        raise ValueError(
            f"expected a sample rate of at least {2 * top_hz:.0f} Hz for {grid.bins} bins from "
            f"{grid.fmin_hz:g} Hz, got {grid.sample_rate_hz}; resample the audio or ask for fewer octaves"
        )


class _Octave(NamedTuple):
    first: np.ndarray  # [bin] index in the clip's spectrum where each filter starts
    response: np.ndarray  # [bin, width] the filters
    centre: np.ndarray  # [bin] centre frequencies in spectrum bins
    slots: int


@functools.lru_cache(maxsize=64)
def _octaves(grid: Grid, samples: int):
    """The filters, an octave at a time: within one, widths differ by less than a factor of two."""
    check_grid(grid)
    hz, length = centres_hz(grid), lengths(grid)
    slots = fast_length(-(-(samples + int(np.ceil(length.max()))) // grid.hop_samples))
    size = slots * grid.hop_samples
    hz_per_bin = grid.sample_rate_hz / size
    octaves = []
    for start in range(0, grid.bins, grid.bins_per_octave):
        rows = slice(start, start + grid.bins_per_octave)
        reach = _REACH * size / length[rows]
        centre = hz[rows] / hz_per_bin
        first = np.ceil(centre - reach).astype(np.int64)
        width = int(np.ceil(2 * reach.max()))
        position = first[:, None] + np.arange(width)[None, :]
        offset = (position - centre[:, None]) / size
        response = _hann_transform(offset, length[rows][:, None]) * np.sqrt(length[rows])[:, None]
        beyond = (
            (np.abs(position - centre[:, None]) > reach[:, None]) | (position < 0) | (position > size // 2)
        )
        # Over all samples, which makes what is left of it the clip's inverse transform.
        response = response / size
        octaves.append(_Octave(first, np.where(beyond, 0.0, response).astype(np.float32), centre, slots))
    return tuple(octaves)


def _hann_transform(cycles_per_sample: np.ndarray, length: np.ndarray):
    """The Fourier transform of a Hann window centred on 0, of unit sum: sinc(u) / (1 - u^2), u = f length."""
    u = cycles_per_sample * length
    singular = np.abs(np.abs(u) - 1.0) < 1e-9
    return np.where(singular, 0.5, np.sinc(u) / np.where(singular, 1.0, 1.0 - u**2))


def _first(octave: _Octave, raise_by: jax.Array | None):
    """[bin] where each filter's stretch of the spectrum starts, which may be below 0."""
    first = jnp.asarray(octave.first, jnp.int32)
    if raise_by is None:
        return first
    return first + jnp.round(jnp.asarray(octave.centre, raise_by.dtype) * raise_by).astype(jnp.int32)


def _folded(spectrum: jax.Array, first: jax.Array, octaves: tuple[_Octave, ...]):
    """Each octave's [bin, slots]: filtered stretches of the spectrum, summed modulo the slots."""
    widest = max(o.response.shape[1] for o in octaves)
    padded, taken, rows = jnp.pad(spectrum, (widest, 2 * widest)), 0, []
    for octave in octaves:
        bins, width = octave.response.shape
        starts = widest + first[taken : taken + bins]
        cut = jax.vmap(lambda i, width=width: jax.lax.dynamic_slice_in_dim(padded, i, width))(starts)
        stretch = cut * jnp.asarray(octave.response).astype(cut.dtype)
        folds = -(-width // octave.slots)
        stretch = jnp.pad(stretch, ((0, 0), (0, folds * octave.slots - width)))
        rows.append(jnp.sum(stretch.reshape(bins, folds, octave.slots), axis=1))
        taken += bins
    return rows


@functools.lru_cache(maxsize=64)
def _by_kernel(grid: Grid, samples: int):
    """The function (sides [2, f], first [bin]) -> [bin, 2, slots] that a GPU computes by its kernel."""
    octaves = _octaves(grid, samples)
    responses = [octave.response for octave in octaves]
    of_clips = over_clips(
        functools.partial(spectrum_folds.spectrum_folds, responses=responses, slots=octaves[0].slots)
    )

    @jax.custom_jvp
    def fold(sides: jax.Array, first: jax.Array) -> jax.Array:
        return of_clips(sides[None], first[None])[0]

    @fold.defjvp
    def _(primals: tuple[jax.Array, jax.Array], tangents: tuple[jax.Array, jax.Array]):
        slope = jnp.concatenate(_folded(jax.lax.complex(*tangents[0]), primals[1], octaves))
        return fold(*primals), jnp.stack([slope.real, slope.imag], axis=1)

    return fold


def _backwards_magnitude(folded: jax.Array, frames: int):
    """[t, bin] the size of the transform of [bin, (real, imaginary), slots], backwards in time from 0 on.

    By transforms of the two sides, which are real: S = R + i I at a frequency, conj(R) + i conj(I) at minus
    this frequency.
    """
    slots = folded.shape[2]
    sides = jnp.fft.rfft(folded, axis=2)
    of_real, of_imaginary = sides[:, 0], sides[:, 1]
    minus = (of_real.real + of_imaginary.imag) ** 2 + (of_imaginary.real - of_real.imag) ** 2
    plus = (of_real.real - of_imaginary.imag) ** 2 + (of_imaginary.real + of_real.imag) ** 2
    later = jnp.flip(plus[:, 1 : slots - slots // 2], axis=1)
    return magnitude(jnp.concatenate([minus, later], axis=1)[:, :frames]).T


def _tuning(wave_s: jax.Array, grid: Grid, length: jax.Array | None):
    """Tuning in fractions of a bin, from a spectrum that does not depend on the feature's own hop."""
    spectrum = magnitude(power_spectrum(wave_s, 2048, 512))
    return estimate_tuning(
        spectrum,
        sample_rate_hz=grid.sample_rate_hz,
        bins_per_octave=grid.bins_per_octave,
        inside_t=signal_frames(length, len(spectrum), 512),
    )
