"""Building blocks of audio analysis in jnp: one clip, static shapes, float32; the caller vmaps.

Arrays between blocks have the frames first ([t, f]): the Fourier transform, the mel product and the running
median over time are all fastest so. Features and network inputs turn them into rows x frames at the end.
"""

from actjax.dsp.banks import (
    a_weighting_db,
    dct_matrix,
    fft_frequencies_hz,
    hz_to_mel,
    mel_bank,
    mel_centres_hz,
    mel_to_hz,
)
from actjax.dsp.chroma import chroma_bank
from actjax.dsp.framing import check_settings, check_wave, frame, frame_count
from actjax.dsp.hpss import check_separation, harmonic_percussive_power
from actjax.dsp.image import log_mel_image
from actjax.dsp.median import running_median
from actjax.dsp.onset import onset_envelope, pick_peaks
from actjax.dsp.spectrum import (
    PRECISION,
    magnitude,
    mel_power,
    power_spectrum,
    power_to_db,
    stft,
)
from actjax.dsp.tuning import estimate_tuning

__all__ = [
    "PRECISION",
    "a_weighting_db",
    "check_settings",
    "check_wave",
    "check_separation",
    "chroma_bank",
    "dct_matrix",
    "estimate_tuning",
    "fft_frequencies_hz",
    "frame",
    "frame_count",
    "harmonic_percussive_power",
    "hz_to_mel",
    "log_mel_image",
    "magnitude",
    "mel_bank",
    "mel_centres_hz",
    "mel_power",
    "mel_to_hz",
    "onset_envelope",
    "pick_peaks",
    "power_spectrum",
    "power_to_db",
    "running_median",
    "stft",
]
