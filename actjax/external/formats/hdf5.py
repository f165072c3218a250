"""HDF5 files: what may be in them, and their data sets as arrays."""

import functools
import math
import mmap
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from actjax import lookup
from actjax.external.formats import chunks, codecs, hdf5_links, stored
from actjax.external.formats.stored import Stored
from actjax.files import FileError, reading, regular_file

EXPECTED = "an HDF5 file"
# The filters that are read, by HDF5's numbers; the library may know more, and load others from outside.
DEFLATE, SHUFFLE, FLETCHER, LZF = 1, 2, 3, 32000
# LZF makes at most 88 bytes of one.
LZF_RATIO = 88
# Some chunks grow a little where they do not compress.
SLACK = 2**16
# How a global heap begins, version 1; its size, of 8 bytes, follows.
HEAP = b"GCOL\x01\0\0\0"


def opened(path: Path, content: Any = None, expected: str = EXPECTED) -> Any:
    """The file, opened by h5py for reading; `content` where it lies in another file, and `expected`
    where it is more than that.

    Raises:
      ModuleNotFoundError: h5py is not installed.
      FileError: no regular file, or no HDF5 file.
    """
    h5py = lookup.package("h5py", f"reading {path}")
    if content is None:
        regular_file(path)
    with reading(path, expected):
        return h5py.File(path if content is None else content, "r", locking=False)


def read_hdf5(path: Path, bound: int) -> tuple[dict[str, Stored], Mapping[str, Any]]:
    """The data sets of a file by their path in it, and the attributes of its root."""
    file = opened(path)
    with reading(path, EXPECTED):
        arrays = {name: array(path, item, name, bound) for name, item in hdf5_links.data_sets(path, file)}
        return arrays, Attributes(path, file, bound)


def array(path: Path, dataset: Any, name: str, bound: int) -> Stored:
    """A data set, its chunks decoded here where they are compressed.

    Raises:
      FileError: objects, references, records; storage outside the file; an unknown filter.
    """
    if not hasattr(dataset, "chunks"):
        raise FileError(path, f"expected an array at {name!r}, got a group")
    h5py = lookup.package("h5py", f"reading {path}")
    plist, attributes = dataset.id.get_create_plist(), Attributes(path, dataset, bound)
    if plist.get_external_count() or plist.get_layout() == h5py.h5d.VIRTUAL:
        raise FileError(path, f"keeps {name!r} in another file, which leads out of it: refused")
    if dataset.shape is None:
        raise FileError(path, f"its data set {name!r} is empty (a null dataspace): remove it or write values")
    shape, dtype = tuple(map(int, dataset.shape)), dataset.dtype
    strings = h5py.check_string_dtype(dtype)
    texts = strings is not None and strings.length is None
    if dtype.hasobject and not texts:
        stored.refuse_pickled(name, path)
    if dtype.fields is not None or dtype.subdtype is not None or dtype.kind not in "biufcSO":
        raise FileError(path, f"{name!r} holds {str(dtype)[:60]}: expected plain numbers or strings")
    filters = _filters(path, name, plist)
    verify = functools.partial(_check_written, path, dataset, name)
    if texts:
        read = functools.partial(_texts, path, dataset, bound)
        return Stored(path, name, shape, np.dtype("U"), read, attributes, 0, verify)
    if filters and LZF not in filters:
        read, held = _decoded(h5py, path, dataset, name, filters, bound)
    else:
        read, held = functools.partial(_plain, path, dataset), _chunk_bytes(dataset)
        if filters:
            _check_lzf(path, dataset, name, bound)
    return Stored(path, name, shape, dtype, read, attributes, held, verify)


