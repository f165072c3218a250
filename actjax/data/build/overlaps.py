"""Finds recordings that share a stretch of the same sound, as cuts of one recording do, by their prints."""

import dataclasses
import itertools
import pathlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from actjax import files
from actjax.data.build import shards
from actjax.files import FileError
from actjax.npz import read_arrays

NAME = "overlaps.json"
# In memory at a time; of more, those of the smallest hashes.
MOST_PRINTS = 2**22
# Recordings with one print in common: of more, it is material that many use, as a drum's sample.
MOST_RECORDINGS = 8
LEAST_PRINTS, LEAST_SECONDS, MOST_GAP_SECONDS = 3, 1.0, 0.5
MOST_PAIRS = 1000


@dataclasses.dataclass(frozen=True)
class Overlap:
    """Two recordings with a stretch of the same sound.

    Attributes:
      first, second: recording ids.
      splits: of the two.
      seconds: the stretch is at least so long.
    """

    first: str
    second: str
    splits: tuple[str, str]
    seconds: float


def find(paths: Mapping[str, Sequence[pathlib.Path]]) -> list[Overlap]:
    """The pairs among the recordings of all shards, the longest stretch first.

    Two recordings are a pair where they share LEAST_PRINTS windows at one distance, which span LEAST_SECONDS
    without a gap of MOST_GAP_SECONDS. Equal sounds are none: one of them is no cut of the other.

    Args:
      paths: the shards of each split.

    Raises:
      FileError: a shard is damaged.
    """
    sounds, held = _collected(paths)
    pairs = []
    rates_hz = np.array([one.rate_hz for one in sounds], np.int64)
    for (a, b), (offset, span) in _stretches(held, rates_hz).items():
        first, second = sounds[a], sounds[b]
        equal = offset == 0 and first.samples == second.samples
        if span >= LEAST_SECONDS * first.rate_hz and not equal and first.recording != second.recording:
            splits, seconds = (first.split, second.split), round(span / first.rate_hz, 2)
            pairs.append(Overlap(first.recording, second.recording, splits, seconds))
    return sorted(pairs, key=lambda one: (-one.seconds, one.first, one.second))


class _Sound(NamedTuple):
    """A recording as it was decoded."""

    split: str
    recording: str
    samples: int
    rate_hz: int


def _collected(paths: Mapping[str, Sequence[pathlib.Path]]) -> tuple[list[_Sound], np.ndarray]:
    """(the recordings; [n, 3] hash, place and the recording's number of all prints)."""
    sounds: dict[_Sound, int] = {}
    held, count = [np.zeros((0, 3), np.uint64)], 0
    for split, recording, prints in _prints(paths):
        number = sounds.setdefault(_Sound(split, recording, *map(int, prints[0])), len(sounds))
        taken = prints[1:][prints[1:].any(axis=1)]
        held.append(np.concatenate([taken, np.full((len(taken), 1), number, np.uint64)], axis=1))
        count += len(taken)
        if count > 2 * MOST_PRINTS:
            together = np.concatenate(held)
            held = [together[together[:, 0] < np.partition(together[:, 0], MOST_PRINTS)[MOST_PRINTS]]]
            count = len(held[0])
    return list(sounds), np.concatenate(held)


def _prints(paths: Mapping[str, Sequence[pathlib.Path]]) -> Iterator[tuple[str, str, np.ndarray]]:
    """(split, recording, [1 + n, 2]) of every clip; shards of an earlier version have none."""
    for split, of_split in paths.items():
        for path in shards.pieces_of(of_split):
            columns = read_arrays(path, ("recording_id", "prints"))
            if "prints" not in columns:
                continue
            ids, prints = columns.get("recording_id", np.zeros(0)), columns["prints"]
            whole = prints.dtype == np.uint64 and prints.ndim == 3 and ids.shape == prints.shape[:1]
            whole = whole and prints.size > 0 and prints.shape[2] == 2
            # How many samples, and how many a second.
            if not whole or not 1 <= prints[:, 0].min() <= prints[:, 0].max() < 2**62:
                raise FileError(path, "is damaged; delete it and run --stage=data again")
            yield from ((split, str(name), of_clip) for name, of_clip in zip(ids, prints, strict=True))


