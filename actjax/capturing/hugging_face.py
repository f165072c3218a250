"""What turns waves into the input of a Hugging Face model, by the type that its config names."""

from collections.abc import Callable
from typing import Any

import numpy as np

RATE_HZ, CLAP_RATE_HZ, WHISPER_HOP = 16_000, 48_000, 160
# Encoders of raw waves, which the extractor of wav2vec 2.0 normalises.
WAVES = (
    "wav2vec2",
    "hubert",
    "wavlm",
    "unispeech",
    "unispeech-sat",
    "data2vec-audio",
    "wav2vec2-conformer",
    "sew",
    "sew-d",
)
OTHERS = ("audio-spectrogram-transformer", "whisper", "clap_audio_model")

Preparation = Callable[[np.ndarray], Any]


def preparation(module: Any, samples: int, sample_rate_hz: float | None) -> Preparation | None:
    """Makes, without a download, the extractor of a model's type from its config; None for no such model.

    Args:
      module: a model of transformers, or any other module.
      samples: of a clip.
      sample_rate_hz: of it.

    Raises:
      ValueError: a type whose input is not known, another sample rate than the type's, too long a clip.
    """
    config = getattr(module, "config", None)
    kind = getattr(config, "model_type", None)
    if config is None or not isinstance(kind, str):
        return None
    name = f"{type(module).__name__} (a Hugging Face model of type {kind!r})"
    if kind not in (*WAVES, *OTHERS):
        raise ValueError(
            f"{name}: its input is not known; known are {', '.join((*WAVES, *OTHERS))}. Say prepare=, what "
            "makes the model's input of waves [b, samples]"
        )
    rate = CLAP_RATE_HZ if kind == "clap_audio_model" else RATE_HZ
    if sample_rate_hz != rate:
        got = "no sample_rate_hz" if sample_rate_hz is None else f"{sample_rate_hz:g} Hz"
        raise ValueError(f"{name} hears waves of {rate} Hz, got {got}: resample them, or say prepare=")
    if any(one.rpartition(".")[2] == "decoder" for one, _ in module.named_modules()):
        raise ValueError(f"{name}: capture its encoder, model.get_encoder(): a decoder hears no wave")
    return _extract(*_extractor(kind, config, name, samples), rate)


def _extractor(kind: str, config: Any, name: str, samples: int) -> tuple[Any, dict[str, Any]]:
    """The extractor of a type, and how it is called."""
    import transformers

    if kind in WAVES:
        return transformers.Wav2Vec2FeatureExtractor(sampling_rate=RATE_HZ, do_normalize=True), {}
    if kind == "audio-spectrogram-transformer":
        extractor = transformers.ASTFeatureExtractor(
            max_length=config.max_length, num_mel_bins=config.num_mel_bins
        )
        return extractor, {}
    if kind == "whisper":
        longest = 2 * config.max_source_positions * WHISPER_HOP
        if samples > longest:
            raise ValueError(f"{name} hears {longest / RATE_HZ:g} s, got clips of {samples / RATE_HZ:g} s")
        extractor = transformers.WhisperFeatureExtractor(
            feature_size=config.num_mel_bins, chunk_length=longest / RATE_HZ
        )
        extractor.n_samples, extractor.nb_max_frames = longest, 2 * config.max_source_positions
        return extractor, {"padding": "max_length", "max_length": longest}
    extractor = transformers.ClapFeatureExtractor(feature_size=config.num_mel_bins)
    # A clip repeated to ten seconds, as is usual, would have each of its moments in several places.
    return extractor, {"padding": "pad", "truncation": "fusion" if config.enable_fusion else "rand_trunc"}


def _extract(extractor: Any, options: dict[str, Any], rate: int) -> Preparation:
    def prepare(waves: np.ndarray) -> Any:
        entries = extractor(list(waves), sampling_rate=rate, return_tensors="pt", **options)
        return {key: value for key, value in entries.items() if key != "attention_mask"}

    return prepare
