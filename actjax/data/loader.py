"""From a prepared data set to batches: random access, then a deterministic plan of batches read by Grain."""

import hashlib
import os
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from actjax.data.build import prepared
from actjax.data.build.index import builder_skipped
from actjax.data.plan import Plan, steps
from actjax.data.source import ALL, Source, absent_classes, fill, joined, shuffled_labels
from actjax.types import Batch

__all__ = [
    "Source",
    "absent_classes",
    "batches",
    "builder_skipped",
    "open_source",
    "shuffled_labels",
    "steps",
]


def open_source(builder: Any, split: str) -> Source:
    """The clips of a split of a prepared data set.

    Args:
      builder: what a `dataset(...)` of this folder returned, prepared.
      split: "train", "validation", "test" or another that the builder has; "all" for the clips of all.

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
    if split == ALL and ALL not in builder.info.splits:
        return joined([open_source(builder, one) for one in builder.info.splits])
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


def _mark_flags_parsed() -> None:
    """Grain's worker processes read absl flags, which only absl.app parses; defaults do."""
    from absl import flags

    if not flags.FLAGS.is_parsed():
        flags.FLAGS.mark_as_parsed()
