"""What all of actjax's TFDS builders share: shards first, then ArrayRecord files without TensorFlow.

Beside the records of a prepared data set lie `index_<split>.npz` (clip and recording ids, labels and
content hashes in the records' order) and `skipped.json` (what was left out, and why).
"""

import collections
import contextlib
import dataclasses
import hashlib
import io
import json
import os
import pathlib
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow_datasets as tfds
from absl import logging

from actjax.datasets import _shards

INDEX_FIELDS = ("clip_id", "recording_id", "label", "content")
MULTI_LABEL_FIELD = "labels"


@dataclasses.dataclass(eq=False)
class ClipConfig(tfds.core.BuilderConfig):
    """A TFDS config that says how clips are made.

    Attributes:
      sample_rate_hz, clip_seconds: of every clip.
      identity: everything else the prepared files depend on; a change of it makes a new folder.
    """

    sample_rate_hz: int = 12_000
    clip_seconds: float = 3.0
    identity: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def clip_samples(self) -> int:
        """Samples of a clip."""
        return round(self.clip_seconds * self.sample_rate_hz)

    def digest(self) -> str:
        """8 hexadecimal digits that stand for the config's options."""
        text = json.dumps(
            [self.name, self.sample_rate_hz, self.clip_seconds, dict(self.identity)], sort_keys=True
        )
        return hashlib.sha256(text.encode()).hexdigest()[:8]


class ClipBuilder(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    """A TFDS builder whose examples are clips made in shards, on all cores, resumably.

    A subclass gives `class_names`, `jobs()` and `work()`; `workers` may be set before preparing.
    """

    VERSION = tfds.core.Version("1.0.0")
    workers: int | None = None
    shard_size = 40
    class_names: tuple[str, ...] = ()
    multi_label = False
    description = ""
    citation = ""

    def jobs(self) -> Mapping[str, Sequence[Any]]:
        """The items of each split."""
        raise TypeError(f"{type(self).__name__} gives no jobs()")

    def work(self) -> Callable[[Any], list[_shards.Example]]:
        """A picklable function item -> examples with all of `features()` and `content`."""
        raise TypeError(f"{type(self).__name__} gives no work()")

    def extra_features(self) -> dict[str, Any]:
        """Features beyond audio, label(s), clip_id and recording_id."""
        return {}

    def check(self, index: Mapping[str, Mapping[str, np.ndarray]]) -> None:
        """Called with the index of every split before anything is written."""
        check_index(index)

    @property
    def sample_rate_hz(self) -> int:
        """Of every clip."""
        return self.builder_config.sample_rate_hz

    @property
    def clip_samples(self) -> int:
        """Of every clip."""
        return self.builder_config.clip_samples

    def download_and_prepare(self, **kwargs: Any) -> None:
        """Makes the data set unless it is there; resumes where an earlier call was stopped."""
        kwargs.setdefault("file_format", "array_record")
        kwargs.setdefault("download_config", tfds.download.DownloadConfig(try_download_gcs=False))
        with quiet():
            super().download_and_prepare(**kwargs)
        shutil.rmtree(self._shard_folder(), ignore_errors=True)

    def _info(self) -> tfds.core.DatasetInfo:
        label = {"label": tfds.features.ClassLabel(names=list(self.class_names))}
        if self.multi_label:
            shape = (len(self.class_names),)
            label = {MULTI_LABEL_FIELD: tfds.features.Tensor(shape=shape, dtype=np.uint8, encoding="bytes")}
        features = {
            "audio": tfds.features.Tensor(shape=(self.clip_samples,), dtype=np.int16, encoding="bytes"),
            "clip_id": tfds.features.Text(),
            "recording_id": tfds.features.Text(),
            **label,
            **self.extra_features(),
        }
        return _LocalInfo(
            builder=self,
            description=self.description,
            citation=self.citation,
            features=tfds.features.FeaturesDict(features),
            # Records keep the order of the index; the loader shuffles.
            disable_shuffling=True,
        )

    def _split_generators(self, dl_manager: Any) -> dict[str, Any]:
        del dl_manager
        jobs = self.jobs()
        paths = _shards.make_shards(
            jobs,
            self.work(),
            folder=self._shard_folder(),
            title=self.name,
            shard_size=self.shard_size,
            workers=self.workers,
            # Twice: the shards, and the records collected from them.
            bytes_per_item=2 * (2 * self.clip_samples + 8192),
        )
        index, skipped = {}, []
        for split, files in paths.items():
            index[split], left_out = read_index(files)
            skipped += [{**entry, "split": split} for entry in left_out]
        self._report(sum(map(len, jobs.values())), skipped)
        self.check(index)
        for split, columns in index.items():
            np.savez(os.path.join(self.data_dir, f"index_{split}.npz"), **columns)
        pathlib.Path(self.data_dir, "skipped.json").write_text(json.dumps(skipped, indent=1))
        return {
            split: self._generate_examples(files)
            for split, files in paths.items()
            if len(index[split]["clip_id"])
        }

    def _generate_examples(self, paths: Sequence[pathlib.Path]) -> Iterator[tuple[int, dict[str, Any]]]:
        for key, example in enumerate(_shards.read_shards(paths)):
            yield key, {name: _plain(example[name]) for name in self.info.features}

    def _report(self, total: int, skipped: list[dict[str, str]]) -> None:
        if not skipped:
            return
        first = "; ".join(f"{entry['item']}: {entry['reason']}" for entry in skipped[:3])
        if len(skipped) == total:
            raise ValueError(f"{self.name}: none of {total} items can be used ({first})")
        print(
            f"{self.name}: left out {len(skipped)} of {total} items ({first}); see skipped.json",
            file=sys.stderr,
        )

    def _shard_folder(self) -> pathlib.Path:
        config = self.builder_config
        return pathlib.Path(
            self.data_path.parent.parent, f".shards-{config.name}-{config.digest()}-{self.version}"
        )


class _LocalInfo(tfds.core.DatasetInfo):
    """Information that is never looked for in the catalogue's cloud bucket."""

    def initialize_from_bucket(self) -> None:
        """Nothing: TFDS would leave an empty folder in the system's temporary one each time."""


def read_index(paths: Sequence[pathlib.Path]) -> tuple[dict[str, np.ndarray], list[dict[str, str]]]:
    """(index columns, skipped) of a split, reading no audio."""
    columns, skipped = collections.defaultdict(list), []
    for path in paths:
        with np.load(path, allow_pickle=False) as archive:
            skipped += json.loads(str(archive["__skipped__"]))
            for name in (*INDEX_FIELDS, MULTI_LABEL_FIELD):
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


def builder_skipped(builder: tfds.core.DatasetBuilder) -> list[dict[str, str]]:
    """What was left out when the data set was prepared: a list of {"item", "reason", "split"}."""
    path = pathlib.Path(builder.data_dir, "skipped.json")
    return json.loads(path.read_text()) if path.exists() else []


def _plain(value: Any) -> Any:
    """NumPy strings and scalars as Python's, arrays as they are."""
    return value.item() if isinstance(value, np.generic) or np.ndim(value) == 0 else value


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """TFDS's own banner, bars and remarks off: the shards have a bar, collecting them takes seconds."""
    verbosity = logging.get_verbosity()
    logging.set_verbosity(logging.ERROR)
    tfds.disable_progress_bar()
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        tfds.enable_progress_bar()
        logging.set_verbosity(verbosity)
