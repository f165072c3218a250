"""Medley-solos-DB: 21,571 clips of 2.97 s of eight solo instruments.

Citation: V. Lostanlen, C.-E. Cella, "Deep Convolutional Networks on the Pitch Spiral for Musical Instrument
Recognition", ISMIR 2016.
"""

from typing import Any

from actjax.data.recordings import mirdata
from actjax.data.recordings.files import FileBuilder

_SPLITS = {"training": "train", "train": "train", "validation": "validation", "test": "test"}


def dataset(
    *,
    path: str | None = None,
    index: str | None = None,
    data_dir: str | None = None,
    clip_seconds: float = 2.97,
    sample_rate_hz: int = 12_000,
    cut: str = "first",
    min_seconds: float | None = None,
    workers: int | None = None,
) -> FileBuilder:
    """The builder of Medley-solos-DB with its own splits; clips of one song are one recording.

    Args:
      path: the folder that mirdata's `download()` filled (audio, annotation).
      index: a mirdata index file; the one mirdata downloaded when None.
      data_dir, clip_seconds, sample_rate_hz, cut, min_seconds, workers: as in audio_folder.
    """
    return mirdata.make(
        "medley_solos_db",
        _describe,
        path=path,
        index=index,
        data_dir=data_dir,
        clip_seconds=clip_seconds,
        sample_rate_hz=sample_rate_hz,
        cut=cut,
        min_seconds=min_seconds,
        workers=workers,
    )


def _describe(track: Any) -> mirdata.Entry:
    return f"song-{track.song_id}", (track.instrument,), _SPLITS[track.subset]
