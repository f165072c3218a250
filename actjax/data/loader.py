"""From a prepared data set to batches: random access, then a deterministic plan of batches read by Grain."""

import dataclasses
import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from actjax.data.build import prepared
from actjax.data.build.index import builder_skipped
from actjax.data.plan import Plan, steps
from actjax.types import Batch

__all__ = ["Source", "batches", "builder_skipped", "open_source", "steps"]


@dataclasses.dataclass(frozen=True)
class Source:
    """Random access to the clips of one split, and what is known of them without reading audio.

    Attributes:
      reader: anything with `len` and `[i] -> {"audio": [samples] int16 or float32, ...}`.
      clip_ids, recording_ids: [n] lists of str.
      labels: [n] int32, or [n, classes] uint8 (multi-hot).
      class_names: of the labels.
      sample_rate_hz, clip_samples: of every clip; the loader cuts or pads to clip_samples.
      fingerprint: a hash of all clips' content and order.
      lengths: [n] int32 samples of signal in each clip, what follows being padding; None where all
        clips are full.
    """

    reader: Any
    clip_ids: list[str]
    recording_ids: list[str]
    labels: np.ndarray
    class_names: tuple[str, ...]
    sample_rate_hz: int
    clip_samples: int
    fingerprint: str
    lengths: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.clip_ids)

    def __getitem__(self, index: int) -> dict[str, Any]:
        """The whole example of clip `index`, strings as str."""
        example = self.reader[index]
        return {k: v.decode() if isinstance(v, bytes) else v for k, v in example.items()}

    @property
    def multi_label(self) -> bool:
        """True where labels are multi-hot."""
        return self.labels.ndim == 2

    def take(self, clips: Sequence[int] | np.ndarray) -> "Source":
        """These clips in this order, under the same fingerprint."""
        places = np.asarray(clips, np.int64)
        return dataclasses.replace(
            self,
            reader=_Taken(self.reader, places),
            clip_ids=[self.clip_ids[i] for i in places],
            recording_ids=[self.recording_ids[i] for i in places],
            labels=self.labels[places],
            lengths=None if self.lengths is None else self.lengths[places],
        )


def open_source(builder: Any, split: str) -> Source:
    """The clips of a split of a prepared data set.

    Args:
      builder: what a `dataset(...)` of this folder returned, prepared.
      split: "train", "validation", "test" or another that the builder has.

    Raises:
      FileNotFoundError: the data set is not prepared.
      FileError: a file of it is damaged; so does reading a clip.
      ValueError: it has no such split.
    """
    if not os.path.isdir(builder.data_dir):
        raise FileNotFoundError(
            f"{builder.name} is not prepared in {builder.data_dir}: run --stage=data, or its "
            "download_and_prepare()"
        )
    prepared.check_described(builder)
    if split not in builder.info.splits:
        raise ValueError(f"{builder.name} has the splits {', '.join(builder.info.splits)}; got {split!r}")
    columns, reader = prepared.open_split(builder, split)
    return Source(
        reader=reader,
        clip_ids=columns["clip_id"].tolist(),
        recording_ids=columns["recording_id"].tolist(),
        labels=columns["labels"] if "labels" in columns else columns["label"].astype(np.int32),
        class_names=tuple(builder.class_names),
        sample_rate_hz=builder.sample_rate_hz,
        clip_samples=builder.clip_samples,
        fingerprint=hashlib.sha256("".join(columns["content"].tolist()).encode()).hexdigest()[:16],
        lengths=columns["length"],
    )


def shuffled_labels(source: Source, seed: int) -> Source:
    """The same clips, their labels permuted among them: what is left to learn is the clips one by one."""
    order = np.random.default_rng([seed, 10]).permutation(len(source))
    return dataclasses.replace(source, labels=source.labels[order])


