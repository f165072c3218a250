"""Pulse clarity."""

import jax

from actjax import dsp
from actjax.extraction.analysis import Analysis
from actjax.extraction.shared import where_valid
from actjax.types import Feature


def feature(
    *,
    sample_rate_hz: int = 22050,
    hop_samples: int = 512,
    n_fft: int = 2048,
    n_mels: int = 128,
    min_bpm: float = 40.0,
    max_bpm: float = 200.0,
) -> Feature:
    """How strongly the onset strength repeats: its largest correlation with itself one period later.

    r_l = corr(e[t], e[t + l]) over the frames that both have, e minus its mean; the maximum is over periods
    from 60 / max_bpm to 60 / min_bpm seconds, at most half the clip.

    Rows: one, one value per clip. Unit: correlation, -1 .. 1. Invalid where the onset strength is constant
    or the clip is shorter than twice the shortest period.

    Raises:
      ValueError: impossible window, hop or sample rate, or tempi out of order.

    Reference: Lartillot, Eerola, Toiviainen, Fornari (2008), Multi-feature modeling of pulse clarity, ISMIR.
    """
    if not 0 < min_bpm < max_bpm:
        raise ValueError(f"expected 0 < min_bpm < max_bpm, got {min_bpm:g} and {max_bpm:g}")
    at = Analysis(sample_rate_hz, n_fft, hop_samples)
    dsp.mel_bank(sample_rate_hz, n_fft, n_mels)
    settings = {"sample_rate_hz": sample_rate_hz, "n_fft": n_fft, "hop_samples": hop_samples}

    def fn(wave_s: jax.Array, length: jax.Array | None = None):
        envelope = dsp.onset_envelope(wave_s, n_mels=n_mels, length=length, **settings)
        clarity, valid = dsp.pulse_clarity(
            envelope,
            frames_per_s=sample_rate_hz / hop_samples,
            bpm_range=(min_bpm, max_bpm),
            inside_t=at.inside(length, wave_s),
        )
        return where_valid(clarity[None, None], valid[None])

    return at.feature(
        "pulse_clarity",
        fn,
        unit="correlation",
        reference="Lartillot et al. 2008",
        always_valid=False,
        per_clip=True,
        whole_clip=True,
    )