class Attributes(Mapping[str, Any]):
    """The attributes of an object, each read when it is asked for, if it is numbers or strings."""

    def __init__(self, path: Path, item: Any, bound: int):
        self.path, self.item, self.bound = path, item, bound

    def __getitem__(self, key: str) -> Any:
        if key not in self:
            raise KeyError(key)
        with reading(self.path, EXPECTED):
            return self._value(key)

    def _value(self, key: str) -> Any:
        h5py = lookup.package("h5py", f"reading {self.path}")
        attribute = self.item.attrs.get_id(key)
        strings = h5py.check_string_dtype(attribute.dtype)
        if attribute.shape is None or attribute.dtype.fields is not None:
            raise FileError(self.path, f"its attribute {key!r} is empty or a record: expected a value")
        if attribute.dtype.hasobject and strings is None:
            stored.refuse_pickled(key, self.path)
        # Strings of no fixed length lie elsewhere in the file, and all may be one and the same; a single one
        # is no longer than the file.
        each = _file_bytes(self.item) if attribute.dtype.hasobject else attribute.dtype.itemsize
        count = math.prod(attribute.shape)
        if attribute.dtype.hasobject and count > 1 and count * each > self.bound:
            # Keras lists its layers so, in files of any size, which says little of their names.
            each = _largest_heap(self.path, self.item)
        if count * each > self.bound and not (attribute.dtype.hasobject and count == 1):
            raise FileError(
                self.path,
                f"its attribute {key!r} may be too large: write it as a data set, or as fixed strings",
            )
        value = self.item.attrs[key]
        return np.asarray(value, str) if isinstance(value, np.ndarray) and strings is not None else value

    def __contains__(self, key: object) -> bool:
        with reading(self.path, EXPECTED):
            return key in self.item.attrs

    def __iter__(self) -> Iterator[str]:
        return iter(self.item.attrs)

    def __len__(self) -> int:
        return len(self.item.attrs)


def _file_bytes(item: Any) -> int:
    return item.file.id.get_filesize()


def _largest_heap(path: Path, item: Any) -> int:
    """The bytes of the largest global heap in the file, which no string of no fixed length exceeds."""
    if item.file.driver == "fileobj":  # it lies in an archive, and is in memory
        return _heap_in(item.file.id.get_file_image())
    status = path.stat()
    return _heap_in_file(path, status.st_size, status.st_mtime_ns)


@functools.lru_cache(maxsize=8)
def _heap_in_file(path: Path, size: int, changed: int) -> int:
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return _heap_in(content)


def _heap_in(content: bytes | mmap.mmap) -> int:
    largest, at = 0, content.find(HEAP)
    while at >= 0:
        start = at + len(HEAP)
        largest = max(largest, int.from_bytes(content[start : start + 8], "little"))
        at = content.find(HEAP, start)
    return min(largest, len(content))


def _filters(path: Path, name: str, plist: Any) -> list[int]:
    filters = [plist.get_filter(i)[0] for i in range(plist.get_nfilters())]
    if set(filters) - {DEFLATE, SHUFFLE, FLETCHER, LZF} or filters.count(DEFLATE) > 1:
        names = ", ".join(plist.get_filter(i)[3].decode("utf-8", "replace") for i in range(len(filters)))
        raise FileError(path, f"{name!r} is filtered by {names}: write it with gzip, shuffle, lzf or none")
    return filters


def _check_written(path: Path, dataset: Any, name: str) -> None:
    """Refuses values that were never written, which the library would read as zeros."""
    if not dataset.size or _undefined(dataset.fillvalue):
        return
    if dataset.chunks is None:
        missing, total = int(not dataset.id.get_storage_size()), 1
    else:
        total = chunks.count(dataset.shape, dataset.chunks)
        missing = total - dataset.id.get_num_chunks()
    if missing:
        raise FileError(path, chunks.never_written(name, missing, total))


def _undefined(fill: Any) -> bool:
    return isinstance(fill, np.floating) and bool(np.isnan(fill))


def _chunk_bytes(dataset: Any) -> int:
    return math.prod(dataset.chunks or (0,)) * dataset.dtype.itemsize


