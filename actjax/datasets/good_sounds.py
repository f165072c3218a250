"""Good-sounds: single notes and scales on twelve instruments, good and bad, by several microphones.

Citation: O. Romani Picas, H. Parra Rodriguez, D. Dabiri, H. Tokuda, W. Hariya, K. Oishi, X. Serra, "A
real-time system for measuring sound goodness in instrumental sounds", AES Convention 138, 2015.
"""

from typing import Any

from actjax.data.recordings import mirdata


def _describe(track: Any) -> mirdata.Entry:
    return f"sound-{track.sound_info['id']}", (track.instrument,), None


dataset = mirdata.declare(
    mirdata.MirdataSet("good_sounds", _describe),
    """The builder of Good-sounds, split 70 / 15 / 15 by sound: all takes of one sound stay together.""",
)
