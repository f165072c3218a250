"""Magnitude spectrogram."""

import jax

from actjax import dsp
from actjax.extraction.analysis import Analysis
from actjax.extraction.shared import every_frame, hz_names
from actjax.types import Feature


def feature(*, sample_rate_hz: int = 22050, hop_samples: int = 512, n_fft: int = 2048) -> Feature:
    """|X|, the Fourier transform of centred frames under a periodic Hann window, zeros beyond the ends.

    Rows: n_fft / 2 + 1 frequency bins, low to high. Unit: magnitude. Always valid.

    Raises:
      ValueError: impossible window, hop or sample rate.

    Reference: Allen, Rabiner (1977), A unified approach to short-time Fourier analysis, Proc. IEEE 65(11).
    """
    at = Analysis(sample_rate_hz, n_fft, hop_samples)
    centres = tuple(float(hz) for hz in dsp.fft_frequencies_hz(sample_rate_hz, n_fft))

    def fn(wave_s: jax.Array):
        return every_frame(at.magnitude(wave_s).T)

    return at.feature(
        "stft_magnitude",
        fn,
        unit="magnitude",
        reference="Allen & Rabiner 1977",
        row_names=hz_names(centres),
        axis="frequency",
        centres_hz=centres,
    )
