"""What librosa computes for the same features, clip by clip, in as many processes as there are cores."""

import multiprocessing
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from typing import Any

import numpy as np

from actjax.benchmark.feature_speed.programs import SEPARATION, Settings

_SINGLE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}


class Pool:
    """librosa in several processes, each with one thread."""

    def __init__(self, executor: ProcessPoolExecutor, workers: int):
        self._executor, self._workers = executor, workers

    def time(self, name: str, waves: np.ndarray, settings: Settings) -> tuple[float, float]:
        """(wall seconds, CPU seconds of all processes) for all clips; the latter NaN without a peer."""
        shares = np.array_split(waves, self._workers)
        start = time.perf_counter()
        count = len(shares)
        spent = list(self._executor.map(_compute, [name] * count, shares, [settings] * count))
        return time.perf_counter() - start, float(np.sum(spent))


@contextmanager
def librosa_pool(workers: int | None = None) -> Iterator[Pool]:
    """A started pool; processes are spawned, with one thread each."""
    workers = workers or os.cpu_count() or 1
    before = {key: os.environ.get(key) for key in _SINGLE_THREAD}
    os.environ.update(_SINGLE_THREAD)
    try:
        with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as executor:
            yield Pool(executor, workers)
    finally:
        for key, value in before.items():
            if value is None:
                os.environ.pop(key)
            else:
                os.environ[key] = value


def librosa_clip(name: str, wave: np.ndarray, settings: Settings) -> Any:
    """One feature of one clip by librosa, None where it has none; groups share the spectrum."""
    if name in ("separation", *SEPARATION, "harmonic_ratio"):
        return _separation(wave, settings)
    if name == "stft_based":
        return _stft_based(wave, settings)
    if name in ("tempogram", "tempo", "onsets", "onset_rate"):
        return _rhythm(name, wave, settings)
    known = _SPECTRAL | _TIMED | _TONAL
    return known[name](wave, settings) if name in known else None


def _compute(name: str, waves: np.ndarray, settings: Settings) -> float:
    start = time.process_time()
    absent = [librosa_clip(name, wave, settings) is None for wave in waves]
    return float("nan") if any(absent) else time.process_time() - start


def _spectral(name: str, **options: Any) -> Callable[[np.ndarray, Settings], Any]:
    """A function of librosa.feature that starts from the wave's spectrum."""

    def compute(wave: np.ndarray, settings: Settings) -> Any:
        import librosa

        rate, n_fft, hop = settings
        return getattr(librosa.feature, name)(y=wave, sr=rate, n_fft=n_fft, hop_length=hop, **options)

    return compute


def _log_mel(wave: np.ndarray, settings: Settings) -> Any:
    import librosa

    return librosa.power_to_db(_SPECTRAL["mel"](wave, settings))


def _magnitude(wave: np.ndarray, settings: Settings) -> Any:
    import librosa

    return np.abs(librosa.stft(wave, n_fft=settings.n_fft, hop_length=settings.hop_samples))


def _flatness(wave: np.ndarray, settings: Settings) -> Any:
    import librosa

    _, n_fft, hop = settings
    return librosa.feature.spectral_flatness(y=wave, n_fft=n_fft, hop_length=hop)


def _contrast(wave: np.ndarray, settings: Settings) -> Any:
    return _spectral("spectral_contrast", n_bands=_bands(settings.sample_rate_hz))(wave, settings)


def _onset_strength(wave: np.ndarray, settings: Settings) -> Any:
    import librosa

    rate, n_fft, hop = settings
    return librosa.onset.onset_strength(y=wave, sr=rate, n_fft=n_fft, hop_length=hop)


def _timed(name: str) -> Callable[[np.ndarray, Settings], Any]:
    """A function of librosa.feature that goes by frames of the wave."""

    def compute(wave: np.ndarray, settings: Settings) -> Any:
        import librosa

        function = getattr(librosa.feature, name)
        return function(y=wave, frame_length=settings.n_fft, hop_length=settings.hop_samples)

    return compute


def _pitch(name: str) -> Callable[[np.ndarray, Settings], Any]:
    def compute(wave: np.ndarray, settings: Settings) -> Any:
        import librosa

        rate, _, hop = settings
        function = getattr(librosa, name)
        return function(wave, sr=rate, fmin=65.4, fmax=2093.0, frame_length=2048, hop_length=hop)

    return compute


