"""Loudness by Stevens' power law."""

import jax

from actjax import dsp
from actjax.extraction.analysis import Analysis
from actjax.extraction.shared import every_frame
from actjax.types import Feature


def feature(*, sample_rate_hz: int = 22050, hop_samples: int = 512, n_fft: int = 2048) -> Feature:
    """The energy of each frame to the power 0.67: (sum x^2)^0.67 over n_fft centred samples.

    Rows: one. Unit: none (proportional to loudness at a fixed window). Always valid; silence is 0.

    Raises:
      ValueError: impossible window, hop or sample rate.

    Reference: Stevens (1957), On the psychophysical law, Psychological Review 64(3).
    """
    at = Analysis(sample_rate_hz, n_fft, hop_samples)

    def fn(wave_s: jax.Array):
        energy = dsp.frame_energy(wave_s, n_fft, hop_samples)
        return every_frame(dsp.power_law(energy, 0.67)[None, :])

    return at.feature("loudness_stevens", fn, unit="relative", reference="Stevens 1957")
