"""Zero-crossing rate."""

import jax
import jax.numpy as jnp

from actjax.extraction.analysis import Analysis
from actjax.extraction.shared import every_frame
from actjax.types import Feature


def feature(*, sample_rate_hz: int = 22050, hop_samples: int = 512, n_fft: int = 2048) -> Feature:
    """The share of neighbouring samples of a frame that differ in sign, 0 and what is near it being positive.

    A sample is negative below -1e-10. Beyond the ends the first and last sample are repeated. A count, so
    without derivative.

    Rows: one. Unit: crossings per sample, 0 .. 1. Always valid; silence has 0.

    Raises:
      ValueError: impossible window, hop or sample rate.

    Reference: Gouyon, Pachet, Delerue (2000), On the use of zero-crossing rate, DAFx.
    """
    at = Analysis(sample_rate_hz, n_fft, hop_samples)

    def fn(wave_s: jax.Array):
        negative = at.frames(wave_s, pad_mode="edge") < -1e-10
        crossings = jnp.sum((negative[:, 1:] != negative[:, :-1]).astype(jnp.float32), axis=1)
        return every_frame(crossings[None, :] / n_fft)

    return at.feature("zero_crossing_rate", fn, unit="1 / sample", reference="Gouyon et al. 2000")
