"""Odd-to-even harmonic ratio."""

import jax
import jax.numpy as jnp

from actjax.extraction.analysis import Analysis
from actjax.extraction.pitch_family import FMAX_HZ, FMIN_HZ, check_pitch, find_partials
from actjax.extraction.shared import where_valid
from actjax.types import Feature


def feature(
    *,
    sample_rate_hz: int = 22050,
    hop_samples: int = 512,
    n_fft: int = 2048,
    fmin_hz: float = FMIN_HZ,
    fmax_hz: float = FMAX_HZ,
    n_harmonics: int = 10,
    voicing: float = 0.2,
) -> Feature:
    """Energy of the odd over that of the even harmonics: sum a_h^2, h odd / sum a_h^2, h even.

    Peaks a_h at f_h are the largest magnitudes within a third of f0 around its first n_harmonics multiples,
    f0 by YIN.

    Rows: one. Unit: ratio, large for a clarinet's low notes. Invalid where the frame is unvoiced (YIN's
    normalised difference not below `voicing`) or has no even harmonic below half the sample rate.

    Raises:
      ValueError: impossible window, hop or sample rate, a pitch range above half the sample rate or of
        which the window holds less than two periods, or fewer than 2 harmonics.

    Reference: Peeters (2004), A large set of audio features for sound description, IRCAM.
    """
    at = Analysis(sample_rate_hz, n_fft, hop_samples)
    check_pitch(at, fmin_hz, fmax_hz, n_harmonics)

    def fn(wave_s: jax.Array):
        partials, _, voiced = find_partials(at, wave_s, fmin_hz, fmax_hz, voicing, n_harmonics)
        energy = partials.magnitude**2
        odd, even = jnp.sum(energy[:, 0::2], axis=1), jnp.sum(energy[:, 1::2], axis=1)
        valid = voiced & (even > jnp.finfo(even.dtype).tiny)
        return where_valid((odd / jnp.where(valid, even, 1.0))[None, :], valid)

    return at.feature("odd_even_ratio", fn, unit="ratio", reference="Peeters 2004", always_valid=False)
