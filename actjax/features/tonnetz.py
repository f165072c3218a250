"""Tonal centroids."""

import jax
import jax.numpy as jnp
import numpy as np

from actjax import dsp
from actjax.extraction.analysis import Analysis
from actjax.extraction.cqt_family import C1_HZ, chroma, chroma_grid, longest_window
from actjax.extraction.shared import where_valid
from actjax.types import Feature

ROWS = tuple(f"{circle}_{axis}" for circle in ("fifth", "minor_third", "major_third") for axis in ("x", "y"))


def feature(
    *,
    sample_rate_hz: int = 22050,
    hop_samples: int = 512,
    fmin_hz: float = C1_HZ,
    n_octaves: int = 7,
    bins_per_octave: int = 36,
    tuning: float | None = None,
) -> Feature:
    """The chromagram's position on the circles of fifths, minor thirds and major thirds.

    The chromagram is the constant-Q magnitude (as `cqt`, bins_per_octave from fmin_hz up) summed by pitch
    class. Centres are raised by `tuning` (fractions of a bin); None estimates it for each clip.

    With c the chromagram of a frame scaled to sum to 1: r sum_p c_p sin or cos(2 pi p k / 12), k = 7, 9, 4
    steps per semitone on the three circles, radius r = 1, 1, 1/2.

    Rows: fifth x, fifth y, minor third x, minor third y, major third x, major third y. Unit: none, -1 .. 1.
    Invalid where the frame is silent (60 dB below the loudest).

    Raises:
      ValueError: impossible hop or sample rate, a highest filter above half the sample rate, bins_per_octave
        not a multiple of 12.

    Reference: Harte, Sandler, Gasser (2006), Detecting harmonic change in musical audio, ACM MM workshop.
    """
    grid = chroma_grid(sample_rate_hz, hop_samples, fmin_hz, n_octaves, bins_per_octave)
    at = Analysis(sample_rate_hz, 2 * max(hop_samples, 4), hop_samples)
    angle = 2 * np.pi * np.arange(12)[None, :] * np.array([7.0, 9.0, 4.0])[:, None] / 12
    radius = np.array([1.0, 1.0, 0.5])[:, None]
    basis = np.stack([radius * np.sin(angle), radius * np.cos(angle)], axis=1).reshape(6, 12)

    def fn(wave_s: jax.Array, length: jax.Array | None = None):
        folded, valid = chroma(wave_s, grid, tuning, length)
        total = jnp.sum(folded, axis=0)
        share = folded / jnp.where(valid, total, 1.0)[None, :]
        return where_valid(jnp.dot(jnp.asarray(basis, share.dtype), share, precision=dsp.PRECISION), valid)

    return at.feature(
        "tonnetz",
        fn,
        unit="relative",
        reference="Harte, Sandler, Gasser 2006",
        row_names=ROWS,
        axis="coefficient",
        window_samples=longest_window(grid),
        always_valid=False,
        whole_clip=True,
    )
