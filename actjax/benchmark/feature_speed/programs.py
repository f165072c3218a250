"""What the speed of features is measured on: compiled programs of them, and synthetic clips."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import numpy as np

from actjax import lookup
from actjax.extraction.compute import compute
from actjax.types import Feature


class Settings(NamedTuple):
    """What all sides compute with."""

    sample_rate_hz: int
    n_fft: int
    hop_samples: int


SEPARATION = ("harmonic", "percussive")
# The features that one magnitude spectrum of a clip yields, computed together as a user of librosa would.
STFT_BASED = (
    "stft_magnitude",
    "mel",
    "log_mel",
    "mfcc",
    "harmonic",
    "percussive",
    "harmonic_ratio",
    "chroma_stft",
    "spectral_centroid",
    "spectral_bandwidth",
    "spectral_rolloff",
    "spectral_flatness",
    "spectral_contrast",
    "onset_strength",
)
GROUPS = {"separation": SEPARATION, "stft_based": STFT_BASED}
# Windows of features that find pitch.
_PITCH_N_FFT = 2048


def on_device() -> tuple[str, ...]:
    """The names of all features that are computed on the device."""
    return tuple(name for name in lookup.names("feature") if not lookup.load("feature", name).host)


def program(
    names: Sequence[str], settings: Settings
) -> Callable[[jax.Array], dict[str, tuple[jax.Array, jax.Array]]]:
    """One compiled program: waves [b, s] -> name -> (values, valid), as `extraction.compute` gives them."""
    features = [_feature(name, settings) for name in names]
    return jax.jit(lambda wave_bs: compute(features, wave_bs))


def synthetic_clips(clips: int, seconds: float, sample_rate_hz: int) -> np.ndarray:
    """[clip, s] decaying harmonic tones and noise, different in every clip."""
    rng = np.random.default_rng(0)
    time_s = np.arange(round(seconds * sample_rate_hz)) / sample_rate_hz
    waves = 0.01 * rng.standard_normal((clips, time_s.size))
    for wave in waves:
        for onset in np.arange(0.0, seconds, 0.3):
            since = np.maximum(time_s - onset, 0.0)
            envelope = (time_s >= onset) * np.exp(-4.0 * since)
            base = 440.0 * 2.0 ** (rng.integers(-24, 24) / 12)
            for harmonic in range(1, 6):
                wave += 0.1 / harmonic * envelope * np.sin(2 * np.pi * harmonic * base * since)
    return waves.astype(np.float32)


def _feature(name: str, settings: Settings) -> Feature:
    options = lookup.options_of("feature", name)
    pitched = "voicing" in options or name == "harmonic_to_noise_ratio"
    wanted = {
        "n_fft": _PITCH_N_FFT if pitched else settings.n_fft,
        "hop_samples": settings.hop_samples,
    }
    known = {option: value for option, value in wanted.items() if option in options}
    return lookup.load("feature", name, sample_rate_hz=settings.sample_rate_hz, **known)
