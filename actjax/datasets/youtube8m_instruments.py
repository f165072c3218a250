"""YouTube-8M, its thirteen instrument classes: 60,794 videos whose audio the user gathers."""

import pathlib

from actjax.data.recordings import videos
from actjax.data.recordings.files import FileBuilder

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


def dataset(
    *,
    path: str | None = None,
    csv_name: str | None = None,
    data_dir: str | None = None,
    clip_seconds: float = 29.12,
    sample_rate_hz: int = 12_000,
    cut: str = "ten_tenths",
    min_seconds: float | None = 1.0,
    seed: int = 0,
    workers: int | None = None,
) -> FileBuilder:
    """The builder of YouTube-8M's instruments, split 70 / 15 / 15 by video as in ICMR 2017.

    Args:
      path: the folder with the CSV and the audio.
      csv_name: the CSV's name; the folder's only one when None.
      data_dir, clip_seconds, sample_rate_hz, cut, min_seconds, seed, workers: as in audio_folder;
        the defaults are those of ICMR 2017.
    """
    return videos.make(
        "youtube8m_instruments",
        CLASS_NAMES,
        _locate,
        path=path,
        csv_name=csv_name,
        row="<video id>,<class index>",
        layout=_LAYOUT,
        citation=CITATION,
        seed=seed,
        data_dir=data_dir,
        clip_seconds=clip_seconds,
        sample_rate_hz=sample_rate_hz,
        cut=cut,
        min_seconds=min_seconds,
        workers=workers,
    )


def _locate(folder: pathlib.Path, name: str, label: int) -> tuple[pathlib.Path, str] | None:
    del label
    if "/" in name or "\\" in name or name in ("", ".", ".."):
        return None
    return (folder / "audio" if (folder / "audio").is_dir() else folder) / name, name
