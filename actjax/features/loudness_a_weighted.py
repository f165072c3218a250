"""A-weighted level."""

import jax
import jax.numpy as jnp
import numpy as np

from actjax import dsp
from actjax.extraction.analysis import Analysis
from actjax.extraction.shared import every_frame
from actjax.types import Feature


def feature(*, sample_rate_hz: int = 22050, hop_samples: int = 512, n_fft: int = 2048) -> Feature:
    """The mean square of each frame after A-weighting, in decibels of full scale, not below -100 dB.

    10 log10(max(sum_f g_f 10^(A_f / 10) |X_f|^2 / (n_fft sum_s w_s^2), 1e-10)) with w the Hann window, A the
    weighting of IEC 61672-1 (0 dB at 1 kHz) and g = 2 for bins that stand for two, else 1. By Parseval's
    theorem a 1 kHz sine of amplitude 1 has -3.01 dB.

    Rows: one. Unit: dB. Always valid; silence is -100 dB.

    Raises:
      ValueError: impossible window, hop or sample rate.

    Reference: IEC 61672-1:2013.
    """
    at = Analysis(sample_rate_hz, n_fft, hop_samples)
    gain = 10.0 ** (dsp.a_weighting_db(dsp.fft_frequencies_hz(sample_rate_hz, n_fft)) / 10.0)
    gain[1:-1] *= 2.0
    # The squares of a periodic Hann window sum to 3 / 8 of its length.
    weights = np.asarray(gain / (n_fft * 3.0 / 8.0 * n_fft), np.float32)

    def fn(wave_s: jax.Array):
        mean_square = jnp.dot(at.power(wave_s), jnp.asarray(weights), precision=dsp.PRECISION)
        return every_frame(dsp.power_to_db(mean_square, top_db=None)[None, :])

    return at.feature("loudness_a_weighted", fn, unit="dB", reference="IEC 61672-1:2013")
