"""IRMAS: predominant instruments in 6,705 training clips of 3 s and 2,874 multi-label test excerpts.

Citation: J. J. Bosch, J. Janer, F. Fuhrmann, P. Herrera, "A Comparison of Sound Segregation Techniques for
Predominant Instrument Recognition in Musical Audio Signals", ISMIR 2012.
"""

import pathlib
import re
from typing import Any

from actjax.data.recordings import mirdata
from actjax.data.recordings.files import FileBuilder

CLASS_NAMES = ("cel", "cla", "flu", "gac", "gel", "org", "pia", "sax", "tru", "vio", "voi")


def dataset(
    *,
    path: str | None = None,
    index: str | None = None,
    data_dir: str | None = None,
    clip_seconds: float = 2.73,
    sample_rate_hz: int = 12_000,
    cut: str = "consecutive",
    min_seconds: float | None = None,
    seed: int = 0,
    workers: int | None = None,
) -> FileBuilder:
    """The builder of IRMAS, multi-label: training clips have one label, test excerpts one or more.

    The excerpts of one recording share a number in their file names and stay together; 15 % of the
    training recordings become the validation split.

    Args:
      path: the folder that mirdata's `download()` filled (IRMAS-TrainingData, IRMAS-TestingData-Part1 ...).
      index: a mirdata index file; the one mirdata downloaded when None.
      data_dir, clip_seconds, sample_rate_hz, cut, min_seconds, seed, workers: as in audio_folder.
    """
    return mirdata.make(
        "irmas",
        _describe,
        path=path,
        index=index,
        classes=CLASS_NAMES,
        multi_label=True,
        seed=seed,
        data_dir=data_dir,
        clip_seconds=clip_seconds,
        sample_rate_hz=sample_rate_hz,
        cut=cut,
        min_seconds=min_seconds,
        workers=workers,
    )


def _describe(track: Any) -> mirdata.Entry:
    name = pathlib.Path(track.audio_path).stem
    if track.split == "train":
        return "train-" + mirdata.number_in(name, r"(\d+)__\d+$"), track.instrument, None
    # Several excerpts of one test recording end in -1, -2 ...
    return "test-" + re.sub(r"-\d+$", "", name), track.instrument, "test"
