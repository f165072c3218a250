"""What is known of a split's clips without reading audio, its checks, and what was left out."""

import collections
import json
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

FIELDS = ("clip_id", "recording_id", "label", "labels", "content")


def read_index(paths: Sequence[pathlib.Path]) -> tuple[dict[str, np.ndarray], list[dict[str, str]]]:
    """(index columns, skipped) of a split, reading no audio."""
    columns, skipped = collections.defaultdict(list), []
    for path in paths:
        with np.load(path, allow_pickle=False) as archive:
            skipped += json.loads(str(archive["__skipped__"]))
            for name in FIELDS:
                if name in archive.files:
                    columns[name].append(archive[name])
    if not columns:
        return {
            "clip_id": np.zeros(0, "U1"),
            "recording_id": np.zeros(0, "U1"),
            "content": np.zeros(0, "U1"),
        }, skipped
    return {name: np.concatenate(parts) for name, parts in columns.items()}, skipped


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
    path = pathlib.Path(builder.data_dir, "skipped.json")
    return json.loads(path.read_text()) if path.exists() else []
