"""Mel-frequency cepstral coefficients."""

import jax
import jax.numpy as jnp

from actjax import dsp
from actjax.extraction.analysis import Analysis
from actjax.extraction.shared import every_frame, numbered
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
    deltas: int = 0,
) -> Feature:
    """The first coefficients of the orthonormal DCT-II over mel bands of the log-mel spectrum (80 dB range).

    With deltas = 1 or 2 their first, and second, derivatives over 9 frames follow (per frame).

    Rows: coefficients 0 (mean level) to n_mfcc - 1 (finest shape), then the derivatives. Unit: dB. Always
    valid.

    Raises:
      ValueError: impossible window, hop, sample rate or band edges, n_mfcc not in 1 .. n_mels, or a clip
        shorter than 9 frames with deltas.

    Reference: Davis, Mermelstein (1980), IEEE Trans. ASSP 28(4); deltas: Furui (1986), ASSP 34(1).
    """
    at = Analysis(sample_rate_hz, n_fft, hop_samples)
    dsp.mel_bank(sample_rate_hz, n_fft, n_mels, fmin_hz, fmax_hz)
    if not 1 <= n_mfcc <= n_mels:
        raise ValueError(f"expected n_mfcc from 1 to n_mels {n_mels}, got {n_mfcc}")
    if not 0 <= deltas <= 2:
        raise ValueError(f"expected deltas 0, 1 or 2, got {deltas}")

    def fn(wave_s: jax.Array, length: jax.Array | None = None):
        mel = dsp.mel_power(at.power(wave_s), sample_rate_hz, n_mels, fmin_hz, fmax_hz)
        db = dsp.power_to_db(mel, inside_t=at.inside(length, wave_s))
        basis = jnp.asarray(dsp.dct_matrix(n_mfcc, n_mels), db.dtype)
        coefficients = jnp.dot(basis, db.T, precision=dsp.PRECISION)
        derivatives = [dsp.delta(coefficients, order=order + 1) for order in range(deltas)]
        return every_frame(jnp.concatenate([coefficients, *derivatives]))

    prefixes = ("mfcc", "delta_mfcc", "delta_delta_mfcc")[: deltas + 1]
    return at.feature(
        "mfcc",
        fn,
        unit="dB",
        reference="Davis & Mermelstein 1980",
        row_names=tuple(name for prefix in prefixes for name in numbered(prefix, n_mfcc)),
        axis="coefficient",
        # A derivative is that of the frames around.
        window_samples=n_fft + (dsp.DELTA_FRAMES - 1) * hop_samples * (deltas > 0),
        whole_clip=True,
    )