def _stretches(held: np.ndarray, rates_hz: np.ndarray) -> dict[tuple[int, int], tuple[int, int]]:
    """(recording, recording) -> (offset, span) of their longest common stretch, in samples.

    Args:
      held: [n, 3] hash, place, recording.
      rates_hz: [recordings]
    """
    shared = _shared(held)
    if not len(shared):
        return {}
    steps, gap = np.diff(shared, axis=0), MOST_GAP_SECONDS * rates_hz[shared[1:, 0]]
    begins = np.flatnonzero(np.r_[True, (steps[:, :3] != 0).any(axis=1) | (steps[:, 3] > gap)])
    ends = np.r_[begins[1:], len(shared)]
    longest: dict[tuple[int, int], tuple[int, int]] = {}
    for begin, end in zip(begins.tolist(), ends.tolist(), strict=True):
        a, b, offset, low = shared[begin].tolist()
        span = int(shared[end - 1, 3]) - low
        if end - begin >= LEAST_PRINTS and span > longest.get((a, b), (0, 0))[1]:
            longest[a, b] = (offset, span)
    return longest


def _shared(held: np.ndarray) -> np.ndarray:
    """[m, 4] what two recordings share: both, their distance, the place in the first; sorted."""
    held = held[np.lexsort((held[:, 2], held[:, 0]))]
    _, first, count = np.unique(held[:, 0], return_index=True, return_counts=True)
    pairs = [np.zeros((0, 4), np.int64)]
    for size in range(2, MOST_RECORDINGS + 1):
        at = first[count == size]
        for i, j in itertools.combinations(range(size), 2):
            one, other = held[at + i].astype(np.int64), held[at + j].astype(np.int64)
            pairs.append(np.stack([one[:, 2], other[:, 2], other[:, 1] - one[:, 1], one[:, 1]], axis=1))
    every = np.concatenate(pairs)
    every = every[every[:, 0] != every[:, 1]]
    return every[np.lexsort(every.T[::-1])]


def write(folder: pathlib.Path, overlaps: Sequence[Overlap]) -> pathlib.Path:
    """Keeps the pairs beside the data set; of very many, the longest stretches."""
    return files.write_json(folder / NAME, [dataclasses.asdict(one) for one in overlaps[:MOST_PAIRS]])


def read(folder: pathlib.Path) -> list[Overlap]:
    """The pairs; none of a data set that was prepared before they were looked for."""
    path = folder / NAME
    listed = files.read_json(path, [], kind=list)
    with files.reading(path, "a list of pairs of recordings"):
        return [_overlap(entry) for entry in listed]


def _overlap(entry: Any) -> Overlap:
    first, second, splits, seconds = (entry[name] for name in ("first", "second", "splits", "seconds"))
    one, other = splits
    if not all(isinstance(text, str) for text in (first, second, one, other)):
        raise ValueError("expected names of recordings and splits")
    return Overlap(first, second, (one, other), float(seconds))


def said(overlaps: Sequence[Overlap]) -> str | None:
    """One line about the pairs, those in two splits first; None where there are none."""
    if not overlaps:
        return None
    parted = [one for one in overlaps if one.splits[0] != one.splits[1]]
    shown = (parted or list(overlaps))[0]
    where = f"of which {len(parted)} stand in two splits, which makes a network look better than it is"
    count = f"{len(overlaps)} such pair" + "s" * (len(overlaps) > 1)
    return (
        f"{files.printable(shown.first)} and {files.printable(shown.second)} hold {shown.seconds:g} s of the "
        f"same sound: {count}{', ' + where if parted else ''}; the recording_id of a manifest keeps cuts of "
        "one recording together"
    )
