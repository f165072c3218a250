"""Spectral centroid."""

import jax.numpy as jnp
import numpy as np

from actjax import dsp
from actjax.features._shared import where_valid
from actjax.types import Feature


def feature(*, sample_rate_hz: int = 22050, hop_samples: int = 512, n_fft: int = 2048) -> Feature:
    """The centre of mass of the magnitude spectrum: sum f |X_f| / sum |X_f|.

    Rows: one. Unit: Hz, 0 .. sample_rate_hz / 2. Invalid where the frame is silent.

    Raises:
      ValueError: impossible window, hop or sample rate.

    Reference: Peeters (2004), A large set of audio features for sound description, IRCAM.
    """
    dsp.check_settings(sample_rate_hz, n_fft, hop_samples)
    bins_hz = np.asarray(dsp.fft_frequencies_hz(sample_rate_hz, n_fft), np.float32)

    def fn(wave_s):
        magnitude = dsp.magnitude(dsp.power_spectrum(wave_s, n_fft, hop_samples))
        total = jnp.sum(magnitude, axis=1)
        valid = total > jnp.finfo(magnitude.dtype).tiny
        moment = jnp.dot(magnitude, jnp.asarray(bins_hz), precision=dsp.PRECISION)
        return where_valid((moment / jnp.where(valid, total, 1.0))[None, :], valid)

    return Feature(
        name="spectral_centroid",
        fn=fn,
        rows=1,
        row_names=("spectral_centroid",),
        axis="none",
        sample_rate_hz=sample_rate_hz,
        hop_samples=hop_samples,
        window_samples=n_fft,
        unit="Hz",
        reference="Peeters 2004",
        always_valid=False,
    )