def _tonal(name: str) -> Callable[[np.ndarray, Settings], Any]:
    """A function of librosa.feature that starts from the constant-Q transform."""

    def compute(wave: np.ndarray, settings: Settings) -> Any:
        import librosa

        rate, _, hop = settings
        return getattr(librosa.feature, name)(y=wave, sr=rate, hop_length=hop)

    return compute


def _cqt(wave: np.ndarray, settings: Settings) -> Any:
    import librosa

    return np.abs(librosa.cqt(wave, sr=settings.sample_rate_hz, hop_length=settings.hop_samples))


_Compute = Callable[[np.ndarray, Settings], Any]
_SPECTRAL: dict[str, _Compute] = {
    "stft_magnitude": _magnitude,
    "mel": _spectral("melspectrogram"),
    "log_mel": _log_mel,
    "mfcc": _spectral("mfcc"),
    "chroma_stft": _spectral("chroma_stft"),
    "spectral_centroid": _spectral("spectral_centroid"),
    "spectral_bandwidth": _spectral("spectral_bandwidth"),
    "spectral_rolloff": _spectral("spectral_rolloff"),
    "spectral_flatness": _flatness,
    "spectral_contrast": _contrast,
    "onset_strength": _onset_strength,
}
_TIMED: dict[str, _Compute] = {
    "rms": _timed("rms"),
    "zero_crossing_rate": _timed("zero_crossing_rate"),
    "f0_yin": _pitch("yin"),
    "f0_pyin": _pitch("pyin"),
}
_TONAL: dict[str, _Compute] = {
    "cqt": _cqt,
    "chroma_cqt": _tonal("chroma_cqt"),
    "chroma_cens": _tonal("chroma_cens"),
    "tonnetz": _tonal("tonnetz"),
}


def _rhythm(name: str, wave: np.ndarray, settings: Settings) -> Any:
    import librosa

    rate, _, hop = settings
    envelope = _onset_strength(wave, settings)
    if name in ("tempogram", "tempo"):
        return getattr(librosa.feature, name)(onset_envelope=envelope, sr=rate, hop_length=hop)
    return librosa.onset.onset_detect(onset_envelope=envelope, sr=rate, hop_length=hop)


def _separation(wave: np.ndarray, settings: Settings) -> Any:
    import librosa

    spectrum = librosa.stft(wave, n_fft=settings.n_fft, hop_length=settings.hop_samples)
    return _separated_mels(spectrum, settings.sample_rate_hz)


def _stft_based(wave: np.ndarray, settings: Settings) -> Any:
    import librosa

    rate = settings.sample_rate_hz
    spectrum = librosa.stft(wave, n_fft=settings.n_fft, hop_length=settings.hop_samples)
    magnitude = np.abs(spectrum)
    power = magnitude**2
    mel = librosa.feature.melspectrogram(S=power, sr=rate)
    db = librosa.power_to_db(mel)
    values = _separated_mels(spectrum, rate)
    values += [mel, db, librosa.feature.mfcc(S=db), librosa.feature.chroma_stft(S=power, sr=rate)]
    shape = ("spectral_centroid", "spectral_bandwidth", "spectral_rolloff")
    values += [getattr(librosa.feature, name)(S=magnitude, sr=rate) for name in shape]
    values.append(librosa.feature.spectral_flatness(S=magnitude))
    values.append(librosa.feature.spectral_contrast(S=magnitude, sr=rate, n_bands=_bands(rate)))
    envelope = librosa.onset.onset_strength(
        S=db, sr=rate, n_fft=settings.n_fft, hop_length=settings.hop_samples
    )
    return [*values, envelope]


def _separated_mels(spectrum: np.ndarray, rate: int) -> list[Any]:
    """The mel spectra of the harmonic and the percussive share."""
    import librosa

    shares = librosa.decompose.hpss(spectrum)
    return [librosa.feature.melspectrogram(S=np.abs(share) ** 2, sr=rate) for share in shares]


def _bands(rate: int) -> int:
    """As many octaves as lie below half the sample rate, at most six."""
    return min(int(np.ceil(np.log2(rate / 2 / 200.0))), 6)
