"""Builds clips from lists of audio files; all data sets of recordings share it.

A data set module lists its recordings (a `Listing`); splits, checks, decoding, cutting and what is left
out are dealt with here.
"""

import dataclasses
import functools
import hashlib
import json
import os
import pathlib
import re
import stat
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar, cast

import numpy as np
import tensorflow_datasets as tfds

from actjax.data.build import shards
from actjax.data.build.builder import ClipBuilder, ClipConfig, quiet
from actjax.data.recordings import decode
from actjax.data.recordings.decode import Cutting, Recording
from actjax.files import printable

SPLITS = {"train": 0.70, "validation": 0.15, "test": 0.15}


@dataclasses.dataclass(frozen=True)
class Listing:
    """What a data set consists of, before any audio is read.

    Attributes:
      recordings: by split.
      class_names: what the recordings' label indices mean.
      multi_label: whether a recording may have several labels, or none.
      citation: of the data set.
      passed_over: (what, why) of the files that were found but are no recordings.
      known: the names of what is known of every recording; see `Recording.known`.
    """

    recordings: Mapping[str, Sequence[Recording]]
    class_names: tuple[str, ...]
    multi_label: bool = False
    citation: str = ""
    passed_over: tuple[tuple[str, str], ...] = ()
    known: tuple[str, ...] = ()


@dataclasses.dataclass(eq=False)
class FileConfig(ClipConfig):
    """A listing and how it is cut."""

    listing: Listing = dataclasses.field(kw_only=True)
    cutting: Cutting = dataclasses.field(kw_only=True)


class FileBuilder(ClipBuilder, skip_registration=True):
    """Clips of the recordings of a listing."""

    builder_config: FileConfig

    @property
    def class_names(self) -> tuple[str, ...]:
        """The class names of the listing."""
        return self.builder_config.listing.class_names

    @property
    def multi_label(self) -> bool:
        """Whether recordings of the listing may have several labels."""
        return self.builder_config.listing.multi_label

    @property
    def citation(self) -> str:
        """The citation of the listing."""
        return self.builder_config.listing.citation

    def jobs(self) -> Mapping[str, Sequence[Recording]]:
        """The recordings of each split."""
        return self.builder_config.listing.recordings

    def extra_features(self) -> dict[str, Any]:
        """What is known of every clip."""
        return {name: tfds.features.Scalar(np.float32) for name in self.builder_config.listing.known}

    def passed_over(self) -> Sequence[tuple[str, str]]:
        """(what, why) of the files of the listing that are no recordings."""
        return self.builder_config.listing.passed_over

    def work(self) -> Callable[[Recording], Iterable[shards.Example]]:
        """Decodes and cuts one recording."""
        return functools.partial(decode.cut_file, self.builder_config.cutting)

    def check(self, index: Mapping[str, Mapping[str, np.ndarray]]) -> None:
        """Says which classes have no usable recording left."""
        super().check(index)
        used = np.zeros(len(self.class_names), bool)
        for columns in index.values():
            if self.multi_label and "labels" in columns:
                used |= columns["labels"].any(axis=0)
            elif "label" in columns:
                used[columns["label"]] = True
        if not used.all():
            lost = ", ".join(
                name for name, any_left in zip(self.class_names, used, strict=True) if not any_left
            )
            print(f"{self.name}: no usable recording is left of class {lost}", file=sys.stderr)


B = TypeVar("B", bound=FileBuilder)


def make_builder(
    name: str,
    listing: Listing,
    *,
    data_dir: str | None,
    sample_rate_hz: int,
    clip_seconds: float,
    cut: str = "consecutive",
    min_seconds: float | None = None,
    workers: int | None = None,
    base: type[B] = FileBuilder,
    identity: str | None = None,
) -> B:
    """The TFDS builder `name` of a listing.

    Args:
      name: of the data set.
      listing: its recordings; checked here.
      data_dir: where prepared files go; TFDS's default when None.
      sample_rate_hz, clip_seconds: of every clip.
      cut: one of the rules of `decode.Cutting`.
      min_seconds: shorter recordings are left out; half a clip when None.
      workers: decoding processes; None for one a core.
      base: the builder's class.
      identity: of a listing whose recordings only the builder's `jobs` will find: stands for them.

    Raises:
      ValueError: an unknown cutting rule, an option that is not positive, or a listing that repeats
        a clip, leaves a class empty, or has a recording in two splits.
    """
    if cut not in decode.CUTS:
        raise ValueError(f"{name}: cut must be one of {', '.join(decode.CUTS)}; got {cut!r}")
    if not (clip_seconds > 0 and sample_rate_hz > 0):
        raise ValueError(
            f"{name}: clip_seconds and sample_rate_hz must be positive, got {clip_seconds}, {sample_rate_hz}"
        )
    if identity is None:
        check_listing(name, listing)
    cutting = Cutting(
        sample_rate_hz=sample_rate_hz,
        clip_samples=round(clip_seconds * sample_rate_hz),
        rule=cut,
        min_seconds=clip_seconds / 2 if min_seconds is None else min_seconds,
        classes=len(listing.class_names) if listing.multi_label else None,
    )
    members = {"name": name, "__module__": __name__}
    builder_class = cast(type[B], type(name, (base,), members, skip_registration=True))
    digest = _digest(listing, cutting, identity)
    with quiet():
        builder = builder_class(
            data_dir=data_dir,
            config=FileConfig(
                name=f"{clip_seconds:g}s-{sample_rate_hz}hz-{cut}-{digest}",
                sample_rate_hz=sample_rate_hz,
                clip_seconds=clip_seconds,
                listing=listing,
                cutting=cutting,
            ),
        )
    count = sum(map(len, listing.recordings.values()))
    builder.workers = 1 if workers is None and count <= 100 else workers
    return builder


