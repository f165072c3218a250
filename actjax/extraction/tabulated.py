"""Features that are looked up by clip instead of computed from the wave: tables, annotations, truth."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from actjax.types import Feature

# Times from elsewhere are no multiples of a sample: they are counted in nanoseconds.
TICKS_PER_S = 10**9


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class GivenFeature(Feature):
    """A feature whose values come with the batch.

    Attributes:
      frames: how many it has on every clip.
      of_clips: index [b] into the split -> values [b, rows, frames] float32, NaN where undefined.
    """

    frames: int = 1
    of_clips: Callable[[np.ndarray], np.ndarray]


def make(
    name: str,
    of_clips: Callable[[np.ndarray], np.ndarray],
    row_names: Sequence[str],
    *,
    frames: int = 1,
    hop_s: float | None = None,
    time0_s: float = 0.0,
    window_s: float | None = None,
    centres_hz: Sequence[float] | None = None,
    axis: str = "none",
    unit: str = "",
    reference: str = "",
) -> GivenFeature:
    """Makes a given feature; without hop_s it has one value a clip."""
    window_s = (hop_s or 0.0) if window_s is None else window_s
    return GivenFeature(
        name=name,
        fn=_not_computed,
        rows=len(row_names),
        row_names=tuple(row_names),
        axis="frequency" if centres_hz is not None else axis,
        centres_hz=None if centres_hz is None else tuple(float(hz) for hz in centres_hz),
        sample_rate_hz=TICKS_PER_S,
        hop_samples=None if hop_s is None else round(hop_s * TICKS_PER_S),
        window_samples=round(window_s * TICKS_PER_S),
        first_frame_s=time0_s,
        unit=unit,
        reference=reference,
        always_valid=hop_s is None,
        frames=frames,
        of_clips=of_clips,
    )


def values_and_validity(feature: GivenFeature, index: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """([b, rows, frames] float32, [b, frames] bool) of some clips.

    A frame is valid where all its rows are finite. Of a feature with one value a clip each row is by
    itself: what is undefined stays NaN.
    """
    values = np.asarray(feature.of_clips(index), np.float32)
    if feature.hop_samples is None:
        return values, np.ones((len(values), feature.frames), bool)
    valid = np.asarray(np.isfinite(values).all(axis=1))
    return np.where(valid[:, None, :], values, np.float32(0)), valid


def _not_computed(_: Any) -> Any:
    raise ValueError("this feature is looked up by clip, not computed from a wave")
