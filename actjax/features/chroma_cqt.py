"""Chromagram from the constant-Q transform."""

import jax

from actjax.extraction.analysis import Analysis
from actjax.extraction.cqt_family import C1_HZ, chroma, chroma_grid, longest_window
from actjax.extraction.shared import PITCH_CLASSES, scaled_to_peak
from actjax.types import Feature


def feature(
    *,
    sample_rate_hz: int = 22050,
    hop_samples: int = 512,
    fmin_hz: float = C1_HZ,
    n_octaves: int = 7,
    bins_per_octave: int = 36,
    tuning: float | None = None,
) -> Feature:
    """Magnitude by pitch class, each frame scaled to a maximum of 1.

    The chromagram is the constant-Q magnitude (as `cqt`, bins_per_octave from fmin_hz up) summed by pitch
    class. Centres are raised by `tuning` (fractions of a bin); None estimates it for each clip.

    Rows: pitch classes C, C#, ... B. Unit: relative. Invalid where the frame is silent (60 dB below the
    loudest).

    Raises:
      ValueError: impossible hop or sample rate, a highest filter above half the sample rate, bins_per_octave
        not a multiple of 12.

    Reference: Brown (1991), JASA 89(1); Müller (2007), Information Retrieval for Music and Motion.
    """
    grid = chroma_grid(sample_rate_hz, hop_samples, fmin_hz, n_octaves, bins_per_octave)
    at = Analysis(sample_rate_hz, 2 * max(hop_samples, 4), hop_samples)

    def fn(wave_s: jax.Array, length: jax.Array | None = None):
        return scaled_to_peak(chroma(wave_s, grid, tuning, length)[0])

    return at.feature(
        "chroma_cqt",
        fn,
        unit="relative",
        reference="Müller 2007",
        row_names=PITCH_CLASSES,
        axis="pitch_class",
        window_samples=longest_window(grid),
        always_valid=False,
        whole_clip=True,
    )
