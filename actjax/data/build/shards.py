"""Makes shards, files of examples, from the items of a data set: on all cores, and resumably.

TFDS runs one generator in one process and starts again from nothing. Work that takes time is therefore
done here first, in shards that appear whole or not at all, and the builder only collects them.
"""

import hashlib
import json
import os
import pathlib
import shutil
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import tqdm

from actjax import files, pool
from actjax.npz import read_arrays

Example = dict[str, Any]
# What a shard holds in memory before it is written: the clips of one long recording can be thousands.
PIECE_BYTES = 64 * 2**20


class BadAudio(ValueError):
    """An item that cannot be used; the message is the reason recorded beside the data set."""


def make_shards(
    groups: Mapping[str, Sequence[Any]],
    work: Callable[[Any], Iterable[Example]],
    *,
    folder: str | os.PathLike,
    title: str,
    shard_size: int = 40,
    workers: int | None = None,
    bytes_per_item: int = 0,
) -> dict[str, list[pathlib.Path]]:
    """Runs `work` on every item and returns each group's shards in the items' order.

    Args:
      groups: what is to be done, by group (a split); each item a picklable value.
      work: a picklable function item -> examples, each a dict of arrays, numbers and strings with
        the same keys, shapes and types throughout; raises BadAudio(reason) to leave an item out.
      folder: where the shards go; those already there are not made again, so its name must stand
        for the items and the work.
      title: shown by the progress bar.
      shard_size: items a file.
      workers: processes; None for one a core, 1 to work in this process.
      bytes_per_item: expected on disk, to refuse a disk that is too full before the work begins.

    Raises:
      OSError: the disk is, or would become, full.
    """
    folder = pathlib.Path(folder)
    shards = {
        group: [
            (folder / f"{group}-{start:08d}.npz", items[start : start + shard_size])
            for start in range(0, len(items), shard_size)
        ]
        for group, items in groups.items()
    }
    folder.mkdir(parents=True, exist_ok=True)
    missing = [(path, shard) for pairs in shards.values() for path, shard in pairs if not path.exists()]
    left = sum(len(shard) for _, shard in missing)
    total = sum(map(len, groups.values()))
    _check_space(folder, bytes_per_item * left)
    workers = min(workers or pool.available_cores(), max(len(missing), 1))
    calls = [(path, shard, work) for path, shard in missing]
    with tqdm.tqdm(
        total=total, initial=total - left, desc=title, unit="clip", file=sys.stderr, disable=not left
    ) as bar:
        for count in pool.run(_make_shard, calls, workers):
            bar.update(count)
    return {group: [path for path, _ in pairs] for group, pairs in shards.items()}


def read_shards(paths: Sequence[pathlib.Path], names: Collection[str] = ()) -> Iterator[Example]:
    """The examples of all shards, one file in memory at a time.

    Raises:
      FileError: a shard is damaged, or its examples have not all of `names`.
    """
    for path in pieces_of(paths):
        columns = read_arrays(path)
        skipped_and_pieces(path, columns)
        counts = {len(column) for column in columns.values()}
        if columns and (len(counts) > 1 or set(names) - set(columns)):
            raise files.FileError(path, "is damaged; delete it and run --stage=data again")
        count = counts.pop() if counts else 0
        yield from ({name: column[i] for name, column in columns.items()} for i in range(count))


def pieces_of(paths: Sequence[pathlib.Path]) -> Iterator[pathlib.Path]:
    """The files of all shards in the examples' order: the pieces of each, then the shard itself."""
    for path in paths:
        _, count = skipped_and_pieces(path, read_arrays(path, ("__skipped__", "__parts__")))
        yield from (_piece(path, i) for i in range(count))
        yield path


def skipped_and_pieces(
    path: pathlib.Path, columns: dict[str, np.ndarray]
) -> tuple[list[dict[str, str]], int]:
    """(a list of {"item", "reason"}, how many pieces come before), taken out of a shard's columns.

    Raises:
      FileError: the shard is damaged.
    """
    with files.reading(path, "a shard of examples"):
        return json.loads(str(columns.pop("__skipped__"))), int(columns.pop("__parts__"))


def content_hash(*arrays: Any) -> str:
    """A hash of the arrays' bytes, shapes and types: 16 hexadecimal digits."""
    digest = hashlib.sha256()
    for array in map(np.asarray, arrays):
        digest.update(f"{array.dtype.str}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()[:16]


def _make_shard(path: pathlib.Path, items: Sequence[Any], work: Callable[[Any], Iterable[Example]]) -> int:
    examples, skipped, held, pieces = [], [], 0, 0
    for item in items:
        try:
            for example in work(item):
                examples.append(example)
                held += sum(np.asarray(value).nbytes for value in example.values())
                if held > PIECE_BYTES:
                    _write_shard(_piece(path, pieces), examples, [], 0)
                    examples, held, pieces = [], 0, pieces + 1
        except BadAudio as reason:
            skipped.append({"item": str(item), "reason": str(reason)})
    # Last, so that a shard that is there is whole.
    _write_shard(path, examples, skipped, pieces)
    return len(items)


def _write_shard(path: pathlib.Path, examples: list[Example], skipped: list, pieces: int) -> None:
    names = examples[0] if examples else ()
    columns = {name: np.stack([np.asarray(example[name]) for example in examples]) for name in names}
    with files.written_whole(path) as aside, open(aside, "wb") as file:
        np.savez(
            file,
            allow_pickle=False,
            __skipped__=np.array(json.dumps(skipped)),
            __parts__=np.array(pieces),
            **columns,
        )


def _piece(path: pathlib.Path, number: int) -> pathlib.Path:
    return path.with_name(f"{path.stem}-part{number:04d}.npz")


def _check_space(folder: pathlib.Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise OSError(
            f"not enough disk space in {folder}: {needed / 2**20:.0f} MiB needed, {free / 2**20:.0f} MiB "
            "free; make room or choose another --data_dir"
        )