def check_listing(name: str, listing: Listing) -> None:
    """Refuses repeated clips, recordings in two splits, empty classes and an empty listing."""
    split_of: dict[str, str] = {}
    clips: set[str] = set()
    used: set[int] = set()
    for split, recordings in listing.recordings.items():
        if not re.fullmatch(r"\w{1,40}", split, re.ASCII):  # a split's name becomes a file's
            raise ValueError(f"{name}: a split's name must be of letters, digits and _, got {split!r}")
        for recording in recordings:
            if recording.clip_id in clips:
                raise ValueError(
                    f"{name}: clip id {recording.clip_id!r} occurs twice; clip ids must be unique"
                )
            clips.add(recording.clip_id)
            other = split_of.setdefault(recording.recording_id, split)
            if other != split:
                raise ValueError(
                    f"{name}: recording {recording.recording_id!r} stands in the splits {other} and {split}; "
                    "each recording must stay in one"
                )
            used.update(recording.labels)
    if not clips:
        raise ValueError(f"{name}: no recordings found")
    empty = [c for i, c in enumerate(listing.class_names) if i not in used]
    if empty:
        raise ValueError(
            f"{name}: no recordings of class {', '.join(empty[:3])}; every class needs at least one"
        )


def split_recordings(recordings: Sequence[Recording], seed: int = 0) -> dict[str, list[Recording]]:
    """70 / 15 / 15 of the recording ids of each class at random; what shares an id stays together."""
    label_of = {r.recording_id: r.labels[:1] for r in recordings}
    split_of = {}
    for label in sorted(set(label_of.values())):
        ids = sorted(i for i, its_label in label_of.items() if its_label == label)
        order = np.random.default_rng([seed, *label]).permutation(len(ids))
        edges = np.round(np.cumsum([0.0, *SPLITS.values()]) * len(ids)).astype(int)
        for split, first, last in zip(SPLITS, edges, edges[1:], strict=False):
            split_of.update({ids[i]: split for i in order[first:last]})
    return {split: [r for r in recordings if split_of[r.recording_id] == split] for split in SPLITS}


def sounds_below(folder: pathlib.Path) -> tuple[list[pathlib.Path], list[tuple[str, str]]]:
    """(the sound files of a folder and all folders in it, in order of path; (what, why) of all else)."""
    sounds, passed_over = [], []

    def walk(place: pathlib.Path) -> None:
        for path in sorted(place.iterdir()):
            reason = why_not(path)
            if reason is not None:
                passed_over.append((printable(str(path)), reason))
            elif path.is_dir():
                walk(path)
            else:
                sounds.append(path)

    walk(folder)
    return sounds, passed_over


def why_not(path: pathlib.Path) -> str | None:
    """Why an entry of a folder is neither a sound file nor a folder to look into; None where it is one."""
    if path.name.startswith("."):
        return "hidden"
    if path.name == "__MACOSX":
        return "left there by the archiver of macOS"
    try:
        status = path.stat()
    except OSError as error:
        return "a link to nothing" if path.is_symlink() else f"cannot be opened: {error.strerror}"
    if stat.S_ISDIR(status.st_mode):
        # Not followed, so that no link leads round in a circle.
        return "a link to a folder" if path.is_symlink() else None
    if not stat.S_ISREG(status.st_mode):
        return "no regular file, but a pipe or device"
    return None if path.suffix.lower() in decode.SUFFIXES else "no sound file by its name"


def find_audio(folder: pathlib.Path) -> dict[str, pathlib.Path]:
    """The audio files of one folder by their names without suffix, in order of name."""
    paths = sorted(p for p in folder.iterdir() if why_not(p) is None and p.is_file())
    return {path.stem: path for path in paths}


def need_folder(name: str, path: str | os.PathLike | None, what: str) -> pathlib.Path:
    """The folder as a path; if it is not there, one line says where to get what it should hold."""
    if path is None:
        raise ValueError(f"{name}: give path=, the folder with {what}")
    folder = pathlib.Path(path).expanduser()
    if not folder.is_dir():
        raise FileNotFoundError(f"{name}: there is no folder {folder}; put there {what}")
    return folder


def misfits(name: str, expected: str, paths: Iterable[Any]) -> ValueError:
    """The error for a layout that is not as expected: the first three paths that do not fit."""
    paths = [printable(str(p)) for p in paths]
    return ValueError(
        f"{name}: expected {expected}; {len(paths)} do not fit, the first: {', '.join(paths[:3])}"
    )


def _digest(listing: Listing, cutting: Cutting, identity: str | None) -> str:
    """A hash of all that the prepared files depend on: paths, sizes, times, labels, splits, cutting."""
    whole = [listing.class_names, dataclasses.astuple(cutting), *([] if identity is None else [identity])]
    digest = hashlib.sha256(json.dumps(whole).encode())
    for split, recordings in listing.recordings.items():
        for recording in recordings:
            try:
                stat = os.stat(recording.path)
                state = (stat.st_size, stat.st_mtime_ns)
            except OSError:
                state = ()
            digest.update(repr((split, dataclasses.astuple(recording), state)).encode())
    return digest.hexdigest()[:12]
