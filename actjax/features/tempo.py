"""Tempo."""

import jax

from actjax import dsp
from actjax.extraction.analysis import Analysis
from actjax.extraction.shared import where_valid
from actjax.options import Number
from actjax.types import Feature

# The tempogram holds 8 s of frames for each frame.
RANGES = {"hop_samples": Number(32, 2**16, whole=True)}


def feature(
    *,
    sample_rate_hz: int = 22050,
    hop_samples: int = 512,
    n_fft: int = 2048,
    n_mels: int = 128,
    start_bpm: float = 120.0,
) -> Feature:
    """The period that the onset strength repeats with, one estimate per clip.

    The tempogram (window of 8 s) is averaged over time; the lag l with the largest
    log(1 + 10^6 r_l) - log2(bpm_l / start_bpm)^2 / 2 below 320 beats per minute is taken. A decision, so
    without derivative.

    Rows: one, one value per clip. Unit: beats per minute. Invalid where the clip has no onset strength.

    Raises:
      ValueError: impossible window, hop or sample rate, or start_bpm not positive.

    Reference: Ellis (2007), Beat tracking by dynamic programming, J. New Music Research 36(1).
    """
    if start_bpm <= 0:
        raise ValueError(f"expected a positive start_bpm, got {start_bpm}")
    at = Analysis(sample_rate_hz, n_fft, hop_samples)
    dsp.mel_bank(sample_rate_hz, n_fft, n_mels)
    settings = {"sample_rate_hz": sample_rate_hz, "n_fft": n_fft, "hop_samples": hop_samples}

    def fn(wave_s: jax.Array, length: jax.Array | None = None):
        envelope = dsp.onset_envelope(wave_s, n_mels=n_mels, length=length, **settings)
        bpm, valid = dsp.tempo(
            envelope,
            frames_per_s=sample_rate_hz / hop_samples,
            start_bpm=start_bpm,
            inside_t=at.inside(length, wave_s),
        )
        return where_valid(bpm[None, None], valid[None])

    return at.feature(
        "tempo",
        fn,
        unit="beats / min",
        reference="Ellis 2007",
        always_valid=False,
        per_clip=True,
        whole_clip=True,
    )
