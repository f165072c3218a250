"""Medley-solos-DB: 21,571 clips of 2.97 s of eight solo instruments.

Citation: V. Lostanlen, C.-E. Cella, "Deep Convolutional Networks on the Pitch Spiral for Musical Instrument
Recognition", ISMIR 2016.
"""

from typing import Any

from actjax.data.recordings import mirdata

_SPLITS = {"training": "train", "train": "train", "validation": "validation", "test": "test"}


def _describe(track: Any) -> mirdata.Entry:
    return f"song-{track.song_id}", (track.instrument,), _SPLITS[track.subset]


dataset = mirdata.declare(
    mirdata.MirdataSet("medley_solos_db", _describe),
    """The builder of Medley-solos-DB with its own splits; clips of one song are one recording.""",
    clip_seconds=2.97,
    draws_splits=False,
)
