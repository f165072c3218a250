"""GTZAN: 1,000 excerpts of 30 s of ten musical genres.

Citation: G. Tzanetakis, P. Cook, "Musical Genre Classification of Audio Signals", IEEE Transactions on Speech
and Audio Processing 10 (5), 2002.
"""

from actjax.data.recordings import catalogue
from actjax.data.recordings.files import FileBuilder


def dataset(
    *,
    source_dir: str | None = None,
    data_dir: str | None = None,
    clip_seconds: float = 3.0,
    sample_rate_hz: int = 12_000,
    cut: str = "consecutive",
    min_seconds: float | None = None,
    seed: int = 0,
) -> FileBuilder:
    """The builder of GTZAN, split 70 / 15 / 15 by excerpt; needs TensorFlow.

    Args:
      source_dir: where tensorflow-datasets keeps gtzan; its default when None.
      data_dir, clip_seconds, sample_rate_hz, cut, min_seconds, seed: as in audio_folder.
    """
    return catalogue.make(
        "gtzan",
        catalogue_name="gtzan",
        source_dir=source_dir,
        source_rate_hz=22_050,
        data_dir=data_dir,
        clip_seconds=clip_seconds,
        sample_rate_hz=sample_rate_hz,
        cut=cut,
        min_seconds=min_seconds,
        seed=seed,
    )
