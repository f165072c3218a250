"""Chroma energy normalised statistics."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from actjax import dsp
from actjax.extraction.analysis import Analysis
from actjax.extraction.cqt_family import C1_HZ, chroma, chroma_grid, longest_window
from actjax.extraction.shared import PITCH_CLASSES, where_valid
from actjax.kernels import platform
from actjax.types import Feature

# Windows of up to so many frames are added up shift by shift where that is faster.
_MOST_SHIFTS = 128


def feature(
    *,
    sample_rate_hz: int = 22050,
    hop_samples: int = 512,
    fmin_hz: float = C1_HZ,
    n_octaves: int = 7,
    bins_per_octave: int = 36,
    tuning: float | None = None,
    win_frames: int = 41,
) -> Feature:
    """Quantised, smoothed chromagram: robust against dynamics, timbre and articulation.

    The chromagram is the constant-Q magnitude (as `cqt`, bins_per_octave from fmin_hz up) summed by pitch
    class. Centres are raised by `tuning` (fractions of a bin); None estimates it for each clip.

    Each frame is scaled to sum to 1, each value counted as 1/4 for each of 0.4, 0.2, 0.1, 0.05 that it
    exceeds, smoothed over win_frames by a Hann window of unit sum, and scaled to unit length. Quantised, so
    without derivative.

    Rows: pitch classes C, C#, ... B. Unit: relative. Invalid where all frames under the window are silent.

    Raises:
      ValueError: impossible hop or sample rate, a highest filter above half the sample rate, bins_per_octave
        not a multiple of 12, or an even win_frames.

    Reference: Müller, Kurth, Clausen (2005), Audio matching via chroma-based statistical features, ISMIR.
    """
    if win_frames < 1 or win_frames % 2 == 0:
        raise ValueError(f"expected an odd win_frames of at least 1, got {win_frames}")
    grid = chroma_grid(sample_rate_hz, hop_samples, fmin_hz, n_octaves, bins_per_octave)
    at = Analysis(sample_rate_hz, 2 * max(hop_samples, 4), hop_samples)
    # A symmetric Hann window of win_frames + 2 values, of which the first and last are 0.
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(1, win_frames + 1) / (win_frames + 1))
    weights = np.asarray(hann / hann.sum(), np.float32)

    def fn(wave_s: jax.Array, length: jax.Array | None = None):
        folded, _ = chroma(wave_s, grid, tuning, length)
        total = jnp.sum(folded, axis=0)
        share = folded / jnp.where(total > 0, total, 1.0)[None, :]
        thresholds = jnp.asarray((0.4, 0.2, 0.1, 0.05), share.dtype)[:, None, None]
        steps = jnp.mean((share[None] > thresholds).astype(share.dtype), axis=0)
        smooth = platform.dependent(
            steps,
            cpu=functools.partial(_smoothed, weights=weights),
            default=functools.partial(_smoothed_by_shifts, weights=weights),
        )
        norm = dsp.magnitude(jnp.sum(smooth**2, axis=0))
        valid = norm > 0
        return where_valid(smooth / jnp.where(valid, norm, 1.0)[None, :], valid)

    return at.feature(
        "chroma_cens",
        fn,
        unit="relative",
        reference="Müller, Kurth, Clausen 2005",
        row_names=PITCH_CLASSES,
        axis="pitch_class",
        window_samples=longest_window(grid) + win_frames * hop_samples,
        always_valid=False,
        whole_clip=True,
    )


def _smoothed(steps_kt: jax.Array, weights: np.ndarray):
    """[k, t] each row under the centred window of the weights, zeros beyond its ends."""
    rows = jax.vmap(lambda row: jnp.convolve(row, jnp.asarray(weights), mode="full"))(steps_kt)
    return rows[:, len(weights) // 2 :][:, : steps_kt.shape[1]]


def _smoothed_by_shifts(steps_kt: jax.Array, weights: np.ndarray):
    """In one pass; a GPU's library takes 40 us for convolutions of so few values."""
    if len(weights) > _MOST_SHIFTS:
        return _smoothed(steps_kt, weights)
    half, frames = len(weights) // 2, steps_kt.shape[1]
    padded = jnp.pad(steps_kt, ((0, 0), (half, half)))
    shifted = [padded[:, i : i + frames] * weight for i, weight in enumerate(weights[::-1])]
    return functools.reduce(jnp.add, shifted)
