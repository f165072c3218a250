"""Good-sounds: single notes and scales on twelve instruments, good and bad, by several microphones.

Citation: O. Romani Picas, H. Parra Rodriguez, D. Dabiri, H. Tokuda, W. Hariya, K. Oishi, X. Serra, "A
real-time system for measuring sound goodness in instrumental sounds", AES Convention 138, 2015.
"""

from typing import Any

from actjax.data.recordings import mirdata
from actjax.data.recordings.files import FileBuilder


def dataset(
    *,
    path: str | None = None,
    index: str | None = None,
    data_dir: str | None = None,
    clip_seconds: float = 3.0,
    sample_rate_hz: int = 12_000,
    cut: str = "first",
    min_seconds: float | None = None,
    seed: int = 0,
    workers: int | None = None,
) -> FileBuilder:
    """The builder of Good-sounds, split 70 / 15 / 15 by sound: all takes of one sound stay together.

    Args:
      path: the folder that mirdata's `download()` filled (sound_files, sounds.json, takes.json ...).
      index: a mirdata index file; the one mirdata downloaded when None.
      data_dir, clip_seconds, sample_rate_hz, cut, min_seconds, seed, workers: as in audio_folder.
    """
    return mirdata.make(
        "good_sounds",
        _describe,
        path=path,
        index=index,
        seed=seed,
        data_dir=data_dir,
        clip_seconds=clip_seconds,
        sample_rate_hz=sample_rate_hz,
        cut=cut,
        min_seconds=min_seconds,
        workers=workers,
    )


def _describe(track: Any) -> mirdata.Entry:
    return f"sound-{track.sound_info['id']}", (track.instrument,), None
