"""Onset rate."""

import jax
import jax.numpy as jnp

from actjax import dsp
from actjax.extraction.analysis import Analysis
from actjax.extraction.shared import every_frame
from actjax.types import Feature


def feature(
    *,
    sample_rate_hz: int = 22050,
    hop_samples: int = 512,
    n_fft: int = 2048,
    n_mels: int = 128,
    delta: float = 0.07,
) -> Feature:
    """Onsets per second: the number of peaks of the onset strength over the clip's duration.

    A frame is a peak if it is the maximum of the last 30 ms, lies `delta` (of the clip's range) above the
    mean of the 100 ms around it and follows the last peak by more than 30 ms. A count, so without
    derivative.

    Rows: one, one value per clip. Unit: 1 / s. Always valid; silence has 0.

    Raises:
      ValueError: impossible window, hop or sample rate.

    Reference: Böck, Krebs, Schedl (2012), Evaluating the online capabilities of onset detection methods,
    ISMIR.
    """
    at = Analysis(sample_rate_hz, n_fft, hop_samples)
    dsp.mel_bank(sample_rate_hz, n_fft, n_mels)
    settings = {"sample_rate_hz": sample_rate_hz, "hop_samples": hop_samples}

    def fn(wave_s: jax.Array, length: jax.Array | None = None):
        envelope = dsp.onset_envelope(wave_s, n_fft=n_fft, n_mels=n_mels, length=length, **settings)
        peaks = dsp.pick_peaks(envelope, delta=delta, length=length, **settings)
        samples = len(wave_s) if length is None else jnp.maximum(length, 1).astype(jnp.float32)
        return every_frame((jnp.sum(peaks.astype(jnp.float32)) * (sample_rate_hz / samples))[None, None])

    return at.feature(
        "onset_rate",
        fn,
        unit="1 / s",
        reference="Böck, Krebs, Schedl 2012",
        per_clip=True,
        whole_clip=True,
    )
