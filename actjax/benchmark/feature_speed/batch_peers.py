"""What other libraries compute for the same features in batches, on the GPU where PyTorch has one."""

import importlib
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

import numpy as np

from actjax.benchmark.feature_speed.programs import Settings
from actjax.benchmark.timing import Work

# What a library's feature is made by: its settings -> a function of a batch [b, s].
_Make = Callable[[Settings], Callable[[Any], Any]]


def installed(library: str) -> bool:
    """Whether a library can be imported; False also for a torchaudio that was built for another torch."""
    try:
        importlib.import_module(library)
    except (ImportError, OSError, RuntimeError):
        return False
    return True


def has(library: str, name: str) -> bool:
    """Whether a library computes the feature."""
    return name in _KNOWN[library]


def work(library: str, name: str, waves: np.ndarray, settings: Settings) -> Work | None:
    """A feature of all clips [b, s], warm; None where the library has none or is not installed."""
    if not has(library, name) or not installed(library):
        return None
    make = _KNOWN[library][name]
    return _in_jax(make, waves, settings) if library == "librosax" else _in_torch(make, waves, settings)


def _in_torch(make: _Make, waves: np.ndarray, settings: Settings) -> Work:
    import torch

    device = "cuda" if torch.cuda.is_available() else "cpu"
    module = make(settings)
    if isinstance(module, torch.nn.Module):
        module = module.to(device)
    batch = torch.tensor(waves, device=device)

    def compute() -> Any:
        with torch.no_grad():
            return module(batch)

    compute()
    return compute


def _in_jax(make: _Make, waves: np.ndarray, settings: Settings) -> Work:
    import jax

    compiled, batch = jax.jit(make(settings)), jax.device_put(waves)
    return lambda: compiled(batch)


def _mel_options(settings: Settings) -> dict[str, Any]:
    """As actjax and librosa take them: 128 bands, Slaney's scale and areas."""
    return {
        "n_fft": settings.n_fft,
        "hop_length": settings.hop_samples,
        "n_mels": 128,
        "norm": "slaney",
        "mel_scale": "slaney",
    }


def _transforms() -> ModuleType:
    return importlib.import_module("torchaudio.transforms")


def _torchaudio(kind: str, **options: Any) -> _Make:
    def make(settings: Settings) -> Callable[[Any], Any]:
        return getattr(_transforms(), kind)(n_fft=settings.n_fft, hop_length=settings.hop_samples, **options)

    return make


def _torchaudio_mel(settings: Settings) -> Callable[[Any], Any]:
    return _transforms().MelSpectrogram(settings.sample_rate_hz, **_mel_options(settings))


def _torchaudio_mfcc(settings: Settings) -> Callable[[Any], Any]:
    return _transforms().MFCC(settings.sample_rate_hz, n_mfcc=20, melkwargs=_mel_options(settings))


def _torchaudio_centroid(settings: Settings) -> Callable[[Any], Any]:
    rate, n_fft, hop = settings
    return _transforms().SpectralCentroid(rate, n_fft=n_fft, hop_length=hop)


def _nnaudio(kind: str, *, windowed: bool = True, **options: Any) -> _Make:
    """A module of nnAudio2; `windowed` ones take n_fft."""

    def make(settings: Settings) -> Callable[[Any], Any]:
        features = importlib.import_module("nnAudio2.features")
        rate, n_fft, hop = settings
        sizes = {"n_fft": n_fft} if windowed else {}
        return getattr(features, kind)(sr=rate, hop_length=hop, verbose=False, **sizes, **options)

    return make


def _flashmel(settings: Settings) -> Callable[[Any], Any]:
    flashmel = importlib.import_module("flashmel")
    return flashmel.MelSpectrogram(sample_rate=settings.sample_rate_hz, **_mel_options(settings))


def _librosax_mel(settings: Settings) -> Callable[[Any], Any]:
    librosax = importlib.import_module("librosax")
    rate, n_fft, hop = settings
    return lambda wave_bs: librosax.feature.melspectrogram(
        y=wave_bs, sr=rate, n_fft=n_fft, hop_length=hop, n_mels=128
    )


_KNOWN: Mapping[str, Mapping[str, _Make]] = {
    "torchaudio": {
        "stft_magnitude": _torchaudio("Spectrogram", power=1.0),
        "mel": _torchaudio_mel,
        "mfcc": _torchaudio_mfcc,
        "spectral_centroid": _torchaudio_centroid,
    },
    "nnAudio2": {
        "stft_magnitude": _nnaudio("STFT", output_format="Magnitude"),
        "mel": _nnaudio("MelSpectrogram", n_mels=128),
        "mfcc": _nnaudio("MFCC", n_mfcc=20),
        "cqt": _nnaudio("CQT2010v2", windowed=False),
    },
    "flashmel": {"mel": _flashmel},
    "librosax": {"mel": _librosax_mel},
}
LIBRARIES = tuple(_KNOWN)