def _check_lzf(path: Path, dataset: Any, name: str, bound: int) -> None:
    """Refuses chunks that the library could blow up beyond what they should be."""
    limit = min(bound // LZF_RATIO, _chunk_bytes(dataset) + SLACK)
    for i in range(dataset.id.get_num_chunks()):
        if dataset.id.get_chunk_info(i).size > limit:
            raise FileError(
                path, f"{name!r} has chunks too long for LZF: write it with gzip or smaller chunks"
            )


def _plain(path: Path, dataset: Any, start: int, stop: int) -> np.ndarray:
    with reading(path, EXPECTED):
        return np.asarray(dataset[start:stop] if dataset.shape else dataset[()])


def _texts(path: Path, dataset: Any, bound: int, start: int, stop: int) -> np.ndarray:
    """Strings of no fixed length, in blocks so small that even the longest possible ones fit."""
    with reading(path, EXPECTED):
        if not dataset.shape:
            return np.asarray(dataset.asstr()[()], str)
        step = min(max(bound // _file_bytes(dataset), 1), SLACK)
        texts: list[np.ndarray] = []
        for at in range(start, stop, step):
            block = dataset.asstr()[at : min(at + step, stop)]
            texts += block.tolist()
            longest = max(map(len, texts[-len(block) :]), default=0)
            if (longest + 100) * len(texts) > bound:
                raise FileError(path, f"its strings {dataset.name!r} are too many or too long")
        return np.asarray(texts, str) if texts else np.zeros(0, "U1")


def _decoded(
    h5py: Any, path: Path, dataset: Any, name: str, filters: list[int], bound: int
) -> tuple[chunks.Chunked, int]:
    """A reader of compressed chunks that makes no more of one than it should be."""
    dtype, size = dataset.dtype, _chunk_bytes(dataset)
    if dtype.kind != "b" and not dataset.id.get_type().equal(h5py.h5t.py_create(dtype)):
        raise FileError(path, f"{name!r} is of a number type that NumPy has not: write float32")

    def decode(index: tuple[int, ...]) -> np.ndarray | None:
        corner = tuple(i * c for i, c in zip(index, dataset.chunks, strict=True))
        with reading(path, f"{EXPECTED} ({name!r}, chunk {list(index)})"):
            chunk = dataset.id.get_chunk_info_by_coord(corner)
            if chunk.byte_offset is None:
                return None
            if chunk.size > size + SLACK:
                raise ValueError(f"{chunk.size} bytes of what should be {size}")
            mask, data = dataset.id.read_direct_chunk(corner)
            data = _unfiltered(bytes(data), filters, mask, size, dtype.itemsize)
            values = np.frombuffer(data, np.uint8 if dtype.kind == "b" else dtype)
        values = values != 0 if dtype.kind == "b" else values
        return values.reshape(dataset.chunks)

    keep = bound // 8
    return chunks.Chunked(dataset.shape, dataset.chunks, dtype, decode, dataset.fillvalue, keep), 2 * size


def _unfiltered(data: bytes, filters: list[int], mask: int, size: int, itemsize: int) -> bytes:
    """Undoes the filters of a chunk of `size` bytes, the last first; a bit of `mask` says one was skipped."""
    used = [one for i, one in enumerate(filters) if not mask >> i & 1]
    for i in reversed(range(len(used))):
        if used[i] == FLETCHER:
            data, checksum = data[:-4], data[-4:]
            if codecs.fletcher32(data) != struct.unpack("<I", checksum)[0]:
                raise ValueError("its checksum (Fletcher 32) is wrong")
        elif used[i] == DEFLATE:
            expected = size + 4 * used[:i].count(FLETCHER)
            data = codecs.decompress("zlib", data, expected, expected)
        else:
            data = codecs.unshuffle(data, itemsize)
    if len(data) != size:
        raise ValueError(f"{len(data)} bytes of what should be {size}")
    return data
