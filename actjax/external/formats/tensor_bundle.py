"""TensorFlow checkpoints (TensorBundle): a LevelDB table of what there is, and the bytes of the arrays.

Nothing in them is executed. Every length is held against what is there before it is followed, every
checksum is computed; names of one's choice are read, others (an optimiser's moments) are left alone.
"""

import math
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from actjax.external.formats.crc32c import crc32c, unmasked
from actjax.external.formats.protobuf import Fields, fields, varint
from actjax.external.formats.stored import MEMBERS, checked_shape
from actjax.files import FileError, reading

EXPECTED = "a TensorFlow checkpoint"
MAGIC = 0xDB4775248B80FB57
FOOTER = 48
# A byte of compression and a checksum follow each block.
TRAILER = 5
LONGEST_NAME = 1024
# TensorFlow's numbers of the types that are read.
TYPES = {1: "<f4", 2: "<f8", 3: "<i4", 9: "<i8"}


class Entry(NamedTuple):
    """Where an array lies in the data file.

    Attributes:
      shape, dtype: of the array.
      offset, size: of its bytes.
      crc: CRC-32C of its bytes.
    """

    shape: tuple[int, ...]
    dtype: np.dtype
    offset: int
    size: int
    crc: int


def entries(path: Path, index: bytes) -> dict[str, Entry]:
    """Name -> where its array lies, of the arrays of numbers that a checkpoint's index lists.

    Args:
      path: the file, for messages.
      index: the bytes of the .index file.

    Raises:
      FileError: it is damaged, of several data files, or of an order of bytes that is not x86's.
    """
    with reading(path, EXPECTED):
        listed = dict(_table(index))
        header = fields(listed.pop("", b""))
        if header.number(1, 1) != 1 or header.number(2) != 0:
            raise ValueError("several data files, or numbers of another order of bytes")
        of_name = {name: fields(value) for name, value in listed.items()}
        return {name: _entry(path, name, value) for name, value in of_name.items() if _is_read(value)}


def array(path: Path, name: str, listed: dict[str, Entry], data: bytes) -> np.ndarray:
    """An array of a checkpoint, its checksum computed and its numbers finite.

    Args:
      path: the file, for messages.
      name: of the array.
      listed: from `entries`.
      data: the bytes of the data file.

    Raises:
      FileError: there is no such array, it ends beyond the data, or its bytes are not those written.
    """
    if name not in listed:
        raise FileError(
            path, f"expected a tensor {name!r}, got {', '.join(sorted(listed)[:5]) or 'none'} ..."
        )
    entry = listed[name]
    if entry.offset + entry.size > len(data):
        raise FileError(path, f"{name!r} should end at byte {entry.offset + entry.size} of {len(data)}")
    content = data[entry.offset : entry.offset + entry.size]
    if crc32c(content) != entry.crc:
        raise FileError(path, f"the checksum (CRC-32C) of {name!r} is wrong: the file is damaged")
    values = np.frombuffer(content, entry.dtype).reshape(entry.shape)
    if not np.isfinite(values).all():
        raise FileError(path, f"{name!r} holds NaN or infinity")
    return values


def _is_read(value: Fields) -> bool:
    return value.number(1) in TYPES


def _entry(path: Path, name: str, value: Fields) -> Entry:
    """The entry of an array that lies in one piece in the only data file."""
    dims = [fields(dim).number(1) for dim in fields(value.content(2)).contents(2)]
    shape, dtype = checked_shape(dims, path, name), np.dtype(TYPES[value.number(1)])
    offset, size = value.number(4), value.number(5)
    if value.number(3) or value.contents(7):
        raise FileError(path, f"{name!r} lies in several pieces or data files")
    if size != math.prod(shape) * dtype.itemsize:
        raise FileError(path, f"{name!r} has {size} bytes, not those of {list(shape)} {dtype}")
    return Entry(shape, dtype, offset, size, unmasked(value.number(6)))


def _table(index: bytes) -> Iterator[tuple[str, bytes]]:
    """(key, value) of every entry of a LevelDB table, in order."""
    if len(index) < FOOTER or struct.unpack("<Q", index[-8:])[0] != MAGIC:
        raise ValueError("no LevelDB table's last bytes")
    handles, at = [], len(index) - FOOTER
    for _ in range(4):
        number, at = varint(index, at)
        handles.append(number)
    end, count = 0, 0
    for _, handle in _block(_content(index, handles[2], handles[3])):
        offset, at = varint(handle, 0)
        size, _ = varint(handle, at)
        if offset < end:
            raise ValueError("blocks that overlap")
        end = offset + size
        for key, value in _block(_content(index, offset, size)):
            count += 1
            if count > MEMBERS:
                raise ValueError(f"more than {MEMBERS} entries")
            yield key.decode(), value


def _content(index: bytes, offset: int, size: int) -> bytes:
    """A block's bytes, which are not compressed and whose checksum is right."""
    stop = offset + size
    if stop + TRAILER > len(index) - FOOTER:
        raise ValueError(f"a block that should end at byte {stop} of {len(index)}")
    if index[stop] != 0:
        raise ValueError("a compressed block")
    if crc32c(index[offset : stop + 1]) != unmasked(struct.unpack("<I", index[stop + 1 : stop + 5])[0]):
        raise ValueError("a block's checksum (CRC-32C) is wrong")
    return index[offset:stop]


def _block(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """(key, value) of a block, whose keys leave out what they share with the one before."""
    restarts = struct.unpack("<I", content[-4:])[0]
    stop = len(content) - 4 * (restarts + 1)
    at, key = 0, b""
    while at < stop:
        shared, at = varint(content, at)
        unshared, at = varint(content, at)
        length, at = varint(content, at)
        if shared > len(key) or shared + unshared > LONGEST_NAME or at + unshared + length > stop:
            raise ValueError("an entry that is longer than its block")
        key = key[:shared] + content[at : at + unshared]
        at += unshared
        yield key, content[at : at + length]
        at += length
    if at != stop:
        raise ValueError("a block whose entries do not end where it does")
