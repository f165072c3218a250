"""Spectral rolloff."""

import jax
import jax.numpy as jnp
import numpy as np

from actjax import dsp
from actjax.extraction.analysis import Analysis
from actjax.extraction.shared import spectral_shape, where_valid
from actjax.types import Feature


def feature(
    *, sample_rate_hz: int = 22050, hop_samples: int = 512, n_fft: int = 2048, share: float = 0.85
) -> Feature:
    """The lowest frequency below which `share` of the frame's summed magnitudes lies.

    A step function of the wave, so without derivative.

    Rows: one. Unit: Hz, 0 .. sample_rate_hz / 2. Invalid where the frame is silent.

    Raises:
      ValueError: impossible window, hop or sample rate, or a share not in (0, 1).

    Reference: Peeters (2004), A large set of audio features for sound description, IRCAM.
    """
    if not 0 < share < 1:
        raise ValueError(f"expected a share between 0 and 1, got {share}")
    at = Analysis(sample_rate_hz, n_fft, hop_samples)
    bins_hz = np.asarray(dsp.fft_frequencies_hz(sample_rate_hz, n_fft), np.float32)

    def fn(wave_s: jax.Array):
        shape, valid = spectral_shape(at.magnitude(wave_s))
        below = jnp.cumsum(shape, axis=1)
        reached = below >= share * below[:, -1:]
        return where_valid(jnp.asarray(bins_hz)[jnp.argmax(reached, axis=1)][None, :], valid)

    return at.feature("spectral_rolloff", fn, unit="Hz", reference="Peeters 2004", always_valid=False)
