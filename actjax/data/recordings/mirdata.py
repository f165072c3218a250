"""What the data sets read through mirdata share: a downloaded folder and its index in, a listing out."""

import os
import pathlib
import re
from collections.abc import Callable, Iterable
from typing import Any

from actjax import lookup
from actjax.data.recordings import files
from actjax.data.recordings.decode import Recording
from actjax.data.recordings.files import FileBuilder, Listing
from actjax.files import read_json, reading, regular_file

# One track: (recording id, labels, split or None where the data set leaves it open).
Entry = tuple[str, Iterable[str], str | None]


def make(
    name: str,
    describe: Callable[[Any], Entry],
    *,
    path: str | None,
    index: str | None,
    classes: tuple[str, ...] | None = None,
    multi_label: bool = False,
    seed: int = 0,
    **options: Any,
) -> FileBuilder:
    """The builder of a data set that mirdata knows.

    Splits that the data set leaves open are drawn at random by recording: 70 / 15 / 15 where it has
    none, 15 of 100 training recordings for validation where it has training and test splits alone.

    Args:
      name: mirdata's name of it, and ours.
      describe: mirdata track -> Entry.
      path: the folder that mirdata's `download()` filled.
      index: a mirdata index file; the one mirdata downloaded when None.
      classes: the class names in order; those found, sorted, when None.
      multi_label: whether a track may have several labels.
      seed: of the random splits.
      **options: those of `_files.make_builder`.

    Raises:
      FileNotFoundError: the folder, the index or its metadata is missing; says how to get them.
      FileError: the index or the folder's metadata are damaged.
      ValueError: tracks that do not fit the data set's layout.
    """
    home = path or "FOLDER"
    how = f"python -c \"import mirdata; mirdata.initialize('{name}', data_home='{home}').download()\""
    folder = files.need_folder(name, path, f"what this downloads: {how}")
    mirdata = lookup.package("mirdata", f"reading {name}")
    loader = mirdata.initialize(name, data_home=os.fspath(folder))
    if index is not None:
        loader.__dict__["_index"] = _read_index(index)
    entries, unfit = [], []
    # mirdata reads the annotations of a track when they are asked for, and raises what its parsers raise.
    with reading(folder, f"the data set {name}", f"get it by {how}"):
        for track in _load_tracks(name, loader, folder, how):
            try:
                entries.append((track, *describe(track)))
            except (AttributeError, KeyError, TypeError, AssertionError, FileNotFoundError, IndexError):
                unfit.append(track.audio_path)
    if unfit:
        raise files.misfits(name, "annotations for every track of mirdata's index", unfit)
    found = sorted({label for _, _, labels, _ in entries for label in labels})
    names = classes or tuple(found)
    if set(found) - set(names):
        label = min(set(found) - set(names))
        raise ValueError(f"{name}: label {label!r} is outside the class list {', '.join(names)}")
    recordings = [
        Recording(
            path=str(track.audio_path),
            recording_id=recording,
            clip_id=str(track.track_id),
            labels=tuple(names.index(label) for label in dict.fromkeys(labels)),
        )
        for track, recording, labels, _ in entries
    ]
    splits = _split(recordings, [split for *_, split in entries], seed)
    return files.make_builder(name, Listing(splits, names, multi_label, _citation(name)), **options)


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


def _split(recordings: list[Recording], given: list[str | None], seed: int) -> dict[str, list[Recording]]:
    open_ones = [r for r, split in zip(recordings, given, strict=True) if split is None]
    splits = {s: [r for r, own in zip(recordings, given, strict=True) if own == s] for s in files.SPLITS}
    if not open_ones:
        return splits
    drawn = files.split_recordings(open_ones, seed)
    if splits["test"]:
        # The data set has a test split: what would be ours goes back to training.
        drawn = {"train": drawn["train"] + drawn["test"], "validation": drawn["validation"], "test": []}
    return {split: splits[split] + drawn[split] for split in files.SPLITS}
