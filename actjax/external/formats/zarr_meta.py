"""The metadata of Zarr arrays, format 2 and 3: every codec and type by a list, whatever a registry holds."""

import dataclasses
import functools
import json
import math
import re
import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from actjax import lookup
from actjax.external.formats import codecs, stored
from actjax.external.formats.chunks import Index
from actjax.external.formats.safetensors import without_repeats
from actjax.files import FileError, reading, regular_file

EXPECTED = "Zarr metadata"
TEXT_CODECS = ("vlen-utf8",)
NUMBERS = ("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float16",
           "float32", "float64")  # fmt: skip

# (bytes, how many they give or None, how many they may give then) -> what they give
Step = Callable[[bytes, int | None, int], bytes]


@dataclasses.dataclass(frozen=True)
class Shard:
    """How chunks lie in one file: whether its index is checked by CRC-32C, and stands at the start."""

    checked: bool
    at_start: bool

    def check(self, data: bytes) -> bytes:
        """The index without its checksum."""
        return _crc32c(data) if self.checked else data


@dataclasses.dataclass(frozen=True, eq=False)
class Array:
    """What the metadata say of an array.

    Attributes:
      shape, chunks: of the array and of a chunk; files: what one file holds, a shard or a chunk.
      dtype, itemsize: of the values; strings of no fixed length are "U" and 0.
      fill: of chunks never written.
      key: index of a file -> its name in the array's folder.
      decode: (bytes, how many they give or None, how many they may give then) -> values of a chunk.
      shard: how chunks lie in a file, None where each is one.
      attributes: of the array.
    """

    shape: Index
    chunks: Index
    files: Index
    dtype: np.dtype
    itemsize: int
    fill: Any
    key: Callable[[Index], str]
    decode: Callable[[bytes, int | None, int], np.ndarray]
    shard: Shard | None
    attributes: Mapping[str, Any]

    @property
    def fill_is_nan(self) -> bool:
        """Whether what was never written is undefined."""
        return self.dtype.kind == "f" and bool(np.isnan(self.fill))


def parsed(path: Path, limit: int) -> dict[str, Any]:
    """A JSON object of at most `limit` bytes."""
    size = regular_file(path)
    with reading(path, EXPECTED):
        if size > limit:
            raise ValueError(f"{size} bytes")
        content = json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=without_repeats)
        if not isinstance(content, dict):
            raise ValueError(f"expected an object, got {type(content).__name__}")
    return content


def of_format_2(path: Path, name: str, metadata: Any, attributes: Mapping[str, Any]) -> Array:
    """An array by its .zarray."""
    with reading(path, f"{EXPECTED} ({name!r})"):
        filters = [_id(one) for one in metadata.get("filters") or []]
        texts = metadata["dtype"] == "|O" and bool(filters) and all(one in TEXT_CODECS for one in filters)
        compressor = metadata.get("compressor")
        used = [] if compressor is None else [_id(compressor)]
        if "pickle" in (*filters, *used) or ("O" in json.dumps(metadata["dtype"]) and not texts):
            stored.refuse_pickled(name, path)
        if filters and not texts:
            raise _unknown(path, name, filters[0], TEXT_CODECS)
        if not set(used) <= set(codecs.DECODERS):
            raise _unknown(path, name, used[0], codecs.DECODERS)
        dtype, itemsize = (np.dtype("U"), 0) if texts else _dtype_2(path, name, metadata["dtype"])
        shape, chunks = _shapes(path, name, metadata["shape"], metadata["chunks"])
        separator, order = metadata.get("dimension_separator", "."), metadata.get("order", "C")
        if separator not in (".", "/") or order not in ("C", "F"):
            raise ValueError(f"dimension_separator {separator!r}, order {order!r}")
        steps = [functools.partial(codecs.decompress, one) for one in used]
        decode = functools.partial(_decode, steps, texts, dtype, chunks, _axes(order, len(shape)))
        fill = _fill(metadata.get("fill_value"), dtype)
        key = functools.partial(_key, "", separator)
        return Array(shape, chunks, chunks, dtype, itemsize, fill, key, decode, None, attributes)


