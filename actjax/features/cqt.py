"""Constant-Q spectrogram."""

import jax
import numpy as np

from actjax.dsp import cqt
from actjax.extraction.analysis import Analysis
from actjax.extraction.cqt_family import C1_HZ, longest_window
from actjax.extraction.shared import every_frame, hz_names
from actjax.types import Feature


def feature(
    *,
    sample_rate_hz: int = 22050,
    hop_samples: int = 512,
    fmin_hz: float = C1_HZ,
    n_bins: int = 84,
    bins_per_octave: int = 12,
    tuning: float | None = 0.0,
) -> Feature:
    """Magnitudes at geometrically spaced frequencies, windows of a constant number of periods.

    |sum_s w[s] x[t hop + s] exp(-2 pi i f s / rate)| sqrt(length), w a Hann window of unit sum and Q rate / f
    samples. Frequencies are raised by `tuning` (fractions of a bin); None estimates it for each clip.

    Rows: n_bins frequencies fmin_hz 2^(i / bins_per_octave). Unit: magnitude. Always valid.

    Raises:
      ValueError: impossible hop or sample rate, or a highest filter above half the sample rate.

    Reference: Brown (1991), JASA 89(1); Schörkhuber et al. (2014), AES 53rd conference.
    """
    at = Analysis(sample_rate_hz, 2 * max(hop_samples, 4), hop_samples)
    grid = cqt.Grid(sample_rate_hz, hop_samples, fmin_hz, n_bins, bins_per_octave)
    cqt.check_grid(grid)
    raised = 0.0 if tuning is None else tuning
    centres = tuple(float(hz) for hz in cqt.centres_hz(grid) * np.exp2(raised / bins_per_octave))

    def fn(wave_s: jax.Array, length: jax.Array | None = None):
        return every_frame(cqt.cqt_magnitude(wave_s, grid, tuning, length).T)

    return at.feature(
        "cqt",
        fn,
        unit="magnitude",
        reference="Brown 1991",
        row_names=hz_names(centres),
        axis="frequency",
        centres_hz=centres,
        window_samples=longest_window(grid),
        whole_clip=tuning is None,
    )
