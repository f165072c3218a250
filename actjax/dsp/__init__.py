"""Building blocks of audio analysis in jnp: one clip, static shapes, float32; the caller vmaps.

Arrays between blocks have the frames first ([t, f]): the Fourier transform, the mel product and the running
median over time are all fastest so. Features and network inputs turn them into rows x frames at the end.
The constant-Q transform and BS.1770 loudness are modules of their own, `actjax.dsp.cqt` and `.loudness`.
"""

from actjax.dsp.banks import (
    a_weighting_db,
    check_bands,
    dct_matrix,
    fft_frequencies_hz,
    hz_to_mel,
    mel_bank,
    mel_centres_hz,
    mel_to_hz,
)
from actjax.dsp.chroma import chroma_bank
from actjax.dsp.delta import DELTA_FRAMES, delta
from actjax.dsp.framing import (
    check_settings,
    check_wave,
    fast_length,
    frame,
    frame_count,
    frame_energy,
    signal_frames,
)
from actjax.dsp.hpss import check_separation, harmonic_percussive_masks, harmonic_percussive_power
from actjax.dsp.image import log_mel_image, network_input
from actjax.dsp.median import running_median
from actjax.dsp.onset import onset_envelope, pick_peaks
from actjax.dsp.pitch import partials, period_range, periodicity, yin
from actjax.dsp.rhythm import pulse_clarity, tempo, tempogram
from actjax.dsp.spectrum import (
    PRECISION,
    magnitude,
    mel_power,
    mirrored_beyond,
    power_law,
    power_spectrum,
    power_to_db,
    stft,
)
from actjax.dsp.tuning import estimate_tuning

__all__ = [
    "DELTA_FRAMES",
    "PRECISION",
    "a_weighting_db",
    "check_bands",
    "check_separation",
    "check_settings",
    "check_wave",
    "chroma_bank",
    "dct_matrix",
    "delta",
    "estimate_tuning",
    "fast_length",
    "fft_frequencies_hz",
    "frame",
    "frame_count",
    "frame_energy",
    "harmonic_percussive_masks",
    "harmonic_percussive_power",
    "hz_to_mel",
    "log_mel_image",
    "magnitude",
    "mel_bank",
    "mel_centres_hz",
    "mel_power",
    "mel_to_hz",
    "mirrored_beyond",
    "network_input",
    "onset_envelope",
    "partials",
    "period_range",
    "periodicity",
    "pick_peaks",
    "power_law",
    "power_spectrum",
    "power_to_db",
    "pulse_clarity",
    "running_median",
    "signal_frames",
    "stft",
    "tempo",
    "tempogram",
    "yin",
]
