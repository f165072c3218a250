"""Draws rearrangements of clips under which neuron and feature have nothing to do with each other.

One rearrangement per replicate is shared by all pairs: clip b of the neuron meets the feature of
clip `source_rb[r, b]`, frame by frame in place. Drawn on the host in NumPy and fixed by the seed.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from actjax.statistics.requirements import StatisticsError, check_recordings, check_replicates

# What the p-values of each rest on. within_class: recordings of one class are exchangeable. unrestricted: all
# recordings are, so that neuron and feature do not both differ between classes. circular_shift: each clip is
# stationary, so that neuron and feature do not share an onset envelope.
NULLS = ("within_class", "unrestricted", "circular_shift")
_STREAMS = {"within_class": 0, "unrestricted": 0, "circular_shift": 1}


class Draws(NamedTuple):
    """R permutations of the recordings of b clips.

    Attributes:
      kind: "within_class" or "unrestricted".
      source_rb: [r, b] int32, the clip whose feature clip b meets in replicate r.
      partner_bj: [b, j] int32, the clip that b meets if its recording trades places with the j-th
        recording of its class. `source_rb[r, b] == partner_bj[b, slot_rb[r, b]]`.
      slot_rb: [r, b] int32.
    """

    kind: str
    source_rb: np.ndarray
    partner_bj: np.ndarray
    slot_rb: np.ndarray

    @property
    def replicates(self) -> int:
        """R."""
        return len(self.source_rb)

    @property
    def slots_rb(self) -> np.ndarray:
        """[1 + r, b] int32, `slot_rb` with the observed pairing, each clip with itself, first."""
        observed_b = np.argmax(self.partner_bj == np.arange(len(self.partner_bj))[:, None], axis=1)
        return np.concatenate([observed_b.astype(np.int32)[None], self.slot_rb])

    def masks_agree(self, mask_bo: np.ndarray) -> bool:
        """Whether clips that can meet are valid in the same places."""
        return bool((mask_bo[self.partner_bj] == mask_bo[:, None, :]).all())


class Shifts(NamedTuple):
    """R rotations of b clips in time.

    Attributes:
      shift_rb: [r, b] int32 frames by which the feature is rotated.
      length_b: [b] int32 frames that take part in the rotation.
    """

    shift_rb: np.ndarray
    length_b: np.ndarray

    @property
    def replicates(self) -> int:
        """R."""
        return len(self.shift_rb)


def within_class(
    recording_ids: Sequence[Any] | np.ndarray,
    class_ids: Sequence[Any] | np.ndarray,
    *,
    replicates: int,
    seed: int,
    level: float = 0.05,
    unequal: str = "cycle",
    class_names: Sequence[str] | None = None,
) -> Draws:
    """Permutes whole recordings within their class; frames stay in place.

    Args:
      recording_ids: [b] the recording of each clip, any hashable values.
      class_ids: [b] the class of each clip, the same for all clips of a recording.
      replicates: R.
      seed: fixes the draws.
      level: the smallest level that R and the recordings must resolve.
      unequal: what happens where recordings of a class have different numbers of clips. "cycle":
        clip q of a recording meets clip q modulo c of a recording with c clips, so some clips are
        met twice and others not at all (exact when all counts of a class agree, else nearly so).
        "same_count": only recordings with equal counts trade places (always exact).
      class_names: what the class ids, then indices, are called in messages.

    Raises:
      StatisticsError: a class (with "same_count": a class and count) has a single recording, or R
        or the number of permutations cannot resolve `level`.
    """
    check_replicates(replicates, level)
    recording_b, clip_in_recording_b = _index_recordings(recording_ids)
    classes = _class_of_recording(recording_b, class_ids)
    counts = np.bincount(recording_b)
    called = {str(c): str(class_names[c]) if class_names is not None else str(c) for c in classes}
    if unequal == "same_count":
        strata = [f"{c} ({n} clips)" for c, n in zip(classes, counts, strict=True)]
    elif unequal == "cycle":
        strata = [str(c) for c in classes]
    else:
        raise StatisticsError(f"unequal is 'cycle' or 'same_count', got {unequal!r}")
    members = {name: np.flatnonzero(np.asarray(strata) == name) for name in sorted(set(strata))}
    check_recordings({called.get(name, name): len(m) for name, m in members.items()}, level)
    return _permute(
        "within_class", recording_b, clip_in_recording_b, list(members.values()), replicates, seed
    )


def unrestricted(
    recording_ids: Sequence[Any] | np.ndarray, *, replicates: int, seed: int, level: float = 0.05
) -> Draws:
    """Permutes whole recordings regardless of class; counts that differ are handled by cycling."""
    check_replicates(replicates, level)
    recording_b, clip_in_recording_b = _index_recordings(recording_ids)
    everything = np.arange(recording_b.max() + 1)
    check_recordings({"the data": len(everything)}, level)
    return _permute("unrestricted", recording_b, clip_in_recording_b, [everything], replicates, seed)


def circular_shift(mask_bt: np.ndarray, *, replicates: int, seed: int, level: float = 0.05) -> Shifts:
    """Rotates each clip's feature in time by a uniform number of frames, one draw a clip.

    Args:
      mask_bt: [b, t] valid frames; a clip rotates within the frames up to its last valid one.
      replicates, seed, level: as for `within_class`.
    """
    check_replicates(replicates, level)
    mask_bt = np.asarray(mask_bt, bool)
    clips, frames = mask_bt.shape
    length_b = np.where(mask_bt.any(axis=1), frames - np.argmax(mask_bt[:, ::-1], axis=1), 1)
    if not (length_b > 1).any():
        raise StatisticsError(
            "a circular shift needs clips of at least 2 frames: use a permutation of recordings"
        )
    rng = np.random.default_rng([seed, _STREAMS["circular_shift"]])
    shift_rb = np.floor(rng.random((replicates, clips)) * length_b).astype(np.int32)
    return Shifts(shift_rb, length_b.astype(np.int32))


def random_orders(rng: np.random.Generator, rows: int, size: int) -> np.ndarray:
    """[rows, size] int32, each row a uniform permutation of 0 .. size - 1."""
    return np.argsort(rng.random((rows, size)), axis=1).astype(np.int32)


def _permute(
    kind: str,
    recording_b: np.ndarray,
    clip_in_recording_b: np.ndarray,
    groups: Sequence[np.ndarray],
    replicates: int,
    seed: int,
) -> Draws:
    """Permutes the recordings of each group among themselves."""
    clips_of = _clips_of_recordings(recording_b)
    clips = len(recording_b)
    widest = max(len(group) for group in groups)
    # Slots beyond a small group's size are never drawn; they point at the clip itself.
    partner_bj = np.tile(np.arange(clips, dtype=np.int32)[:, None], (1, widest))
    slot_rb = np.zeros((replicates, clips), np.int32)
    for number, group in enumerate(groups):
        rng = np.random.default_rng([seed, _STREAMS[kind], number])
        order_rm = random_orders(rng, replicates, len(group))
        for place, recording in enumerate(group):
            for clip in clips_of[recording]:
                q = clip_in_recording_b[clip]
                partner_bj[clip, : len(group)] = [
                    clips_of[other][q % len(clips_of[other])] for other in group
                ]
                slot_rb[:, clip] = order_rm[:, place]
    source_rb = partner_bj[np.arange(clips)[None, :], slot_rb]
    return Draws(kind, source_rb, partner_bj=partner_bj, slot_rb=slot_rb)


def _index_recordings(recording_ids: Sequence[Any] | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """[b] recording numbers in order of appearance, and [b] each clip's place in its recording."""
    numbers: dict[Any, int] = {}
    seen: list[int] = []
    recording_b, place_b = [], []
    for recording in np.asarray(recording_ids).tolist():
        number = numbers.setdefault(recording, len(numbers))
        if number == len(seen):
            seen.append(0)
        recording_b.append(number)
        place_b.append(seen[number])
        seen[number] += 1
    if not recording_b:
        raise StatisticsError("there are no clips to permute")
    return np.asarray(recording_b), np.asarray(place_b)


def _class_of_recording(recording_b: np.ndarray, class_ids: Sequence[Any] | np.ndarray) -> list[Any]:
    labels = np.asarray(class_ids).tolist()
    if len(labels) != len(recording_b):
        raise StatisticsError(f"expected one class for each of {len(recording_b)} clips, got {len(labels)}")
    classes: dict[int, Any] = {}
    for recording, label in zip(recording_b.tolist(), labels, strict=True):
        if classes.setdefault(recording, label) != label:
            raise StatisticsError(
                f"clips of one recording have the classes {classes[recording]} and {label}; "
                "a recording that is permuted within its class has one"
            )
    return [classes[i] for i in range(len(classes))]


def _clips_of_recordings(recording_b: np.ndarray) -> list[np.ndarray]:
    return [np.flatnonzero(recording_b == i) for i in range(recording_b.max() + 1)]
