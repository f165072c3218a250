"""What the features of pitched frames share."""

import jax

from actjax import dsp
from actjax.dsp.pitch import Partials, Pitch
from actjax.extraction.analysis import Analysis

# C2 to C7, the range of most instruments; the window of 2048 samples holds two periods of it from 4 to 67
# kHz.
FMIN_HZ, FMAX_HZ = 65.4, 2093.0


def find_pitch(
    at: Analysis, wave_s: jax.Array, fmin_hz: float, fmax_hz: float, threshold: float = 0.1
) -> Pitch:
    """YIN on the frames of an analysis."""
    return dsp.yin(
        at.frames(wave_s),
        sample_rate_hz=at.sample_rate_hz,
        hop_samples=at.hop_samples,
        fmin_hz=fmin_hz,
        fmax_hz=fmax_hz,
        threshold=threshold,
    )


def find_partials(
    at: Analysis, wave_s: jax.Array, fmin_hz: float, fmax_hz: float, voicing: float, count: int
) -> tuple[Partials, Pitch, jax.Array]:
    """(partials, pitch, voiced [t]); voiced frames sound and are less aperiodic than `voicing`."""
    pitch = find_pitch(at, wave_s, fmin_hz, fmax_hz)
    voiced = pitch.sounding & (pitch.aperiodicity < voicing)
    partials = dsp.partials(at.power(wave_s), pitch.f0_hz, sample_rate_hz=at.sample_rate_hz, count=count)
    return partials, pitch, voiced


def check_pitch(at: Analysis, fmin_hz: float, fmax_hz: float, count: int = 2) -> None:
    """Raises ValueError for a pitch range the window cannot hold, or fewer than 2 harmonics."""
    dsp.period_range(at.n_fft, at.sample_rate_hz, fmin_hz, fmax_hz)
    if count < 2:
        raise ValueError(f"expected at least 2 harmonics, got {count}")
