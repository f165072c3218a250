"""FCVID, its twelve classes of musical performances with instruments: 5,147 videos."""

import pathlib

from actjax.data.gm.voices import CLASS_NAMES
from actjax.data.recordings import videos

__all__ = ["CLASS_NAMES", "dataset"]

CITATION = (
    "O. Slizovskaia, E. Gómez, G. Haro, Musical Instrument Recognition in User-generated Videos using a"
    " Multimodal Convolutional Neural Network Architecture, ICMR 2017; the videos: Y.-G. Jiang, Z. Wu, "
    "J. Wang, X. Xue, S.-F. Chang, Exploiting Feature and Class Relationships in Video Categorization "
    "with Regularized Deep Neural Networks, IEEE TPAMI 40 (2), 2018"
)
_LAYOUT = (
    "FCVID's audio, by request from its makers: one <class>/<video id>.wav (or flac, mp3, ogg, m4a, webm) "
    "a video, and a CSV with rows ./<class>/<video id>,<class index>"
)


def _locate(folder: pathlib.Path, name: str, label: int) -> tuple[pathlib.Path, str] | None:
    parts = name.removeprefix("./").split("/")
    if len(parts) != 2 or parts[0] != CLASS_NAMES[label] or parts[1] in ("", ".", ".."):
        return None
    return folder / parts[0] / parts[1], parts[1]


dataset = videos.declare(
    videos.VideoSet(
        "fcvid_instruments", CLASS_NAMES, _locate, "./<class>/<video id>,<class index>", _LAYOUT, CITATION
    ),
    """The builder of FCVID's instruments, split 70 / 15 / 15 by video as in ICMR 2017.

    Args:
      path: the folder with the CSV and one folder a class.""",
)
