"""TinySOL: 2,913 single notes of fourteen orchestral instruments.

Citation: C.-E. Cella, D. Ghisi, V. Lostanlen, F. Lévy, J. Fineberg, Y. Maresz, "OrchideaSOL: a dataset of
extended instrumental techniques for computer-aided orchestration", ICMC 2020.
"""

from typing import Any

from actjax.data.recordings import mirdata
from actjax.data.recordings.files import FileBuilder

# Its five folds: three to train on.
_SPLIT_OF_FOLD = {0: "train", 1: "train", 2: "train", 3: "validation", 4: "test"}


def dataset(
    *,
    path: str | None = None,
    index: str | None = None,
    data_dir: str | None = None,
    clip_seconds: float = 3.0,
    sample_rate_hz: int = 12_000,
    cut: str = "first",
    min_seconds: float | None = 0.2,
    workers: int | None = None,
) -> FileBuilder:
    """The builder of TinySOL: its folds 0 to 2 train, 3 validates, 4 tests; each note is a recording.

    Args:
      path: the folder that mirdata's `download()` filled (audio, annotation).
      index: a mirdata index file; the one mirdata downloaded when None.
      data_dir, clip_seconds, sample_rate_hz, cut, min_seconds, workers: as in audio_folder.
    """
    return mirdata.make(
        "tinysol",
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
    return track.track_id, (track.instrument_full,), _SPLIT_OF_FOLD[track.split]
