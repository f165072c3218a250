"""IRMAS: predominant instruments in 6,705 training clips of 3 s and 2,874 multi-label test excerpts.

Citation: J. J. Bosch, J. Janer, F. Fuhrmann, P. Herrera, "A Comparison of Sound Segregation Techniques for
Predominant Instrument Recognition in Musical Audio Signals", ISMIR 2012.
"""

import pathlib
import re
from typing import Any

from actjax.data.recordings import mirdata

CLASS_NAMES = ("cel", "cla", "flu", "gac", "gel", "org", "pia", "sax", "tru", "vio", "voi")


def _describe(track: Any) -> mirdata.Entry:
    name = pathlib.Path(track.audio_path).stem
    if track.split == "train":
        return "train-" + mirdata.number_in(name, r"(\d+)__\d+$"), track.instrument, None
    # Several excerpts of one test recording end in -1, -2 ...
    return "test-" + re.sub(r"-\d+$", "", name), track.instrument, "test"


dataset = mirdata.declare(
    mirdata.MirdataSet("irmas", _describe, CLASS_NAMES, multi_label=True),
    """The builder of IRMAS, multi-label: training clips have one label, test excerpts one or more.

    The excerpts of one recording share a number in their file names and stay together; 15 % of the
    training recordings become the validation split.""",
    clip_seconds=2.73,
    cut="consecutive",
)
