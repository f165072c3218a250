"""Zarr folders of format 2 and 3, read from their JSON and chunk files alone.

The package zarr is not used: which codecs run is decided by the lists here, not by a registry in which
`pickle` stands too.
"""

import functools
import math
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from actjax.external.formats import chunks, stored
from actjax.external.formats.stored import Stored
from actjax.external.formats.zarr_meta import Array, of_format_2, of_format_3, parsed
from actjax.files import FileError, reading

ENTRIES = 1_000_000
SLACK = 2**16
METADATA = (".zarray", ".zattrs", ".zgroup", ".zmetadata", "zarr.json")
EMPTY = 2**64 - 1  # of a chunk that a shard does not hold


def read_zarr(path: Path, bound: int) -> tuple[dict[str, Stored], Mapping[str, Any]]:
    """The arrays of a folder by their path in it, and the attributes of its root.

    Raises:
      FileError: no Zarr group; links out of it; objects; a codec or type that is not listed, in the
        consolidated metadata too; chunks never written, too large or damaged.
    """
    if not path.is_dir():
        raise FileError(path, "is no Zarr folder: archives of one are to be unpacked")
    files = _listed(path)
    limit = bound // 32
    if "zarr.json" in files:
        root = parsed(path / "zarr.json", limit)
        if root.get("node_type") != "group":
            raise FileError(path, "is no Zarr group: expected arrays by name in one")
        attributes, arrays = root.get("attributes", {}), _arrays_3(path, files, limit)
    elif ".zgroup" in files:
        attributes = parsed(path / ".zattrs", limit) if ".zattrs" in files else {}
        arrays = _arrays_2(path, files, limit)
    else:
        raise FileError(path, "is no Zarr group: it has neither zarr.json nor .zgroup")
    if not isinstance(attributes, dict):
        raise FileError(path, "its attributes are no JSON object")
    chunk_files = _by_array(files, arrays)
    return {
        name: _stored(path, name, array, chunk_files[name], bound) for name, array in arrays.items()
    }, attributes


def _by_array(files: Mapping[str, int], names: Iterable[str]) -> dict[str, dict[str, int]]:
    """The chunk files of each array."""
    of_array: dict[str, dict[str, int]] = {name: {} for name in names}
    for file, size in files.items():
        above = file.rpartition("/")[0]
        while above and above not in of_array:
            above = above.rpartition("/")[0]
        if above and file.rpartition("/")[2] not in METADATA:
            of_array[above][file] = size
    return of_array


def _listed(path: Path) -> dict[str, int]:
    """{path in the folder: size} of its files, each of which is a regular one inside it."""
    sizes: dict[str, int] = {}
    waiting = [""]
    while waiting:
        below = waiting.pop()
        with os.scandir(path / below) as entries:
            for entry in entries:
                name = f"{below}/{entry.name}" if below else entry.name
                if entry.is_symlink():
                    stored.check_inside(Path(entry.path), path)
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(name)
                elif entry.is_file():
                    sizes[name] = entry.stat().st_size
                else:
                    raise FileError(entry.path, "expected a regular file or folder in a Zarr folder")
                if len(sizes) + len(waiting) > ENTRIES:
                    raise FileError(path, f"holds more than {ENTRIES} files: use larger chunks or shards")
    return sizes


def _arrays_2(path: Path, files: Mapping[str, int], limit: int) -> dict[str, Array]:
    if ".zmetadata" in files:
        with reading(path / ".zmetadata", "Zarr metadata"):
            for key, metadata in parsed(path / ".zmetadata", limit)["metadata"].items():
                if key.rsplit("/", 1)[-1] == ".zarray":
                    of_format_2(path / ".zmetadata", key.removesuffix("/.zarray"), metadata, {})
    arrays = {}
    for file in sorted(f for f in files if f.endswith("/.zarray")):
        name = file.removesuffix("/.zarray")
        attributes = parsed(path / name / ".zattrs", limit) if f"{name}/.zattrs" in files else {}
        arrays[name] = of_format_2(path / file, name, parsed(path / file, limit), attributes)
    return arrays


