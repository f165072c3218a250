"""Collects the index of a split, which says all of its clips but their audio, and checks it."""

import collections
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from actjax import files
from actjax.data.build import shards
from actjax.files import FileError
from actjax.npz import read_arrays

# Kinds of the columns that every shard with examples has.
KINDS = {"clip_id": "U", "recording_id": "U", "content": "U", "note": "U", "length": "iu"}
# Of columns that it may have.
LABEL_KINDS = {"label": "iu", "labels": "iub"}
FIELDS = ("clip_id", "recording_id", "label", "labels", "content", "length", "note")


def read_index(paths: Sequence[pathlib.Path]) -> tuple[dict[str, np.ndarray], list[dict[str, str]]]:
    """(index columns, skipped) of a split, reading no audio.

    Raises:
      FileError: a shard lacks a column or has one of another kind.
    """
    columns, skipped = collections.defaultdict(list), []
    for path in shards.pieces_of(paths):
        shard = read_arrays(path, (*FIELDS, "__skipped__", "__parts__"))
        skipped += shards.skipped_and_pieces(path, shard)[0]
        lacking = any(name not in shard for name in KINDS)
        lacking |= any(shard[n].dtype.kind not in k for n, k in (KINDS | LABEL_KINDS).items() if n in shard)
        # Columns of every shard are joined: entries of one shape, whatever their number.
        joined = all(
            column.ndim and column.shape[1:] == columns.get(name, [column])[0].shape[1:]
            for name, column in shard.items()
        )
        if shard and (lacking or not joined):
            raise FileError(path, "is damaged; delete it and run --stage=data again")
        for name, column in shard.items():
            columns[name].append(column)
    if not columns:
        empty = {name: np.zeros(0, "U1") for name in ("clip_id", "recording_id", "content", "note")}
        return empty | {"length": np.zeros(0, np.int32)}, skipped
    return {name: np.concatenate(blocks) for name, blocks in columns.items()}, skipped


def check_index(index: Mapping[str, Mapping[str, np.ndarray]]) -> None:
    """Refuses clip ids that occur twice and recordings that stand in two splits."""
    clips = collections.Counter(c for columns in index.values() for c in columns["clip_id"].tolist())
    twice = [clip for clip, count in clips.items() if count > 1]
    if twice:
        raise ValueError(
            f"clip ids must be unique; {len(twice)} occur twice, the first: {', '.join(twice[:3])}"
        )
    split_of: dict[str, str] = {}
    for split, columns in index.items():
        for recording in set(columns["recording_id"].tolist()):
            if split_of.setdefault(recording, split) != split:
                raise ValueError(
                    f"recording {recording!r} stands in the splits {split_of[recording]} and {split}; "
                    "each recording must stay in one"
                )


def builder_skipped(builder: Any) -> list[dict[str, str]]:
    """What was left out when the data set was prepared: a list of {"item", "reason", "split"}."""
    return files.read_json(pathlib.Path(builder.data_dir, "skipped.json"), [], kind=list)
