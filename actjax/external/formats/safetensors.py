"""Files .safetensors: a JSON header, then the bytes of the arrays."""

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np

from actjax.external.formats import stored
from actjax.external.formats.stored import Stored
from actjax.files import FileError, reading, regular_file

TYPES = {
    "F64": np.float64, "F32": np.float32, "F16": np.float16, "BF16": ml_dtypes.bfloat16, "I64": np.int64,
    "I32": np.int32, "I16": np.int16, "I8": np.int8, "U64": np.uint64, "U32": np.uint32, "U16": np.uint16,
    "U8": np.uint8, "BOOL": np.bool_,
}  # fmt: skip
# Parsed JSON takes at most about so many times its text.
PARSED = 32


def read_safetensors(path: Path, bound: int) -> tuple[dict[str, Stored], Mapping[str, Any]]:
    """The arrays of a file by name, and its metadata, whose values are parsed as JSON where they are.

    Raises:
      FileError: no such file; a header of more than `bound` / 32 bytes; arrays that are cut short,
        overlap or are of an unknown type.
    """
    size = regular_file(path)
    with open(path, "rb") as file, reading(path, "a .safetensors file"):
        length = int.from_bytes(file.read(8), "little")
        if length > size - 8 or length * PARSED > bound:
            raise ValueError(f"a header of {length} bytes in a file of {size}")
        header = json.loads(file.read(length), object_pairs_hook=without_repeats)
        metadata = header.pop("__metadata__", {})
        if not all(isinstance(text, str) for text in metadata.values()):
            raise ValueError("metadata that is no text")
    arrays, spans = {}, []
    for name, entry in header.items():
        arrays[name], span = _array(path, name, entry, 8 + length)
        spans.append((*span, name))
    spans.sort()
    for (_, end, one), (begin, _, other) in zip(spans, spans[1:], strict=False):
        if begin < end:
            raise FileError(path, f"{one!r} and {other!r} overlap")
    return arrays, _Parsed(metadata)


def without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object, unless a key stands twice in it: the second would hide the first."""
    entries = dict(pairs)
    if len(entries) != len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"the key {next(key for key in keys if keys.count(key) > 1)!r} stands twice")
    return entries


def _array(path: Path, name: str, entry: Any, start: int) -> tuple[Stored, tuple[int, int]]:
    stored.check_name(name, path)
    with reading(path, f"a .safetensors file ({name!r})"):
        kind, shape, (begin, end) = entry["dtype"], entry["shape"], entry["data_offsets"]
        if kind not in TYPES:
            raise ValueError(f"is {kind!r}, expected {', '.join(TYPES)}")
        if type(begin) is not int or type(end) is not int or begin < 0:
            raise ValueError(f"begins at {begin!r} and ends at {end!r}")
    dtype, shape = np.dtype(TYPES[kind]), stored.checked_shape(shape, path, name)
    if end - begin != math.prod(shape) * dtype.itemsize:
        raise FileError(path, f"{name!r} has {end - begin} bytes, not those of {list(shape)} {dtype}")
    return stored.plain(path, name, start + begin, shape, dtype), (begin, end)


class _Parsed(Mapping[str, Any]):
    """Metadata whose values are parsed when they are asked for."""

    def __init__(self, texts: dict[str, str]):
        self.texts = texts

    def __getitem__(self, key: str) -> Any:
        try:
            return json.loads(self.texts[key])
        except (ValueError, RecursionError):
            return self.texts[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self.texts)

    def __len__(self) -> int:
        return len(self.texts)
