"""Root mean square level."""

import jax

from actjax import dsp
from actjax.extraction.analysis import Analysis
from actjax.extraction.shared import every_frame
from actjax.types import Feature


def feature(*, sample_rate_hz: int = 22050, hop_samples: int = 512, n_fft: int = 2048) -> Feature:
    """The level of each frame of n_fft samples, centred, zeros beyond the ends: sqrt(mean(x^2)).

    Rows: one. Unit: full scale, 0 .. 1. Always valid.

    Raises:
      ValueError: impossible window, hop or sample rate.

    Reference: Lartillot, Toiviainen (2007), MIR toolbox, DAFx.
    """
    at = Analysis(sample_rate_hz, n_fft, hop_samples)

    def fn(wave_s: jax.Array):
        energy = dsp.frame_energy(wave_s, n_fft, hop_samples)
        return every_frame(dsp.magnitude(energy / n_fft)[None, :])

    return at.feature("rms", fn, unit="full scale", reference="Lartillot & Toiviainen 2007")
