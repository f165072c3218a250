"""Mel-frequency cepstral coefficients."""

import jax.numpy as jnp

from actjax import dsp
from actjax.features._shared import every_frame, numbered
from actjax.types import Feature


def feature(
    *,
    sample_rate_hz: int = 22050,
    hop_samples: int = 512,
    n_fft: int = 2048,
    n_mels: int = 128,
    n_mfcc: int = 20,
    fmin_hz: float = 0.0,
    fmax_hz: float | None = None,
) -> Feature:
    """The first coefficients of the orthonormal DCT-II over mel bands of the log-mel spectrum (80 dB range).

    Rows: coefficients 0 (mean level) to n_mfcc - 1 (finest shape). Unit: dB. Always valid.

    Raises:
      ValueError: impossible window, hop, sample rate or band edges, or n_mfcc not in 1 .. n_mels.

    Reference: Davis, Mermelstein (1980), IEEE Trans. ASSP 28(4).
    """
    dsp.check_settings(sample_rate_hz, n_fft, hop_samples)
    dsp.mel_bank(sample_rate_hz, n_fft, n_mels, fmin_hz, fmax_hz)
    if not 1 <= n_mfcc <= n_mels:
        raise ValueError(f"expected n_mfcc from 1 to n_mels {n_mels}, got {n_mfcc}")

    def fn(wave_s):
        power = dsp.power_spectrum(wave_s, n_fft, hop_samples)
        db = dsp.power_to_db(dsp.mel_power(power, sample_rate_hz, n_mels, fmin_hz, fmax_hz))
        basis = jnp.asarray(dsp.dct_matrix(n_mfcc, n_mels), db.dtype)
        return every_frame(jnp.dot(basis, db.T, precision=dsp.PRECISION))

    return Feature(
        name="mfcc",
        fn=fn,
        rows=n_mfcc,
        row_names=numbered("mfcc", n_mfcc),
        axis="coefficient",
        sample_rate_hz=sample_rate_hz,
        hop_samples=hop_samples,
        window_samples=n_fft,
        unit="dB",
        reference="Davis & Mermelstein 1980",
    )
