"""Fundamental frequency by probabilistic YIN, on the host."""

import math
import warnings

import jax
import numpy as np

from actjax.extraction.analysis import Analysis
from actjax.extraction.pitch_family import FMAX_HZ, FMIN_HZ, check_pitch
from actjax.types import Feature

# librosa's model: pitches in steps of 10 cents, which change by so many octaves a second at most.
STEPS_AN_OCTAVE, OCTAVES_A_SECOND = 120, 35.92


def feature(
    *,
    sample_rate_hz: int = 22050,
    hop_samples: int = 512,
    n_fft: int = 2048,
    fmin_hz: float = FMIN_HZ,
    fmax_hz: float = FMAX_HZ,
) -> Feature:
    """The pitch of each frame by YIN over many thresholds, smoothed by a hidden Markov model.

    Its Viterbi search is sequential, so it is a host feature: librosa computes it in NumPy, clip by clip,
    in the loader's workers.

    Rows: one. Unit: Hz, fmin_hz .. fmax_hz in steps of 10 cents. Valid where the model is in a voiced state.

    Raises:
      ValueError: impossible window, hop or sample rate, a pitch range above half the sample rate or of which
        the window holds less than two periods, or a hop in which the pitch may cross the whole range.

    Reference: Mauch, Dixon (2014), pYIN, ICASSP.
    """
    at = Analysis(sample_rate_hz, n_fft, hop_samples)
    check_pitch(at, fmin_hz, fmax_hz)
    if reach(sample_rate_hz, hop_samples) > pitches(fmin_hz, fmax_hz):
        raise ValueError(
            f"hop_samples: in {hop_samples} samples at {sample_rate_hz} Hz pYIN lets the pitch cross all of "
            f"{fmin_hz:g} to {fmax_hz:g} Hz; use shorter hops or a wider range"
        )

    def fn(wave_s: jax.Array):
        import librosa

        with warnings.catch_warnings():
            # Silent frames divide 0 by 0 inside; they come back as unvoiced.
            warnings.simplefilter("ignore", RuntimeWarning)
            f0_hz, voiced, _ = librosa.pyin(
                np.asarray(wave_s, np.float32),
                sr=sample_rate_hz,
                fmin=fmin_hz,
                fmax=fmax_hz,
                frame_length=n_fft,
                hop_length=hop_samples,
            )
        return np.nan_to_num(f0_hz)[None, :].astype(np.float32), voiced

    return at.feature("f0_pyin", fn, unit="Hz", reference="Mauch & Dixon 2014", always_valid=False, host=True)


def pitches(fmin_hz: float, fmax_hz: float) -> int:
    """How many pitches the model knows."""
    return math.floor(STEPS_AN_OCTAVE * math.log2(fmax_hz / fmin_hz)) + 1


def reach(sample_rate_hz: int, hop_samples: int) -> int:
    """How many pitches can follow one, from frame to frame: whole semitones up and down."""
    semitones = round(OCTAVES_A_SECOND * 12 * hop_samples / sample_rate_hz)
    return semitones * STEPS_AN_OCTAVE // 12 + 1
