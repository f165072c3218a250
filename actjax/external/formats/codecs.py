"""Decoders of chunks, by name: none but these runs, and none makes more than it is told to expect."""

import bz2
import lzma
import struct
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np

from actjax import lookup

# What xz may hold while it decodes.
XZ_MEMORY = 256 * 2**20
PURPOSE = "reading chunks compressed by blosc, zstd or lz4"


def decompress(codec: str, data: bytes, size: int | None, most: int) -> bytes:
    """What a codec of `DECODERS` compressed.

    Args:
      codec: its name.
      data: the compressed bytes.
      size: how many bytes it must give; None where that is not known, as for strings.
      most: how many it may give then.

    Raises:
      ValueError: it gives another number of bytes; or, like what the codecs raise, damaged data.
    """
    size, exact = (most, False) if size is None else (size, True)
    decoded = DECODERS[codec](data, size, exact)
    if len(decoded) > size or (exact and len(decoded) != size):
        raise ValueError(f"a {codec} chunk of {len(decoded)} bytes, expected {size}")
    return decoded


def unshuffle(data: bytes, itemsize: int) -> bytes:
    """Undoes the shuffle of HDF5 and Blosc: first bytes of all items first, then second bytes ..."""
    whole = len(data) // itemsize * itemsize
    planes = np.frombuffer(data[:whole], np.uint8).reshape(itemsize, -1)
    return planes.T.tobytes() + data[whole:]


def fletcher32(data: bytes) -> int:
    """HDF5's checksum: two sums modulo 65,535 of big-endian 16-bit words, 0 only where all is 0."""
    words = np.frombuffer(data + b"\0" * (len(data) % 2), ">u2").astype(np.int64)
    low = high = 0
    for start in range(0, len(words), 2**15):
        block = words[start : start + 2**15]
        # The sum of the running sums, of which `low` stands before the block.
        high += len(block) * low + int((block * np.arange(len(block), 0, -1)).sum())
        low += int(block.sum())
        low, high = _folded(low), _folded(high)
    return high << 16 | low


def _folded(total: int) -> int:
    return (total - 1) % 65535 + 1 if total else 0


def _stream(start: Callable[[], Any]) -> Callable[[bytes, int, bool], bytes]:
    def decode(data: bytes, size: int, exact: bool) -> bytes:
        stream = start()
        # One byte more is asked for: it shows what is too long, and makes the stream check its sum.
        decoded = stream.decompress(data, size + 1)
        if len(decoded) <= size and not stream.eof:
            raise ValueError("a chunk that is cut short")
        return decoded

    return decode


def _blosc(data: bytes, size: int, exact: bool) -> bytes:
    from_header = struct.unpack("<I", data[4:8])[0] if len(data) >= 16 else -1
    return _numcodecs("blosc", data, from_header, size)


def _lz4(data: bytes, size: int, exact: bool) -> bytes:
    from_header = struct.unpack("<I", data[:4])[0] if len(data) >= 4 else -1
    return _numcodecs("lz4", data, from_header, size)


def _zstd(data: bytes, size: int, exact: bool) -> bytes:
    from_header = _zstd_size(data)
    if from_header is None and not exact:
        raise ValueError("a zstd chunk that does not say its size")
    return _numcodecs("zstd", data, size if from_header is None else from_header, size)


def _zstd_size(data: bytes) -> int | None:
    """The content size in the header of a zstd frame, None where it has none."""
    if data[:4] != b"\x28\xb5\x2f\xfd" or len(data) < 6:
        raise ValueError("no zstd frame")
    flags = data[4]
    single, width = flags >> 5 & 1, (0, 2, 4, 8)[flags >> 6]
    width = width or single
    if not width:
        return None
    at = 5 + (not single) + (0, 1, 2, 4)[flags & 3]
    return int.from_bytes(data[at : at + width], "little") + (256 if width == 2 else 0)


def _numcodecs(codec: str, data: bytes, declared: int, size: int) -> bytes:
    """By the package's function, into a buffer of the size that the chunk declares, if it may be that."""
    if not 0 <= declared <= size:
        raise ValueError(f"a {codec} chunk of {declared} bytes, expected {size}")
    function = lookup.package(f"numcodecs.{codec}", PURPOSE).decompress
    out = np.empty(declared, np.uint8)
    if declared:
        function(data, out)
    return out.tobytes()


DECODERS: dict[str, Callable[[bytes, int, bool], bytes]] = {
    "zlib": _stream(zlib.decompressobj),
    "gzip": _stream(lambda: zlib.decompressobj(16 + zlib.MAX_WBITS)),
    "bz2": _stream(bz2.BZ2Decompressor),
    "lzma": _stream(lambda: lzma.LZMADecompressor(memlimit=XZ_MEMORY)),
    "blosc": _blosc,
    "lz4": _lz4,
    "zstd": _zstd,
}
