"""Builds clips from audio classification sets of the tensorflow-datasets catalogue."""

import dataclasses
import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from actjax import lookup
from actjax.data.build import prepared, preparing, shards
from actjax.data.build.builder import quiet
from actjax.data.recordings import decode, files
from actjax.data.recordings import sound as recordings_sound
from actjax.data.recordings.decode import Cutting, Recording
from actjax.data.recordings.files import FileBuilder, Listing

_SPLIT_NAMES = {
    "train": "train",
    "validation": "validation",
    "valid": "validation",
    "dev": "validation",
    "test": "test",
}


class CatalogueBuilder(FileBuilder, skip_registration=True):
    """Clips of the examples of another TFDS builder; an item's path is "<name>/<split>/<number>".

    The other one is downloaded and prepared when this one is prepared, not before.
    """

    origin: Any = None
    audio_key = "audio"
    label_key = "label"
    source_rate_hz = 0
    seed = 0

    def jobs(self) -> Mapping[str, Sequence[Recording]]:
        """The examples of each split of the other builder, which is prepared first if it is not yet."""
        _prepare(self.name, self.origin)
        try:
            recordings = _list(self.origin, self.label_key, self.seed)
        except NotImplementedError as error:
            raise ValueError(
                f"{self.name}: {self.origin.data_dir} holds {self.origin.info.file_format} files, expected "
                "array_record; prepare it anew by another source_dir="
            ) from error
        files.check_listing(
            self.name, dataclasses.replace(self.builder_config.listing, recordings=recordings)
        )
        return recordings

    def work(self) -> Callable[[Recording], Iterable[shards.Example]]:
        """Cuts one example; it reads the other builder's files, so it stays in this process."""
        sources = {split: self.origin.as_data_source(split) for split in self.origin.info.splits}
        return functools.partial(
            _cut_example, sources, self.audio_key, self.source_rate_hz, self.builder_config.cutting
        )


def make(
    name: str,
    *,
    catalogue_name: str,
    audio: str = "audio",
    label: str = "label",
    source_dir: str | None = None,
    source_rate_hz: int | None = None,
    data_dir: str | None = None,
    seed: int = 0,
    **options: Any,
) -> FileBuilder:
    """The builder `name` of a catalogue set.

    When our builder is prepared and the catalogue's set is not there, the catalogue's builder downloads and
    prepares it as ArrayRecord files.

    Args:
      name: ours.
      catalogue_name: TFDS's: "gtzan", "nsynth/full".
      audio, label: its features; a dot goes into a nested one ("instrument.family").
      source_dir: where TFDS keeps it; TFDS's default when None.
      source_rate_hz: of its audio, where the feature does not say.
      data_dir: where our clips go; TFDS's default when None.
      seed: of the 70 / 15 / 15 split, where it has only a training split.
      **options: those of `files.make_builder`.

    Raises:
      ModuleNotFoundError: TensorFlow is needed to prepare it, and missing.
      ValueError: TFDS does not know it, or it has no such features.
    """
    origin = _open(name, catalogue_name, source_dir)
    kind = _feature(name, origin, label)
    if not isinstance(kind, tfds.features.ClassLabel):
        raise ValueError(
            f"{name}: the feature {label!r} of {catalogue_name} is no class label; say which by label="
        )
    rate = source_rate_hz or getattr(_feature(name, origin, audio), "sample_rate", None)
    if not rate:
        raise ValueError(f"{name}: {catalogue_name} does not say its sample rate; give source_rate_hz=")
    builder = files.make_builder(
        name,
        Listing({}, tuple(kind.names), citation=origin.info.citation),
        data_dir=data_dir,
        base=CatalogueBuilder,
        identity=f"{origin.info.full_name} {audio} {label} {rate} {seed}",
        **options,
    )
    builder.origin, builder.audio_key, builder.label_key = origin, audio, label
    builder.source_rate_hz, builder.seed, builder.workers = rate, seed, 1
    return builder


def _open(name: str, catalogue_name: str, source_dir: str | None) -> Any:
    """The catalogue's own builder, prepared or not."""
    try:
        with quiet():
            return tfds.builder(catalogue_name, data_dir=source_dir)
    except tfds.core.DatasetNotFoundError as error:
        raise ValueError(f"{name}: tensorflow-datasets knows no data set {catalogue_name!r}") from error
    except ImportError as error:
        raise lookup.missing_package("tensorflow", f"{name}: preparing {catalogue_name}") from error


def _prepare(name: str, origin: Any) -> None:
    """Downloads and prepares the catalogue's own set unless it is there; one run at a time."""
    if not origin.data_path.exists():
        with preparing.one_preparer(origin):
            if not origin.data_path.exists():
                try:
                    origin.download_and_prepare(file_format="array_record")
                except ImportError as error:
                    raise lookup.missing_package("tensorflow", f"{name}: preparing {origin.name}") from error
    prepared.read_description(origin)


def _feature(name: str, origin: Any, key: str) -> Any:
    feature = origin.info.features
    for step in key.split("."):
        if step not in feature:
            raise ValueError(f"{name}: {origin.name} has no feature {key!r}; it has {', '.join(feature)}")
        feature = feature[step]
    return feature


def _list(origin: Any, label: str, seed: int) -> dict[str, list[Recording]]:
    recordings: dict[str, list[Recording]] = {}
    for split in map(str, origin.info.splits):
        source = origin.as_data_source(split)
        for number in range(len(source)):
            place = f"{origin.info.full_name}/{split}/{number}"
            labels = (int(_get(source[number], label)),)
            recordings.setdefault(_SPLIT_NAMES.get(split, split), []).append(
                Recording(place, place, place, labels)
            )
    if set(recordings) == {"train"}:
        recordings = files.split_recordings(recordings["train"], seed)
    return recordings


def _cut_example(
    sources: Mapping[str, Any], audio_key: str, rate: int, cutting: Cutting, recording: Recording
) -> Iterable[shards.Example]:
    split, number = recording.path.split("/")[-2:]
    audio = np.asarray(_get(sources[split][int(number)], audio_key))
    # Integers are 16-bit samples, whatever type TFDS stores them in.
    wave = audio / np.float32(32768.0) if np.issubdtype(audio.dtype, np.integer) else audio
    block = wave.astype(np.float32).reshape(len(wave), -1)
    sound = recordings_sound.of_blocks(
        recordings_sound.Decoded(rate, lambda: iter([block])), cutting.sample_rate_hz
    )
    return decode.cut_sound(sound, cutting, recording)


def _get(example: Any, key: str) -> Any:
    return functools.reduce(lambda value, name: value[name], key.split("."), example)
