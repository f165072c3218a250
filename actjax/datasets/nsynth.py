"""NSynth: 305,979 single notes of 4 s at 16 kHz from 1,006 instruments of eleven families.

Citation: J. Engel, C. Resnick, A. Roberts, S. Dieleman, D. Eck, K. Simonyan, M. Norouzi, "Neural Audio
Synthesis of Musical Notes with WaveNet Autoencoders", ICML 2017.
"""

from actjax.data.recordings import catalogue
from actjax.data.recordings.files import FileBuilder


def dataset(
    *,
    source_dir: str | None = None,
    label: str = "instrument.family",
    data_dir: str | None = None,
    clip_seconds: float = 4.0,
    sample_rate_hz: int = 12_000,
    cut: str = "first",
    min_seconds: float | None = None,
) -> FileBuilder:
    """The builder of NSynth with its own splits, which share no instrument; needs TensorFlow.

    Args:
      source_dir: where tensorflow-datasets keeps nsynth/full; its default when None.
      label: "instrument.family" or "instrument.source".
      data_dir, clip_seconds, sample_rate_hz, cut, min_seconds: as in audio_folder.
    """
    return catalogue.make(
        "nsynth",
        catalogue_name="nsynth/full",
        label=label,
        source_dir=source_dir,
        source_rate_hz=16_000,
        data_dir=data_dir,
        clip_seconds=clip_seconds,
        sample_rate_hz=sample_rate_hz,
        cut=cut,
        min_seconds=min_seconds,
    )
