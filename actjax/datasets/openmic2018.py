"""OpenMIC-2018: 20,000 excerpts of 10 s with the presence of twenty instruments, by several annotators.

Citation: E. J. Humphrey, S. Durand, B. McFee, "OpenMIC-2018: An Open Dataset for Multiple Instrument
Recognition", ISMIR 2018.
"""

from typing import Any

from actjax.data.recordings import mirdata

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


def _describe(track: Any) -> mirdata.Entry:
    present = [name for name, relevance in track.instruments.items() if relevance > 0.5]
    split = {"train": None, "test": "test"}[mirdata.number_in(track.split, r"_(train|test)$")]
    return "fma-" + mirdata.number_in(track.track_id, r"^(\d+)"), present, split


dataset = mirdata.declare(
    mirdata.MirdataSet("openmic2018", _describe, CLASS_NAMES, multi_label=True),
    """The builder of OpenMIC-2018, multi-label: present means a relevance above 0.5.

    An instrument nobody was asked about counts as absent. Its own partition gives training and test
    splits; 15 % of the training recordings validate. Excerpts of one track are one recording.""",
    clip_seconds=10.0,
)
