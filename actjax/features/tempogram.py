"""Tempogram."""

import jax

from actjax import dsp
from actjax.extraction.analysis import Analysis
from actjax.extraction.shared import numbered, where_valid
from actjax.types import Feature


def feature(
    *,
    sample_rate_hz: int = 22050,
    hop_samples: int = 512,
    n_fft: int = 2048,
    n_mels: int = 128,
    win_frames: int = 384,
) -> Feature:
    """Autocorrelation of the onset strength under a Hann window of win_frames, scaled to a maximum of 1.

    Row l is the autocorrelation at a lag of l frames, a tempo of 60 sample_rate_hz / (hop_samples l) beats
    per minute; the envelope fades linearly to 0 beyond the ends.

    Rows: lags 0 .. win_frames - 1. Unit: relative. Invalid where the envelope under the window is 0.

    Raises:
      ValueError: impossible window, hop or sample rate, or fewer than 2 frames per window.

    Reference: Grosche, Müller, Kurth (2010), Cyclic tempogram, ICASSP.
    """
    if win_frames < 2:
        raise ValueError(f"expected a tempogram window of at least 2 frames, got {win_frames}")
    at = Analysis(sample_rate_hz, n_fft, hop_samples)
    dsp.mel_bank(sample_rate_hz, n_fft, n_mels)
    settings = {"sample_rate_hz": sample_rate_hz, "n_fft": n_fft, "hop_samples": hop_samples}

    def fn(wave_s: jax.Array, length: jax.Array | None = None):
        envelope = dsp.onset_envelope(wave_s, n_mels=n_mels, length=length, **settings)
        local, valid = dsp.tempogram(envelope, win_frames, at.inside(length, wave_s))
        return where_valid(local.T, valid)

    return at.feature(
        "tempogram",
        fn,
        unit="relative",
        reference="Grosche, Müller, Kurth 2010",
        row_names=numbered("lag", win_frames),
        axis="coefficient",
        window_samples=n_fft + win_frames * hop_samples,
        always_valid=False,
        whole_clip=True,
    )
