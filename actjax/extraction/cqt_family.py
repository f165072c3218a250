"""The features made of a constant-Q transform."""

import jax
import jax.numpy as jnp
import numpy as np

from actjax import dsp
from actjax.dsp import cqt
from actjax.extraction.analysis import Analysis

# C1 in Hz: three semitones above A0 = 27.5 Hz.
C1_HZ = 27.5 * 2.0 ** (3 / 12)


def chroma_grid(
    sample_rate_hz: int, hop_samples: int, fmin_hz: float, n_octaves: int, bins_per_octave: int
) -> cqt.Grid:
    """Makes the grid of a chromagram and checks it.

    Raises:
      ValueError: as Analysis and cqt.check_grid, or bins_per_octave not a multiple of 12.
    """
    Analysis(sample_rate_hz, max(hop_samples, 4) * 2, hop_samples)
    if bins_per_octave < 12 or bins_per_octave % 12:
        raise ValueError(f"expected bins_per_octave a multiple of 12, got {bins_per_octave}")
    grid = cqt.Grid(sample_rate_hz, hop_samples, fmin_hz, n_octaves * bins_per_octave, bins_per_octave)
    cqt.check_grid(grid)
    return grid


def longest_window(grid: cqt.Grid) -> int:
    """Measures the lowest filter's length in samples."""
    return int(np.ceil(cqt.lengths(grid)[0]))


def chroma(
    wave_s: jax.Array, grid: cqt.Grid, tuning: float | None, length: jax.Array | None = None
) -> tuple[jax.Array, jax.Array]:
    """([12, t] magnitudes summed by pitch class, C first, not scaled; [t] bool: the frame is not silent).

    Silent is 60 dB below the clip's loudest frame: the filters' truncated spectra ring at that level around
    loud attacks, where they should have ended. Tuning and the loudest frame are those of the first `length`
    samples.
    """
    magnitudes = cqt.cqt_magnitude(wave_s, grid, tuning, length)
    folded = jnp.dot(jnp.asarray(_fold(grid), magnitudes.dtype), magnitudes.T, precision=dsp.PRECISION)
    level = jnp.max(folded, axis=0)
    inside = dsp.signal_frames(length, len(level), grid.hop_samples)
    loudest = jnp.max(level if inside is None else jnp.where(inside, level, 0.0))
    sounding = level > jnp.maximum(1e-3 * loudest, jnp.finfo(level.dtype).tiny)
    return jnp.where(sounding[None, :], folded, 0.0), sounding


def _fold(grid: cqt.Grid) -> np.ndarray:
    """[12, bin] indicators: each bin belongs to the nearest pitch class."""
    per_class = grid.bins_per_octave // 12
    lowest = round(12 * np.log2(grid.fmin_hz / C1_HZ))
    classes = (np.arange(grid.bins) + per_class // 2) // per_class + lowest
    return np.arange(12)[:, None] == classes[None, :] % 12