def absent_classes(sources: Mapping[str, Source]) -> str:
    """Which classes have no clip in which split: "cello in train; oboe, horn in test"; "" for none."""
    absent = []
    for split, source in sources.items():
        labels = source.labels
        classes = np.arange(len(source.class_names))
        present = np.asarray(labels.any(axis=0) if source.multi_label else np.isin(classes, labels))
        lost = [name for place, name in enumerate(source.class_names) if not present[place]]
        if lost:
            more = f" and {len(lost) - 10} more" if len(lost) > 10 else ""
            absent.append(f"{', '.join(lost[:10])}{more} in {split}")
    return "; ".join(absent)


def batches(
    source: Source,
    *,
    batch_size: int,
    seed: int | None = None,
    epochs: int | None = 1,
    process_index: int = 0,
    process_count: int = 1,
    start_step: int = 0,
    workers: int = 0,
) -> Iterator[Batch]:
    """Batches of a source, the same ones for the same arguments, whatever the number of processes.

    The clips of all epochs form one stream: in the source's order when seed is None, else a new
    permutation each epoch. Step t takes the stream's clips t * batch_size to (t + 1) * batch_size, so
    a batch may hold the end of one epoch and the start of the next and no clip is ever dropped; only
    the very last batch may be short: it is padded with silence and masked. With several processes
    each gets its own contiguous batch_size / process_count clips of every batch, so all make equally
    many steps.

    Args:
      source: the clips.
      batch_size: clips a step, over all processes.
      seed: of the permutations; None for the source's order.
      epochs: passes over the source; None for no end.
      process_index, process_count: which process's share to give.
      start_step: the first step to give; earlier ones are not read.
      workers: reading processes; 0 reads in two threads of this one.

    Yields:
      `types.Batch`es of NumPy arrays.

    Raises:
      ValueError: an empty source, or a batch size that process_count does not divide.
    """
    import grain

    plan = Plan(
        len(source),
        batch_size,
        seed=seed,
        epochs=epochs,
        process_index=process_index,
        process_count=process_count,
    )
    # Few batches ahead: memory stays bounded whatever the size of the data set.
    read = grain.ReadOptions(num_threads=2, prefetch_buffer_size=3)
    stream = grain.MapDataset.source(_Batches(source, plan))[start_step:].to_iter_dataset(read)
    if workers:
        _mark_flags_parsed()
        stream = stream.mp_prefetch(grain.MultiprocessingOptions(num_workers=workers))
    return iter(stream)


class _Taken:
    """Some clips of a reader, in an order of their own."""

    def __init__(self, reader: Any, clips: np.ndarray):
        self.reader, self.clips = reader, clips

    def __len__(self) -> int:
        return len(self.clips)

    def __getitem__(self, index: int) -> Any:
        return self.reader[int(self.clips[index])]


class _Batches(Sequence[Batch]):
    """Batches by step: a random-access source for Grain."""

    def __init__(self, source: Source, plan: Plan) -> None:
        self.source, self.plan = source, plan

    def __len__(self) -> int:
        return len(self.plan)

    def __getitem__(self, step: int) -> Batch:
        index, mask = self.plan[step]
        audio = np.zeros((len(index), self.source.clip_samples), np.float32)
        length = np.zeros(len(index), np.int32)
        for row in np.flatnonzero(mask):
            length[row] = fill(audio[row], self.source.reader[int(index[row])]["audio"])
        if self.source.lengths is not None:
            length = np.minimum(length, self.source.lengths[index])
        label = self.source.labels[index].astype(np.float32 if self.source.multi_label else np.int32)
        label[~mask] = 0
        return Batch(audio=audio, mask=mask, length=length, label=label, index=index)


def fill(row_s: np.ndarray, audio_s: np.ndarray) -> int:
    """Copies audio into row_s, cut at the end or padded with silence; returns the samples copied.

    A float32 row gets int16 audio in -1 .. 1.
    """
    audio_s = np.asarray(audio_s)
    count = min(len(audio_s), len(row_s))
    row_s[:count] = audio_s[:count]
    if audio_s.dtype == np.int16 and row_s.dtype == np.float32:
        row_s[:count] /= 32768.0
    return count


def _mark_flags_parsed() -> None:
    """Grain's worker processes read absl flags, which only absl.app parses; defaults do."""
    from absl import flags

    if not flags.FLAGS.is_parsed():
        flags.FLAGS.mark_as_parsed()