def of_format_3(path: Path, name: str, metadata: Any) -> Array:
    """An array by its zarr.json."""
    with reading(path, f"{EXPECTED} ({name!r})"):
        dtype, itemsize = _dtype_3(path, name, metadata["data_type"])
        grid = metadata["chunk_grid"]
        if grid["name"] != "regular" or metadata.get("storage_transformers"):
            raise FileError(path, f"{name!r} has a chunk grid that is not regular, or storage transformers")
        shape, files = _shapes(path, name, metadata["shape"], grid["configuration"]["chunk_shape"])
        chain, shard, chunks = metadata["codecs"], None, files
        if [_id(one) for one in chain][:1] == ["sharding_indexed"]:
            if len(chain) > 1:
                raise _unknown(path, name, _id(chain[1]), ("sharding_indexed alone",))
            inner = chain[0]["configuration"]
            shard, chain = _shard(path, name, inner), inner["codecs"]
            _, chunks = _shapes(path, name, metadata["shape"], inner["chunk_shape"])
            if any(f % c for f, c in zip(files, chunks, strict=True)):
                raise ValueError("shards that are no whole number of chunks")
        steps, texts, dtype, axes = _chain_3(path, name, chain, dtype, len(shape))
        decode = functools.partial(_decode, steps, texts, dtype, chunks, axes)
        fill, attributes = _fill(metadata.get("fill_value"), dtype), metadata.get("attributes", {})
        key = _key_of_format_3(metadata["chunk_key_encoding"])
        if not isinstance(attributes, dict):
            raise ValueError("attributes that are no object")
        return Array(shape, chunks, files, dtype, itemsize, fill, key, decode, shard, attributes)


def _key_of_format_3(encoding: Any) -> Callable[[Index], str]:
    prefix, usual = {"default": ("c", "/"), "v2": ("", ".")}[encoding["name"]]
    separator = encoding.get("configuration", {}).get("separator")
    separator = usual if separator is None else separator
    if separator not in (".", "/"):
        raise ValueError(f"separator {separator!r}")
    return functools.partial(_key, prefix, separator)


def _chain_3(
    path: Path, name: str, chain: list[Any], dtype: np.dtype, ndim: int
) -> tuple[list[Step], bool, np.dtype, list[int] | None]:
    """The codecs of format 3: an order of axes, then bytes of the values, then bytes of bytes."""
    steps: list[Step] = []
    texts, axes, serialised = False, None, False
    for one in chain:
        codec, options = _id(one), (one.get("configuration") or {}) if isinstance(one, dict) else {}
        if codec == "transpose" and not serialised:
            axes = options["order"]
            if sorted(axes) != list(range(ndim)):
                raise ValueError(f"an order of axes {axes!r}")
        elif codec == "bytes" and not serialised:
            serialised = True
            big = {"little": False, "big": True}[options.get("endian", "little")]
            dtype = dtype.newbyteorder(">" if big else "<")
        elif codec in TEXT_CODECS and not serialised:
            serialised = texts = True
        elif codec == "crc32c" and serialised:
            steps.append(_checked)
        elif codec in codecs.DECODERS and serialised:
            steps.append(functools.partial(codecs.decompress, codec))
        else:
            raise _unknown(
                path, name, codec, ("bytes", *TEXT_CODECS, "transpose", "crc32c", *codecs.DECODERS)
            )
    if not serialised or texts != (dtype == np.dtype("U")):
        raise ValueError("a chain of codecs that does not fit the type")
    return steps, texts, dtype, axes


def _shard(path: Path, name: str, inner: Any) -> Shard:
    chain = [_id(one) for one in inner["index_codecs"]]
    if chain not in (["bytes"], ["bytes", "crc32c"]):
        raise _unknown(path, name, ", ".join(map(str, chain)), ("bytes, crc32c",))
    if (inner["index_codecs"][0].get("configuration") or {}).get("endian", "little") != "little":
        raise ValueError("an index of big-endian numbers")
    return Shard(len(chain) == 2, {"start": True, "end": False}[inner.get("index_location", "end")])


def _decode(
    steps: list[Step], texts: bool, dtype: np.dtype, chunks: Index, axes: list[int] | None,
    data: bytes, size: int | None, most: int,
) -> np.ndarray:  # fmt: skip
    """Undoes the codecs, the last first. Between them a size is known where only checksums follow."""
    after: list[int | None] = [0]
    for step in steps:
        before = after[-1]
        after.append(before + 4 if step is _checked and before is not None else None)
    for i in reversed(range(len(steps))):
        added = after[i]
        known = None if size is None or added is None else size + added
        data = steps[i](data, known, most if known is None else known)
    if texts:
        return _texts(data, math.prod(chunks)).reshape(chunks)
    if len(data) != size:
        raise ValueError(f"{len(data)} bytes of what should be {size}")
    values = np.frombuffer(data, np.uint8 if dtype.kind == "b" else dtype)
    values = values != 0 if dtype.kind == "b" else values
    if axes is None:
        return values.reshape(chunks)
    return values.reshape([chunks[a] for a in axes]).transpose(np.argsort(axes))


