"""YouTube-8M, its thirteen instrument classes: 60,794 videos whose audio the user gathers."""

import pathlib

from actjax.data.recordings import videos

CLASS_NAMES = (
    "Guitar",
    "Piano",
    "Drums",
    "Violin",
    "Accordion",
    "Saxophone",
    "Flute",
    "Organ",
    "Cello",
    "Trumpet",
    "Clarinet",
    "Harmonica",
    "Banjo",
)

CITATION = (
    "O. Slizovskaia, E. Gómez, G. Haro, Musical Instrument Recognition in User-generated Videos using a"
    " Multimodal Convolutional Neural Network Architecture, ICMR 2017; the videos: S. Abu-El-Haija, N. "
    "Kothari, J. Lee, P. Natsev, G. Toderici, B. Varadarajan, S. Vijayanarasimhan, YouTube-8M: A Large-"
    "Scale Video Classification Benchmark, arXiv 1609.08675"
)
_LAYOUT = (
    "a CSV with rows <video id>,<class index> and, beside it or in a folder audio, one "
    "<video id>.webm (or m4a, wav, flac, mp3, ogg) a video"
)


def _locate(folder: pathlib.Path, name: str, label: int) -> tuple[pathlib.Path, str] | None:
    del label
    if "/" in name or "\\" in name or name in ("", ".", ".."):
        return None
    return (folder / "audio" if (folder / "audio").is_dir() else folder) / name, name


dataset = videos.declare(
    videos.VideoSet(
        "youtube8m_instruments", CLASS_NAMES, _locate, "<video id>,<class index>", _LAYOUT, CITATION
    ),
    """The builder of YouTube-8M's instruments, split 70 / 15 / 15 by video as in ICMR 2017.

    Args:
      path: the folder with the CSV and the audio.""",
)
