"""Opens a prepared data set: its index, checked against its records, and its records one by one.

Every chunk of an ArrayRecord file carries a hash that is checked as it is read, and so does every member of
an index file. Damage is therefore noticed, and one line names the file and says what to do.
"""

import bisect
import contextlib
import itertools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from actjax import files
from actjax.data.build.index import KINDS, LABEL_KINDS
from actjax.npz import read_arrays

# Columns that every index has, beside "label" or "labels"; one entry a clip.
COLUMNS = ("clip_id", "recording_id", "content", "length")


def open_split(builder: Any, split: str) -> tuple[dict[str, np.ndarray], "Records"]:
    """The index columns of a split and its records, of a prepared builder.

    Raises:
      FileError: a file is missing, damaged or does not belong to the others.
    """
    columns = read_index_file(Path(builder.data_dir, f"index_{split}.npz"), builder.clip_samples)
    return columns, Records(builder, split, columns["clip_id"].tolist())


def read_index_file(path: Path, clip_samples: int) -> dict[str, np.ndarray]:
    """The columns of an index file, all of one length.

    Raises:
      FileError: it is missing, damaged, or lacks a column.
    """
    with _of_prepared(path, "the index of a prepared data set"):
        columns = read_arrays(path)
        lacking = [name for name in COLUMNS if name not in columns]
        if lacking or not {"label", "labels"} & set(columns):
            raise ValueError(f"it lacks the column {(lacking or ['label'])[0]}")
        kinds = {name: kind for name, kind in (KINDS | LABEL_KINDS).items() if name in columns}
        if any(columns[name].dtype.kind not in kind for name, kind in kinds.items()):
            raise ValueError("a column holds values of another kind")
        counts = {len(column) for column in columns.values()}
        length = columns["length"]
        if len(counts) != 1 or not ((length > 0) & (length <= clip_samples)).all():
            raise ValueError("its columns do not fit each other")
    return columns


class Records:
    """The examples of a split, each read and checked when it is asked for."""

    def __init__(self, builder: Any, split: str, clip_ids: list[str]):
        with _of_prepared(
            Path(builder.data_dir, "dataset_info.json"), "the description of a prepared data set"
        ):
            info = builder.info.splits[split]
            self._paths = [Path(p) for p in info.filepaths]
            self._starts = list(itertools.accumulate(info.shard_lengths, initial=0))
            if not self._paths:
                raise ValueError("it names no file of records")
        self._clip_ids, self._index_name = clip_ids, f"index_{split}.npz"
        for path in self._paths:
            with _of_prepared(path, "the records of a prepared data set"):
                if not path.exists():
                    raise files.FileError(path, "is missing, but dataset_info.json names it")
                files.regular_file(path)
        with _of_prepared(self._paths[0], "the records of a prepared data set"):
            self._source = builder.as_data_source(split)
            if not len(self._source) == self._starts[-1] == len(clip_ids):
                raise ValueError(
                    f"{len(self._source)} records, where {self._index_name} has {len(clip_ids)} clips"
                )

    def __len__(self) -> int:
        return len(self._clip_ids)

    def __getitem__(self, index: int) -> dict[str, Any]:
        if not 0 <= index < len(self):  # also ends a loop over the records
            raise IndexError(f"expected a record of 0 to {len(self) - 1}, got {index}")
        path = self._paths[bisect.bisect_right(self._starts, index) - 1]
        with _of_prepared(path, "the records of a prepared data set"):
            example = self._source[index]
            if example["clip_id"].decode() != self._clip_ids[index]:
                raise ValueError(
                    f"record {index} is not of the clip {self._clip_ids[index]!r}, as {self._index_name} says"
                )
        return example


def read_description(builder: tfds.core.DatasetBuilder) -> None:
    """Reads what a prepared data set holds, where its builder is older than its files."""
    if not builder.info.splits:
        # TFDS takes the format for its own default until it is told.
        builder.info.set_file_format("array_record", override=True)
        builder.info.read_from_directory(builder.data_dir)


def check_described(builder: Any) -> None:
    """Raises FileError where the folder of a prepared data set does not say what it holds."""
    if os.path.isdir(builder.data_dir) and not builder.info.splits:
        raise files.FileError(_description(builder.data_dir), f"is missing; {_remedy(builder.data_dir)}")


@contextlib.contextmanager
def opening(folder: str | os.PathLike[str]) -> Iterator[None]:
    """Turns what TFDS raises over the description of a prepared data set into a FileError that names it."""
    with _of_prepared(_description(folder), "the description of a prepared data set"):
        yield


def _description(folder: str | os.PathLike[str]) -> Path:
    return Path(folder, "dataset_info.json")


def _remedy(folder: str | os.PathLike[str]) -> str:
    return f"delete the folder {folder} and run --stage=data"


@contextlib.contextmanager
def _of_prepared(path: Path, expected: str) -> Iterator[None]:
    """Turns every error over a file of a prepared data set into one that says what to do."""
    try:
        with files.reading(path, expected):
            yield
    except FileNotFoundError as error:
        raise files.FileError(path, f"is missing; {_remedy(path.parent)}") from error
    except files.FileError as error:
        message = str(error).removeprefix(f"{files.printable(os.fspath(path))}: ")
        raise files.FileError(path, f"{message}; {_remedy(path.parent)}") from error