def _texts(data: bytes, count: int) -> np.ndarray:
    """Strings, each after its length; their number stands first."""
    if struct.unpack("<I", data[:4])[0] != count or 4 * count > len(data):
        raise ValueError(f"other than {count} strings")
    texts, at = [], 4
    for _ in range(count):
        length = struct.unpack("<I", data[at : at + 4])[0]
        if at + 4 + length > len(data):
            raise ValueError("strings that are cut short")
        texts.append(data[at + 4 : at + 4 + length].decode())
        at += 4 + length
    if count * max(map(len, texts), default=0) > 64 * len(data) + 2**20:
        raise ValueError("strings of very unlike lengths")
    return np.asarray(texts, str)


def _crc32c(data: bytes) -> bytes:
    """The bytes before their checksum."""
    package = lookup.package("google_crc32c", "reading Zarr chunks with checksums")
    if len(data) < 4 or package.value(data[:-4]) != struct.unpack("<I", data[-4:])[0]:
        raise ValueError("its checksum (CRC-32C) is wrong")
    return data[:-4]


def _checked(data: bytes, size: int | None, most: int) -> bytes:
    return _crc32c(data)


def _id(codec: Any) -> str:
    """The name of a codec, "id" in format 2 and "name" in 3."""
    name = codec if isinstance(codec, str) else codec.get("id", codec.get("name"))
    if not isinstance(name, str):
        raise ValueError(f"a codec without a name: {codec!r:.60}")
    return name


def _unknown(path: Path, name: str, codec: str, known: Any) -> FileError:
    return FileError(path, f"{name!r} needs the codec {codec!r}, which is refused; known: {', '.join(known)}")


def _shapes(path: Path, name: str, shape: Any, chunks: Any) -> tuple[Index, Index]:
    shape, chunks = (stored.checked_shape(one, path, name) for one in (shape, chunks))
    if len(shape) != len(chunks) or 0 in chunks:
        raise FileError(path, f"{name!r} of shape {list(shape)} lies in chunks of {list(chunks)}")
    return shape, chunks


def _axes(order: str, ndim: int) -> list[int] | None:
    return None if order == "C" else list(reversed(range(ndim)))


def _dtype_2(path: Path, name: str, text: Any) -> tuple[np.dtype, int]:
    if not isinstance(text, str) or not re.fullmatch(r"[<>|][biufSU][1-9]\d{0,8}", text):
        raise FileError(path, f"{name!r} holds {text!r:.60}: expected plain numbers or strings")
    dtype = np.dtype(text)
    return dtype, dtype.itemsize


def _dtype_3(path: Path, name: str, dtype: Any) -> tuple[np.dtype, int]:
    if dtype == "string" or dtype == {"name": "string"}:
        return np.dtype("U"), 0
    if isinstance(dtype, dict) and dtype.get("name") == "fixed_length_utf32":
        length = dtype["configuration"]["length_bytes"]
        if type(length) is int and 4 <= length < 2**31 and length % 4 == 0:
            return np.dtype(f"U{length // 4}"), length
    if dtype not in NUMBERS:
        raise FileError(path, f"{name!r} holds {dtype!r:.60}: expected {', '.join(NUMBERS)} or string")
    return np.dtype(dtype), np.dtype(dtype).itemsize


def _fill(value: Any, dtype: np.dtype) -> Any:
    if value in ("NaN", None):
        return np.nan if value == "NaN" and dtype.kind == "f" else np.zeros((), dtype)[()]
    if dtype.kind in "US":
        return str(value)
    if isinstance(value, str) and value in ("Infinity", "-Infinity"):
        value = float(value.replace("Infinity", "inf"))
    return np.asarray(value).astype(dtype)[()]


def _key(prefix: str, separator: str, index: Index) -> str:
    """The name of a chunk's file."""
    names = ([prefix] if prefix else []) + [str(i) for i in index]
    return separator.join(names) if names else "0"
