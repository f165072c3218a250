"""TinySOL: 2,913 single notes of fourteen orchestral instruments.

Citation: C.-E. Cella, D. Ghisi, V. Lostanlen, F. Lévy, J. Fineberg, Y. Maresz, "OrchideaSOL: a dataset of
extended instrumental techniques for computer-aided orchestration", ICMC 2020.
"""

from typing import Any

from actjax.data.recordings import mirdata

# Its five folds: three to train on.
_SPLIT_OF_FOLD = {0: "train", 1: "train", 2: "train", 3: "validation", 4: "test"}


def _describe(track: Any) -> mirdata.Entry:
    return track.track_id, (track.instrument_full,), _SPLIT_OF_FOLD[track.split]


dataset = mirdata.declare(
    mirdata.MirdataSet("tinysol", _describe),
    """The builder of TinySOL: its folds 0 to 2 train, 3 validates, 4 tests; each note is a recording.""",
    min_seconds=0.2,
    draws_splits=False,
)
