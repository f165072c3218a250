"""Declares data sets that mirdata knows: lists the recordings of a downloaded folder and its index."""

import os
import pathlib
import re
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from actjax import lookup
from actjax.data.recordings import declared, files
from actjax.data.recordings.decode import Recording
from actjax.data.recordings.files import FileBuilder, Listing
from actjax.files import read_json, reading, regular_file

# One track: (recording id, labels, split or None where the data set leaves it open).
Entry = tuple[str, Iterable[str], str | None]


class MirdataSet(NamedTuple):
    """A data set as mirdata knows it.

    Attributes:
      name: mirdata's name of it, and ours.
      describe: mirdata track -> Entry.
      classes: the class names in order; those that the tracks have, sorted, when None.
      multi_label: whether a track may have several labels.
    """

    name: str
    describe: Callable[[Any], Entry]
    classes: tuple[str, ...] | None = None
    multi_label: bool = False

    @property
    def how(self) -> str:
        """The command that downloads it to FOLDER."""
        return f"python -c \"import mirdata; mirdata.initialize('{self.name}', data_home='{{}}').download()\""


def declare(
    spec: MirdataSet,
    doc: str,
    *,
    clip_seconds: float = 3.0,
    cut: str = "first",
    min_seconds: float | None = None,
    draws_splits: bool = True,
) -> Callable[..., FileBuilder]:
    """The function `dataset` of a set that mirdata knows.

    Splits that the data set leaves open are drawn at random by recording: 70 / 15 / 15 where it has
    none, 15 of 100 training recordings for validation where it has training and test splits alone.

    Args:
      spec: the data set.
      doc: what its builder is like; begins the function's docstring.
      clip_seconds, cut, min_seconds: its defaults.
      draws_splits: whether any splits are drawn, so that the function has an option `seed`.
    """

    def drawn(*, path: str | None = None, index: str | None = None, seed: int = 0) -> Listing:
        return _list(spec, path, index, seed)

    def settled(*, path: str | None = None, index: str | None = None) -> Listing:
        return _list(spec, path, index, seed=0)

    return declared.declare(
        spec.name,
        drawn if draws_splits else settled,
        doc.rstrip() + _OPTIONS,
        clip_seconds=clip_seconds,
        cut=cut,
        min_seconds=min_seconds,
    )


_OPTIONS = """

    Args:
      path: the folder that mirdata's `download()` filled.
      index: a mirdata index file; the one mirdata downloaded when None.
      data_dir, clip_seconds, sample_rate_hz, cut, min_seconds, seed, workers: as in audio_folder.

    Raises:
      FileNotFoundError: the folder, the index or its metadata is missing; says how to get them.
      FileError: the index or the folder's metadata are damaged.
      ValueError: tracks that do not fit the data set's layout.
    """


def _list(spec: MirdataSet, path: str | None, index: str | None, seed: int) -> Listing:
    """The recordings of a downloaded folder by split."""
    tracks, entries = _read_entries(spec, path, index)
    labels_used = sorted({label for _, labels, _ in entries for label in labels})
    names = spec.classes or tuple(labels_used)
    if strange := sorted(set(labels_used) - set(names)):
        raise ValueError(f"{spec.name}: label {strange[0]!r} is outside the class list {', '.join(names)}")
    recordings = [
        Recording(
            path=str(track.audio_path),
            recording_id=recording_id,
            clip_id=str(track.track_id),
            labels=tuple(names.index(label) for label in dict.fromkeys(labels)),
        )
        for track, (recording_id, labels, _) in zip(tracks, entries, strict=True)
    ]
    splits = _split(recordings, [split for *_, split in entries], seed)
    return Listing(splits, names, spec.multi_label, _citation(spec.name))


def _read_entries(spec: MirdataSet, path: str | None, index: str | None) -> tuple[list[Any], list[Entry]]:
    """mirdata's tracks of a folder, and what is known of each."""
    how = spec.how.format(path or "FOLDER")
    folder = files.need_folder(spec.name, path, f"what this downloads: {how}")
    mirdata = lookup.package("mirdata", f"reading {spec.name}")
    loader = mirdata.initialize(spec.name, data_home=os.fspath(folder))
    if index is not None:
        loader.__dict__["_index"] = _read_index(index)
    tracks, entries, unfit = [], [], []
    # mirdata reads the annotations of a track when they are asked for, and raises what its parsers raise.
    with reading(folder, f"the data set {spec.name}", f"get it by {how}"):
        for track in _load_tracks(spec.name, loader, folder, how):
            try:
                recording_id, labels, split = spec.describe(track)
                entries.append((recording_id, list(labels), split))
                tracks.append(track)
            except (AttributeError, KeyError, TypeError, AssertionError, FileNotFoundError, IndexError):
                unfit.append(track.audio_path)
    if unfit:
        raise files.misfits(spec.name, "annotations for every track of mirdata's index", unfit)
    return tracks, entries


def number_in(text: str, pattern: str) -> str:
    """The first group of the pattern in the text; KeyError where it does not occur."""
    match = re.search(pattern, text)
    if match is None:
        raise KeyError(text)
    return match.group(1)


def _read_index(index: str) -> dict[str, Any]:
    path = pathlib.Path(index).expanduser()
    regular_file(path)
    return read_json(path, remedy="name a mirdata index, or leave index= out")


def _load_tracks(name: str, loader: Any, folder: pathlib.Path, how: str) -> list[Any]:
    try:
        tracks = list(loader.load_tracks().values())
        if tracks and loader._metadata is None:
            return tracks
    except FileNotFoundError as error:
        raise FileNotFoundError(f"{name}: {folder} is not complete ({error}); get it by {how}") from error
    return tracks


def _citation(name: str) -> str:
    import mirdata

    return mirdata.initialize(name).bibtex.strip()


def _split(recordings: list[Recording], splits: list[str | None], seed: int) -> dict[str, list[Recording]]:
    """The recordings by split; those whose split is None are drawn."""
    pairs = list(zip(recordings, splits, strict=True))
    by_split = {name: [recording for recording, split in pairs if split == name] for name in files.SPLITS}
    to_draw = [recording for recording, split in pairs if split is None]
    if not to_draw:
        return by_split
    drawn = files.split_recordings(to_draw, seed)
    if by_split["test"]:
        # The data set has a test split: what would be ours goes back to training.
        drawn = {"train": drawn["train"] + drawn["test"], "validation": drawn["validation"], "test": []}
    return {name: by_split[name] + drawn[name] for name in files.SPLITS}
