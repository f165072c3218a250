"""OpenMIC-2018: 20,000 excerpts of 10 s with the presence of twenty instruments, by several annotators.

Citation: E. J. Humphrey, S. Durand, B. McFee, "OpenMIC-2018: An Open Dataset for Multiple Instrument
Recognition", ISMIR 2018.
"""

from typing import Any

from actjax.data.recordings import mirdata
from actjax.data.recordings.files import FileBuilder

CLASS_NAMES = (
    "accordion",
    "banjo",
    "bass",
    "cello",
    "clarinet",
    "cymbals",
    "drums",
    "flute",
    "guitar",
    "mallet_percussion",
    "mandolin",
    "organ",
    "piano",
    "saxophone",
    "synthesizer",
    "trombone",
    "trumpet",
    "ukulele",
    "violin",
    "voice",
)


def dataset(
    *,
    path: str | None = None,
    index: str | None = None,
    data_dir: str | None = None,
    clip_seconds: float = 10.0,
    sample_rate_hz: int = 12_000,
    cut: str = "first",
    min_seconds: float | None = None,
    seed: int = 0,
    workers: int | None = None,
) -> FileBuilder:
    """The builder of OpenMIC-2018, multi-label: present means a relevance above 0.5.

    An instrument nobody was asked about counts as absent. Its own partition gives training and test
    splits; 15 % of the training recordings validate. Excerpts of one track are one recording.

    Args:
      path: the folder that mirdata's `download()` filled (audio, partitions, openmic-2018-metadata.csv ...).
      index: a mirdata index file; the one mirdata downloaded when None.
      data_dir, clip_seconds, sample_rate_hz, cut, min_seconds, seed, workers: as in audio_folder.
    """
    return mirdata.make(
        "openmic2018",
        _describe,
        path=path,
        index=index,
        classes=CLASS_NAMES,
        multi_label=True,
        seed=seed,
        data_dir=data_dir,
        clip_seconds=clip_seconds,
        sample_rate_hz=sample_rate_hz,
        cut=cut,
        min_seconds=min_seconds,
        workers=workers,
    )


def _describe(track: Any) -> mirdata.Entry:
    present = [name for name, relevance in track.instruments.items() if relevance > 0.5]
    split = {"train": None, "test": "test"}[mirdata.number_in(track.split, r"_(train|test)$")]
    return "fma-" + mirdata.number_in(track.track_id, r"^(\d+)"), present, split
