"""What other libraries compute for the same features, clip by clip or in batches."""

import importlib
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np


class Settings(NamedTuple):
    """What all sides compute with."""

    sample_rate_hz: int
    n_fft: int
    hop_samples: int


# The features that one magnitude spectrum of a clip yields, computed together as a user of librosa would.
STFT_BASED = [
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
]
SEPARATION = ("harmonic", "percussive")


def librosa_clip(name: str, wave: np.ndarray, at: Settings) -> Any:
    """One feature of one clip by librosa, None where it has none; groups share the spectrum."""
    import librosa

    rate, n_fft, hop = at
    options = {"y": wave, "sr": rate, "n_fft": n_fft, "hop_length": hop}
    frames = {"frame_length": n_fft, "hop_length": hop}
    spectral = librosa.feature
    if name in ("separation", *SEPARATION, "harmonic_ratio"):
        return _librosa_separation(wave, at)
    if name == "stft_based":
        return _librosa_stft_based(wave, at)
    if name in ("tempogram", "tempo"):
        envelope = librosa.onset.onset_strength(**options)
        return getattr(spectral, name)(onset_envelope=envelope, sr=rate, hop_length=hop)
    if name in ("onsets", "onset_rate"):
        envelope = librosa.onset.onset_strength(**options)
        return librosa.onset.onset_detect(onset_envelope=envelope, sr=rate, hop_length=hop)
    if name in ("f0_yin", "f0_pyin"):
        function = librosa.yin if name == "f0_yin" else librosa.pyin
        return function(wave, sr=rate, fmin=65.4, fmax=2093.0, frame_length=2048, hop_length=hop)
    simple = {
        "stft_magnitude": lambda: np.abs(librosa.stft(wave, n_fft=n_fft, hop_length=hop)),
        "mel": lambda: spectral.melspectrogram(**options),
        "log_mel": lambda: librosa.power_to_db(spectral.melspectrogram(**options)),
        "mfcc": lambda: spectral.mfcc(**options),
        "cqt": lambda: np.abs(librosa.cqt(wave, sr=rate, hop_length=hop)),
        "chroma_stft": lambda: spectral.chroma_stft(**options),
        "chroma_cqt": lambda: spectral.chroma_cqt(y=wave, sr=rate, hop_length=hop),
        "chroma_cens": lambda: spectral.chroma_cens(y=wave, sr=rate, hop_length=hop),
        "tonnetz": lambda: spectral.tonnetz(y=wave, sr=rate, hop_length=hop),
        "rms": lambda: spectral.rms(y=wave, **frames),
        "zero_crossing_rate": lambda: spectral.zero_crossing_rate(wave, **frames),
        "spectral_centroid": lambda: spectral.spectral_centroid(**options),
        "spectral_bandwidth": lambda: spectral.spectral_bandwidth(**options),
        "spectral_rolloff": lambda: spectral.spectral_rolloff(**options),
        "spectral_flatness": lambda: spectral.spectral_flatness(y=wave, n_fft=n_fft, hop_length=hop),
        "spectral_contrast": lambda: spectral.spectral_contrast(n_bands=_bands(rate), **options),
        "onset_strength": lambda: librosa.onset.onset_strength(**options),
    }
    return simple[name]() if name in simple else None


