"""Finds recordings that share a stretch of the same sound, as cuts of one recording do, by their prints."""

import dataclasses
import pathlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

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
LEAST_PRINTS, LEAST_SECONDS = 3, 1.0
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

    Two recordings are a pair where they share LEAST_PRINTS windows in one order and distance, which span
    LEAST_SECONDS. Equal sounds are none: one of them is no cut of the other.

    Args:
      paths: the shards of each split.

    Raises:
      FileError: a shard is damaged.
    """
    names: list[tuple[str, str]] = []
    of_recording: dict[tuple[str, str], int] = {}
    facts: list[tuple[int, int]] = []
    held = [np.zeros((0, 3), np.uint64)]
    for split, recording, prints in _prints(paths):
        if (split, recording) not in of_recording:
            of_recording[split, recording] = len(names)
            names.append((split, recording))
            facts.append((int(prints[0, 0]), int(prints[0, 1])))
        number = of_recording[split, recording]
        own = prints[1:][prints[1:].any(axis=1)]
        held.append(np.concatenate([own, np.full((len(own), 1), number, np.uint64)], axis=1))
        if sum(map(len, held)) > 2 * MOST_PRINTS:
            together = np.concatenate(held)
            held = [together[together[:, 0] < np.partition(together[:, 0], MOST_PRINTS)[MOST_PRINTS]]]
    found = []
    for (a, b), (offset, span) in _stretches(np.concatenate(held)).items():
        (samples, rate), (others, _) = facts[a], facts[b]
        equal = offset == 0 and samples == others
        if span >= LEAST_SECONDS * rate and not equal and names[a][1] != names[b][1]:
            splits = (names[a][0], names[b][0])
            found.append(Overlap(names[a][1], names[b][1], splits, round(span / rate, 2)))
    return sorted(found, key=lambda one: (-one.seconds, one.first, one.second))


def _prints(paths: Mapping[str, Sequence[pathlib.Path]]) -> Iterator[tuple[str, str, np.ndarray]]:
    """(split, recording, [1 + n, 2]) of every clip; shards of an earlier version have none."""
    for split, of_split in paths.items():
        for path in shards.pieces_of(of_split):
            columns = read_arrays(path, ("recording_id", "prints"))
            if "prints" not in columns:
                continue
            ids, prints = columns.get("recording_id", np.zeros(0)), columns["prints"]
            whole = prints.dtype == np.uint64 and prints.ndim == 3 and ids.shape == prints.shape[:1]
            if not whole or prints.shape[1] < 1 or prints.shape[2] != 2:
                raise FileError(path, "is damaged; delete it and run --stage=data again")
            yield from ((split, str(name), of_clip) for name, of_clip in zip(ids, prints, strict=True))


def _stretches(held: np.ndarray) -> dict[tuple[int, int], tuple[int, int]]:
    """(recording, recording) -> (offset, span) of their longest common stretch, in samples.

    Args:
      held: [n, 3] hash, place, recording.
    """
    held = held[np.lexsort((held[:, 2], held[:, 0]))]
    hashes, first, count = np.unique(held[:, 0], return_index=True, return_counts=True)
    pairs = []
    for size in range(2, MOST_RECORDINGS + 1):
        at = first[count == size]
        for i in range(size):
            for j in range(i + 1, size):
                one, other = held[at + i].astype(np.int64), held[at + j].astype(np.int64)
                pairs.append(np.stack([one[:, 2], other[:, 2], one[:, 1] - other[:, 1], one[:, 1]], axis=1))
    if not pairs:
        return {}
    every = np.concatenate(pairs)
    every = every[every[:, 0] != every[:, 1]]
    every = every[np.lexsort(every.T[::-1])]
    if not len(every):
        return {}
    begins = np.flatnonzero(np.r_[True, (np.diff(every[:, :3], axis=0) != 0).any(axis=1)])
    ends = np.r_[begins[1:], len(every)]
    longest: dict[tuple[int, int], tuple[int, int]] = {}
    for begin, end in zip(
        begins[ends - begins >= LEAST_PRINTS], ends[ends - begins >= LEAST_PRINTS], strict=True
    ):
        a, b, offset, low = every[begin].tolist()
        span = int(every[end - 1, 3]) - low
        if span > longest.get((a, b), (0, 0))[1]:
            longest[a, b] = (offset, span)
    return longest


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
