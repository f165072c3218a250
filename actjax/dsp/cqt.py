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

from actjax.dsp.framing import check_wave, fast_length, frame_count, signal_frames
from actjax.dsp.spectrum import magnitude, power_spectrum
from actjax.dsp.tuning import estimate_tuning

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
    widest = max(o.response.shape[1] for o in octaves)
    spectrum = jnp.pad(spectrum, (widest, 2 * widest))
    raise_by = (
        None if tuning is not None else 2.0 ** (_tuning(wave_s, grid, length) / grid.bins_per_octave) - 1.0
    )
    rows = [_octave_magnitude(spectrum, widest, octave, raise_by) for octave in octaves]
    # Forward transforms run backwards in time; inverse ones are scaled in a second pass on a GPU.
    backwards = jnp.concatenate(rows, axis=0)
    later = jnp.flip(backwards[:, slots - frames + 1 :], axis=1)
    return jnp.concatenate([backwards[:, :1], later], axis=1).T


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


def _octave_magnitude(spectrum: jax.Array, margin: int, octave: _Octave, raise_by: jax.Array | None):
    bins, width = octave.response.shape
    first = jnp.asarray(octave.first + margin, jnp.int32)
    if raise_by is not None:
        shift = jnp.round(jnp.asarray(octave.centre, raise_by.dtype) * raise_by)
        first = first + shift.astype(jnp.int32)
    stretch = jax.vmap(lambda i: jax.lax.dynamic_slice_in_dim(spectrum, i, width))(first)
    stretch = stretch * jnp.asarray(octave.response).astype(stretch.dtype)
    folds = -(-width // octave.slots)
    stretch = jnp.pad(stretch, ((0, 0), (0, folds * octave.slots - width)))
    folded = jnp.sum(stretch.reshape(bins, folds, octave.slots), axis=1)
    output = jnp.fft.fft(folded, axis=1)
    return magnitude(output.real**2 + output.imag**2)


def _tuning(wave_s: jax.Array, grid: Grid, length: jax.Array | None):
    """Tuning in fractions of a bin, from a spectrum that does not depend on the feature's own hop."""
    spectrum = magnitude(power_spectrum(wave_s, 2048, 512))
    return estimate_tuning(
        spectrum,
        sample_rate_hz=grid.sample_rate_hz,
        bins_per_octave=grid.bins_per_octave,
        inside_t=signal_frames(length, len(spectrum), 512),
    )
