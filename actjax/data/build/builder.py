"""Builds data sets as TFDS builders: makes shards first, then ArrayRecord files without TensorFlow.

Beside the records of a prepared data set lie `index_<split>.npz` (clip and recording ids, labels and
content hashes in the records' order), `skipped.json` (what was left out, and why) and `overlaps.json` (which
recordings hold the same stretch of sound).
"""

import contextlib
import dataclasses
import io
import os
import pathlib
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow_datasets as tfds
from absl import logging

from actjax import files
from actjax.data.build import overlaps, prepared, preparing, records
from actjax.data.build import shards as build_shards
from actjax.data.build.index import check_index, read_index


@dataclasses.dataclass(eq=False)
class ClipConfig(tfds.core.BuilderConfig):
    """A TFDS config that says how clips are made; its name stands for all that they depend on.

    Attributes:
      sample_rate_hz, clip_seconds: of every clip.
    """

    sample_rate_hz: int = 12_000
    clip_seconds: float = 3.0

    @property
    def clip_samples(self) -> int:
        """Samples of a clip."""
        return round(self.clip_seconds * self.sample_rate_hz)


class ClipBuilder(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    """A TFDS builder whose examples are clips made in shards, on all cores, resumably.

    A subclass gives `class_names`, `jobs()` and `work()`; `workers` may be set before preparing.
    """

    # 1.1.0: the index says how long the signal in each clip is.
    VERSION = tfds.core.Version("1.1.0")
    builder_config: ClipConfig
    workers: int | None = None
    shard_size = 40
    class_names: tuple[str, ...] = ()
    multi_label = False
    description = ""
    citation = ""

    def __init__(self, **kwargs: Any):
        try:
            super().__init__(**kwargs)
        except Exception:
            # TFDS reads the description of a prepared data set; without a folder no file is at fault.
            if not os.path.isdir(getattr(self, "_data_dir", None) or ""):
                raise
            with prepared.opening(self.data_dir):
                raise

    def jobs(self) -> Mapping[str, Sequence[Any]]:
        """The items of each split."""
        raise TypeError(f"{type(self).__name__} gives no jobs()")

    def work(self) -> Callable[[Any], Iterable[build_shards.Example]]:
        """A picklable function item -> examples with all of `features()`, `content`, `length` and `note`."""
        raise TypeError(f"{type(self).__name__} gives no work()")

    def passed_over(self) -> Sequence[tuple[str, str]]:
        """(what, why) of the files that were found but are no items."""
        return ()

    def extra_features(self) -> dict[str, Any]:
        """Features beyond audio, label(s), clip_id and recording_id."""
        return {}

    def check(self, index: Mapping[str, Mapping[str, np.ndarray]]) -> None:
        """Checks the index of every split before anything is written."""
        check_index(index)

    @property
    def sample_rate_hz(self) -> int:
        """The sample rate of every clip."""
        return self.builder_config.sample_rate_hz

    @property
    def clip_samples(self) -> int:
        """How many samples every clip has."""
        return self.builder_config.clip_samples

    def download_and_prepare(self, **kwargs: Any) -> None:
        """Makes the data set unless it is there; resumes where an earlier call was stopped."""
        if self._taken_up(kwargs) and not self._leftovers():
            return
        with preparing.one_preparer(self):
            if not self._taken_up(kwargs):
                self._prepare(kwargs)
            # Of this call, and of one that was killed right before its end.
            for path in self._leftovers():
                shutil.rmtree(path, ignore_errors=True)

    def _leftovers(self) -> list[pathlib.Path]:
        """What preparations of this version left, and can be removed: shards, folders not yet renamed."""
        unfinished = self.data_path.parent.glob(f"incomplete.*_{self.version}")
        if not os.access(self.data_path.parent.parent, os.W_OK):
            return []
        return [pathlib.Path(path) for path in (*unfinished, self._shard_folder()) if path.exists()]

    def _taken_up(self, kwargs: dict[str, Any]) -> bool:
        """Whether the data set is there and is not to be made anew; it may be younger than this builder."""
        if "download_config" in kwargs or not os.path.isdir(self.data_dir):
            return False
        prepared.read_description(self)
        return True

    def _prepare(self, kwargs: dict[str, Any]) -> None:
        kwargs.setdefault("file_format", "array_record")
        kwargs.setdefault("download_config", tfds.download.DownloadConfig(try_download_gcs=False))
        for leftover in self.data_path.parent.glob(f"incomplete.*_{self.version}"):
            shutil.rmtree(leftover, ignore_errors=True)
        with quiet():
            super().download_and_prepare(**kwargs)
        prepared.check_described(self)

    def _info(self) -> tfds.core.DatasetInfo:
        label = {"label": tfds.features.ClassLabel(names=list(self.class_names))}
        if self.multi_label:
            shape = (len(self.class_names),)
            label = {"labels": tfds.features.Tensor(shape=shape, dtype=np.uint8, encoding="bytes")}
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

    def _download_and_prepare(self, dl_manager: Any, download_config: Any) -> None:
        del dl_manager, download_config
        jobs = self.jobs()
        paths = build_shards.make_shards(
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
        for split, shards in paths.items():
            index[split], left_out = read_index(shards)
            skipped += [{**entry, "split": split} for entry in left_out]
        skipped += [{"item": item, "reason": reason, "split": ""} for item, reason in self.passed_over()]
        self._report(sum(map(len, jobs.values())), skipped)
        self._report_notes(index)
        self.check(index)
        for split, columns in index.items():
            np.savez(os.path.join(self.data_dir, f"index_{split}.npz"), **columns)
        files.write_json(pathlib.Path(self.data_dir, "skipped.json"), skipped)
        overlaps.write(pathlib.Path(self.data_dir), overlaps.find(paths))
        splits = [self._write(split, shards, index[split]) for split, shards in paths.items()]
        self.info.set_splits(tfds.core.SplitDict([split for split in splits if split is not None]))

    def _write(
        self, split: str, shards: Sequence[pathlib.Path], index: Mapping[str, np.ndarray]
    ) -> tfds.core.SplitInfo | None:
        count = len(index["clip_id"])
        if count == 0:
            return None
        features = self.info.features
        if not isinstance(features, tfds.features.FeaturesDict):
            raise TypeError(f"expected the features of _info, got {features!r}")
        names = list(features)
        return records.write_split(
            (
                {name: _plain(example[name]) for name in names}
                for example in build_shards.read_shards(shards, names)
            ),
            count,
            features=features,
            template=self._get_filename_template(split),
            example_bytes=2 * self.clip_samples + 8192,
        )

    def _split_generators(self, dl_manager: Any) -> dict[str, Any]:
        raise TypeError("actjax's builders write their splits in _download_and_prepare")

    def _generate_examples(self) -> None:
        raise TypeError("actjax's builders write their splits in _download_and_prepare")

    def _report(self, items: int, skipped: list[dict[str, str]]) -> None:
        """Says how much was left out, the items before the files that were passed over."""
        if not skipped:
            return
        first = "; ".join(f"{entry['item']}: {entry['reason']}" for entry in skipped[:3])
        failed = sum(bool(entry["split"]) for entry in skipped)
        if failed == items:
            raise ValueError(f"{self.name}: none of {items} items can be used ({first})")
        total = items + len(skipped) - failed
        print(
            f"{self.name}: left out {len(skipped)} of {total} items ({first}); see skipped.json",
            file=sys.stderr,
        )

    def _report_notes(self, index: Mapping[str, Mapping[str, np.ndarray]]) -> None:
        """Says of how many recordings the sound was changed, and how."""
        changed = {}
        for columns in index.values():
            for i in np.flatnonzero(columns["note"]):
                changed.setdefault(str(columns["recording_id"][i]), str(columns["note"][i]))
        if changed:
            first = "; ".join(f"{name}: {note}" for name, note in list(changed.items())[:3])
            print(f"{self.name}: changed {len(changed)} recordings ({first})", file=sys.stderr)

    def _shard_folder(self) -> pathlib.Path:
        return preparing.beside(self, "shards")


class _LocalInfo(tfds.core.DatasetInfo):
    """Information that is never looked for in the catalogue's cloud bucket."""

    def initialize_from_bucket(self) -> None:
        """Does nothing: TFDS would leave an empty folder in the system's temporary one each time."""


def _plain(value: Any) -> Any:
    """NumPy strings and scalars as Python's, arrays as they are."""
    return value.item() if isinstance(value, np.generic) or np.ndim(value) == 0 else value


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Silences TFDS's banner, bars and remarks: the shards have a bar, and collecting them takes seconds."""
    verbosity = logging.get_verbosity()
    logging.set_verbosity(logging.ERROR)
    tfds.disable_progress_bar()
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        tfds.enable_progress_bar()
        logging.set_verbosity(verbosity)
