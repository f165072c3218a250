"""Writes a split's ArrayRecord files example by example.

TFDS's own writer first gathers up to 1 GiB of examples in memory, and beyond that needs TensorFlow.
"""

import contextlib
import itertools
import os
from collections.abc import Iterable
from typing import Any

import tensorflow_datasets as tfds
from array_record.python import array_record_module  # pyright: ignore (compiled, without stubs)

FILE_BYTES = 256 * 2**20  # a file's size, about


def write_split(
    examples: Iterable[dict[str, Any]],
    count: int,
    *,
    features: tfds.features.FeaturesDict,
    template: tfds.core.ShardedFileTemplate,
    example_bytes: int,
) -> tfds.core.SplitInfo:
    """Writes `count` examples in order and returns TFDS's description of the split.

    Args:
      examples: as the features expect them, unencoded.
      count: how many there are.
      features: of the data set.
      template: names the files.
      example_bytes: the size of an example, about.
    """
    files = -(-count * example_bytes // FILE_BYTES)
    edges = [count * i // files for i in range(files + 1)]
    stream, lengths, total = iter(examples), [], 0
    for number, (first, last) in enumerate(itertools.pairwise(edges)):
        path = template.sharded_filepath(shard_index=number, num_shards=files)
        # Groups of one record: each is read without its neighbours.
        with contextlib.closing(
            array_record_module.ArrayRecordWriter(os.fspath(path), "group_size:1")
        ) as writer:
            written = 0
            for example in itertools.islice(stream, last - first):
                record = features.serialize_example(example)
                writer.write(record)
                written, total = written + 1, total + len(record)
        lengths.append(written)
    if sum(lengths) != count:
        raise RuntimeError(f"wrote {sum(lengths)} of {count} examples of the split {template.split}")
    return tfds.core.SplitInfo(
        name=str(template.split), shard_lengths=lengths, num_bytes=total, filename_template=template
    )
