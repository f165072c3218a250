"""Onset strength."""

import jax

from actjax import dsp
from actjax.extraction.analysis import Analysis
from actjax.extraction.shared import every_frame
from actjax.types import Feature


def feature(
    *, sample_rate_hz: int = 22050, hop_samples: int = 512, n_fft: int = 2048, n_mels: int = 128, lag: int = 1
) -> Feature:
    """Spectral flux of the log-mel spectrum L (80 dB range): mean over bands of max(0, L[t] - L[t - lag]).

    Delayed by n_fft // (2 hop) frames, so that the envelope peaks when the onset happens and not when the
    window first sees it; the frames before the first difference are 0.

    Rows: one. Unit: dB. Always valid.

    Raises:
      ValueError: impossible window, hop or sample rate, or a lag below 1.

    Reference: Böck, Widmer (2013), Maximum filter vibrato suppression for onset detection, DAFx.
    """
    if lag < 1:
        raise ValueError(f"expected a lag of at least 1 frame, got {lag}")
    at = Analysis(sample_rate_hz, n_fft, hop_samples)
    dsp.mel_bank(sample_rate_hz, n_fft, n_mels)
    settings = {"sample_rate_hz": sample_rate_hz, "hop_samples": hop_samples}

    def fn(wave_s: jax.Array, length: jax.Array | None = None):
        envelope = dsp.onset_envelope(wave_s, n_fft=n_fft, n_mels=n_mels, lag=lag, length=length, **settings)
        return every_frame(envelope[None, :])

    return at.feature(
        "onset_strength",
        fn,
        unit="dB",
        reference="Böck & Widmer 2013",
        window_samples=n_fft + lag * hop_samples,
        whole_clip=True,
    )