def _arrays_3(path: Path, files: Mapping[str, int], limit: int) -> dict[str, Array]:
    arrays = {}
    for file in sorted(f for f in files if f.rsplit("/", 1)[-1] == "zarr.json"):
        name, metadata = file.removesuffix("zarr.json").rstrip("/"), parsed(path / file, limit)
        if metadata.get("node_type") == "array":
            arrays[name] = of_format_3(path / file, name, metadata)
        with reading(path / file, "Zarr metadata"):
            for inner, one in ((metadata.get("consolidated_metadata") or {}).get("metadata") or {}).items():
                if one.get("node_type") == "array":
                    of_format_3(path / file, inner, one)
    return arrays


def _stored(path: Path, name: str, array: Array, files: Mapping[str, int], bound: int) -> Stored:
    """An array of the folder, whose `verify` finds out whether all its chunks are there."""
    stored.check_name(name, path)
    texts = array.dtype == np.dtype("U")
    size = None if texts else math.prod(array.chunks) * array.itemsize
    held = min(bound // 8, 2**26) if size is None else 2 * size
    reader = _Reader(path, name, array, files, size, bound // 8)
    read = chunks.Chunked(array.shape, array.chunks, array.dtype, reader.decode, array.fill, bound // 8)
    return Stored(path, name, array.shape, array.dtype, read, array.attributes, held, reader.check_written)


class _Reader:
    """Reads the chunks of one array."""

    def __init__(
        self, path: Path, name: str, array: Array, files: Mapping[str, int], size: int | None, most: int
    ):
        self.path, self.name, self.array, self.files = path, name, array, files
        self.size, self.most = size, most
        self.index_of = functools.lru_cache(maxsize=8)(self._shard_index)

    def key(self, index: chunks.Index) -> str:
        """The file of a chunk, or of a shard."""
        return f"{self.name}/{self.array.key(index)}"

    def check_written(self) -> None:
        """Refuses an array of which files are missing, which would read as the fill value, zero say."""
        array = self.array
        if not math.prod(array.shape) or array.fill_is_nan:
            return
        total = chunks.count(array.shape, array.files)
        # Far more chunks than files are not looked up one by one.
        missing = total - len(self.files)
        if missing <= 0:
            every = np.ndindex(*chunks.grid(array.shape, array.files))
            missing = sum(self.key(index) not in self.files for index in every)
        if missing:
            raise FileError(self.path, chunks.never_written(self.name, missing, total))

    def decode(self, index: chunks.Index) -> np.ndarray | None:
        """The values of a chunk; None where it was never written and undefined is what that means."""
        array = self.array
        per = tuple(f // c for f, c in zip(array.files, array.chunks, strict=True))
        file = tuple(i // p for i, p in zip(index, per, strict=True))
        key = self.key(file)
        if key not in self.files:
            return None
        with reading(self.path / key, "a Zarr chunk"):
            start, length = 0, self.files[key]
            if array.shard is not None:
                inner = tuple(i % p for i, p in zip(index, per, strict=True))
                start, length = (int(n) for n in self.index_of(key, per)[inner])
                if start == EMPTY and length == EMPTY:
                    if array.fill_is_nan:
                        return None
                    raise FileError(self.path, chunks.never_written(self.name, 1, math.prod(per)))
            if length > (self.most if self.size is None else self.size * 5 // 4) + SLACK:
                raise ValueError(f"{length} bytes of what should be {self.size}")
            return array.decode(self._bytes(key, start, length), self.size, self.most)

    def _bytes(self, key: str, start: int, length: int) -> bytes:
        with open(self.path / key, "rb") as file:
            file.seek(start)
            data = file.read(length)
        if len(data) < length:
            raise ValueError(f"ends {length - len(data)} bytes before its chunk does")
        return data

    def _shard_index(self, key: str, per: chunks.Index) -> np.ndarray:
        """[*per, 2]: (first byte, bytes) of each chunk in a shard."""
        count, shard = math.prod(per), self.array.shard
        assert shard is not None, "only arrays whose chunks share files have an index"
        length = 16 * count + 4 * shard.checked
        if length > min(self.files[key], self.most):
            raise ValueError("is shorter than its index")
        start = 0 if shard.at_start else self.files[key] - length
        data = shard.check(self._bytes(key, start, length))
        return np.frombuffer(data, "<u8").reshape(*per, 2)
