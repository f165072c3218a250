"""Keeps scores/<score set>.nulls.npz: of each family of tests what its replicates came to at most.

By these the p-values of several networks, of a sweep's seeds say, are corrected together afterwards.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from actjax import files
from actjax.npz import read_arrays

SUFFIX = ".nulls.npz"
_EXPECTED = "the nulls of a score set; run --stage=score there again"
_ARRAYS = ("draws", "families", "max_r", "family_of_bin", "bins", "in_bins")


class Family(NamedTuple):
    """The tests that are corrected together within one network."""

    network: str
    layer: str
    view: str
    metric: str


class Replicates(NamedTuple):
    """What a family keeps of its replicates, as `statistics.families.Null` does.

    Attributes:
      max_r: [r] the largest statistic of each.
      bins, in_bins: the histogram of the statistics of all pairs and replicates: bins that hold any, and how
        many each.
    """

    max_r: np.ndarray
    bins: np.ndarray
    in_bins: np.ndarray


class ScoreNulls(NamedTuple):
    """The nulls of a score set.

    Attributes:
      draws: a hash of the rearrangements; replicate r of two sets of one hash rearranges clips alike.
      families: of those metrics that are tested.
    """

    draws: str
    families: Mapping[Family, Replicates]


def path_of(scores: Path) -> Path:
    """The file beside a score set's .parquet."""
    return scores.with_suffix(SUFFIX)


def write(path: Path, nulls: ScoreNulls) -> Path:
    """Keeps the nulls of a score set in which something is tested."""
    of_families = list(nulls.families.values())
    arrays = {
        "draws": np.asarray([nulls.draws]),
        "families": np.asarray(list(nulls.families)),
        "max_r": np.stack([one.max_r for one in of_families]),
        "family_of_bin": np.repeat(np.arange(len(of_families)), [len(one.bins) for one in of_families]),
        "bins": np.concatenate([one.bins for one in of_families]),
        "in_bins": np.concatenate([one.in_bins for one in of_families]),
    }
    with files.written_whole(path) as aside, open(aside, "wb") as file:
        np.savez_compressed(file, allow_pickle=False, **arrays)
    return path


def read(path: Path) -> ScoreNulls:
    """What `write` wrote.

    Raises:
      FileNotFoundError: there is no file.
      FileError: it is damaged.
    """
    stored = read_arrays(path, _ARRAYS, compressed=True, expected=_EXPECTED)
    with files.reading(path, _EXPECTED):
        draws, names, max_r, family_of_bin, bins, in_bins = (stored[name] for name in _ARRAYS)
        whole = len(names) == len(max_r) and len(family_of_bin) == len(bins) == len(in_bins)
        if not whole or {one.dtype.kind for one in (family_of_bin, bins, in_bins)} != {"i"}:
            raise ValueError("its arrays are of different lengths, or no whole numbers")
        families = {
            Family(*map(str, names[i])): Replicates(
                max_r[i], bins[family_of_bin == i], in_bins[family_of_bin == i]
            )
            for i in range(len(names))
        }
        return ScoreNulls(str(draws[0]), families)
