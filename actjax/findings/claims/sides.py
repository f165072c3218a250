"""Holds what the claims compare in memory: a layer's neurons of all networks beside the features."""

import dataclasses
from collections.abc import Mapping

import numpy as np

from actjax.activations import comparisons
from actjax.types import LeftOut

SCALARS = ("loudness_a_weighted", "onset_rate", "rms", "spectral_centroid")


@dataclasses.dataclass(frozen=True, eq=False)
class Side:
    """One layer against its features, for all networks that have it.

    Attributes:
      problem: from `comparisons.plan`.
      x: network -> [b, o, n] its neurons; o runs over bands x frames of `shape_ft`, or is 1.
      y_bok: [b, o, k] the features; for chroma [b, frames, 12].
      mask_bo: [b, o] bool.
      shape_ft: (bands, frames) of the neurons' maps; (1, 1) in the clip view.
    """

    problem: comparisons.Problem
    x: Mapping[str, np.ndarray]
    y_bok: np.ndarray
    mask_bo: np.ndarray
    shape_ft: tuple[int, int]

    @property
    def layer(self) -> str:
        """The layer's name."""
        return self.problem.layer.name


@dataclasses.dataclass(frozen=True, eq=False)
class Sides:
    """What the pass collects, by role: "cells", "chroma" or "clip"; the input's beside the networks'."""

    networks: Mapping[str, list[Side]]
    input: Mapping[str, list[Side]]
    left_out: list[LeftOut]


def usable_hz(side: Side) -> np.ndarray:
    """[f] the centre frequencies of a map's bands that see no padding, at least 0.001 Hz."""
    return np.maximum(side.problem.band_hz, 1e-3)


def bands_apart(side: Side) -> np.ndarray:
    """[f] how many semitones lie between neighbouring bands of a layer's maps (geometric, at each)."""
    hz = usable_hz(side)
    if len(hz) < 2:
        return np.full(len(hz), np.inf)
    return np.abs(12 * np.gradient(np.log2(hz)))