def torch_batch(library: str, name: str, at: Settings) -> Callable[[Any], Any] | None:
    """A module of torchaudio or nnAudio for the feature, or None where the library has none or is absent."""
    if not (_importable("torch") and _importable(library)):
        return None
    rate, n_fft, hop = at
    if library == "torchaudio":
        from torchaudio import transforms

        mel = {"n_fft": n_fft, "hop_length": hop, "n_mels": 128, "norm": "slaney", "mel_scale": "slaney"}
        known = {
            "stft_magnitude": lambda: transforms.Spectrogram(n_fft=n_fft, hop_length=hop, power=1.0),
            "mel": lambda: transforms.MelSpectrogram(rate, **mel),
            "mfcc": lambda: transforms.MFCC(rate, n_mfcc=20, melkwargs=mel),
            "spectral_centroid": lambda: transforms.SpectralCentroid(rate, n_fft=n_fft, hop_length=hop),
        }
    else:
        from nnAudio import features

        known = {
            "stft_magnitude": lambda: features.STFT(
                n_fft=n_fft, hop_length=hop, sr=rate, output_format="Magnitude", verbose=False
            ),
            "mel": lambda: features.MelSpectrogram(rate, n_fft, n_mels=128, hop_length=hop, verbose=False),
            "mfcc": lambda: features.MFCC(rate, n_mfcc=20, n_fft=n_fft, hop_length=hop, verbose=False),
            "cqt": lambda: features.CQT2010v2(rate, hop_length=hop, verbose=False),
        }
    return known[name]() if name in known else None


class Pool:
    """librosa in as many processes as there are cores, each with one thread."""

    def __init__(self, executor: ProcessPoolExecutor, workers: int):
        self._executor, self._workers = executor, workers

    def time(self, name: str, waves: np.ndarray, at: Settings) -> tuple[float, float]:
        """(wall seconds, CPU seconds of all processes) for all clips; the latter NaN without a peer."""
        parts = np.array_split(waves, self._workers)
        start = time.perf_counter()
        spent = list(self._executor.map(_work, [name] * len(parts), parts, [at] * len(parts)))
        return time.perf_counter() - start, float(np.sum(spent))


@contextmanager
def librosa_pool(workers: int | None = None) -> Iterator[Pool]:
    """A started pool; processes are spawned, with one thread each."""
    import multiprocessing

    workers = workers or os.cpu_count() or 1
    variables = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}
    before = {key: os.environ.get(key) for key in variables}
    os.environ.update(variables)
    try:
        with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as executor:
            yield Pool(executor, workers)
    finally:
        for key, value in before.items():
            os.environ.pop(key) if value is None else os.environ.update({key: value})


def _work(name, waves, at):
    start = time.process_time()
    absent = [librosa_clip(name, wave, at) is None for wave in waves]
    return float("nan") if any(absent) else time.process_time() - start


def _importable(library):
    """False also for a torchaudio that was built for another torch."""
    try:
        importlib.import_module(library)
    except (ImportError, OSError):
        return False
    return True


def _bands(rate):
    return min(int(np.ceil(np.log2(rate / 2 / 200.0))), 6)


def _librosa_separation(wave, at):
    import librosa

    spectrum = librosa.stft(wave, n_fft=at.n_fft, hop_length=at.hop_samples)
    parts = librosa.decompose.hpss(spectrum)
    return [librosa.feature.melspectrogram(S=np.abs(p) ** 2, sr=at.sample_rate_hz) for p in parts]


def _librosa_stft_based(wave, at):
    import librosa

    rate = at.sample_rate_hz
    spectrum = librosa.stft(wave, n_fft=at.n_fft, hop_length=at.hop_samples)
    magnitude = np.abs(spectrum)
    power = magnitude**2
    mel = librosa.feature.melspectrogram(S=power, sr=rate)
    db = librosa.power_to_db(mel)
    found = [
        librosa.feature.melspectrogram(S=np.abs(p) ** 2, sr=rate) for p in librosa.decompose.hpss(spectrum)
    ]
    found += [mel, db, librosa.feature.mfcc(S=db), librosa.feature.chroma_stft(S=power, sr=rate)]
    shape = ("spectral_centroid", "spectral_bandwidth", "spectral_rolloff")
    found += [getattr(librosa.feature, name)(S=magnitude, sr=rate) for name in shape]
    found.append(librosa.feature.spectral_flatness(S=magnitude))
    found.append(librosa.feature.spectral_contrast(S=magnitude, sr=rate, n_bands=_bands(rate)))
    found.append(librosa.onset.onset_strength(S=db, sr=rate, n_fft=at.n_fft, hop_length=at.hop_samples))
    return found
