"""Arrays in files made elsewhere, read in slices of their first axis: .npz, .npy, .safetensors, .h5, .zarr.

Nothing is unpickled and nothing is extracted. Slices are read, not memory-mapped: pages of a mapped file
count as this process's memory, which is to stay bounded however large the file.
"""

import ast
import dataclasses
import json
import math
import os
import struct
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import ml_dtypes
import numpy as np

SUFFIXES = (".npz", ".npy", ".safetensors", ".h5", ".hdf5", ".zarr")
SAFETENSORS_TYPES = {
    "F64": np.float64, "F32": np.float32, "F16": np.float16, "BF16": ml_dtypes.bfloat16, "I64": np.int64,
    "I32": np.int32, "I16": np.int16, "I8": np.int8, "U8": np.uint8, "BOOL": np.bool_,
}  # fmt: skip


@dataclasses.dataclass(frozen=True, eq=False)
class Stored:
    """An array in a file.

    Attributes:
      shape, dtype: of the array.
      read: (start, stop) -> that slice of the first axis; (0, 0) of an array without axes gives its value.
      attributes: what the file says of this array beside its values.
    """

    shape: tuple[int, ...]
    dtype: np.dtype
    read: Callable[[int, int], np.ndarray]
    attributes: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def all(self) -> np.ndarray:
        """The whole array."""
        return self.read(0, self.shape[0] if self.shape else 0)

    def rows(self, index: np.ndarray) -> np.ndarray:
        """The entries of the first axis at `index`; neighbours are read at once."""
        breaks = np.flatnonzero(np.diff(index) != 1) + 1
        runs = np.split(np.asarray(index), breaks)
        parts = [self.read(int(run[0]), int(run[-1]) + 1) for run in runs if len(run)]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)


def open_arrays(path: Path) -> tuple[dict[str, Stored], dict[str, Any]]:
    """The arrays of a file by name, and what the file says of itself.

    A folder holds one .npy a name, `conv1/hop_s.npy` being "conv1/hop_s"; a single .npy stands for
    itself and what lies beside it under `clip_ids.npy` and `<its name>/`.

    Raises:
      FileNotFoundError: no such file.
      ValueError: an unknown format, a pickled array, a name or link that leaves the file.
    """
    if not path.exists():
        raise FileNotFoundError(
            f"{path} does not exist: expected a file {', '.join(SUFFIXES)}, or a folder of .npy"
        )
    suffix = path.suffix.lower()
    if suffix in (".h5", ".hdf5", ".zarr"):
        from actjax.activations import _external_stores

        read = _external_stores.read_zarr if suffix == ".zarr" else _external_stores.read_hdf5
        return read(path)
    if path.is_dir():
        return _read_folder(path, sorted(path.rglob("*.npy"))), {}
    if suffix == ".npy":
        beside = [path.parent / "clip_ids.npy", *sorted(path.with_suffix("").rglob("*.npy"))]
        return _read_folder(path.parent, [path, *(p for p in beside if p.exists())]), {}
    if suffix == ".npz":
        return _read_npz(path), {}
    if suffix == ".safetensors":
        return _read_safetensors(path)
    raise ValueError(f"{path}: expected {', '.join(SUFFIXES)}, or a folder of .npy files")


def check_name(name: str, path: Path) -> str:
    """The name, unless it leads out of the file."""
    parts = PurePosixPath(name.replace("\\", "/")).parts
    if name.startswith(("/", "\\")) or ".." in parts or ":" in name:
        raise ValueError(f"{path} holds an entry {name!r} that leads out of it: refused")
    return name


def check_inside(inner: Path, outer: Path) -> None:
    """Refuses a path that leads out of a folder by a link."""
    if not inner.resolve().is_relative_to(outer.resolve()):
        raise ValueError(f"{inner} leads out of {outer}: refused")


def refuse_pickled(name: str, path: Path) -> None:
    """Raises the error for an array that only unpickling could read."""
    raise ValueError(
        f"{path}: array {name!r} is pickled (dtype object), which is never loaded: save numbers, and clip "
        "ids as np.array(ids, dtype=str)"
    )


def _read_folder(folder: Path, paths: list[Path]) -> dict[str, Stored]:
    found = {}
    for path in paths:
        check_inside(path, folder)
        name = path.relative_to(folder).with_suffix("").as_posix()
        with open(path, "rb") as file:
            shape, dtype = _npy_header(file, name, path)
            offset = file.tell()
        found[name] = _plain(path, name, offset, shape, dtype)
    return found


def _read_npz(path: Path) -> dict[str, Stored]:
    found = {}
    try:
        archive = zipfile.ZipFile(path)
    except zipfile.BadZipFile as error:
        raise ValueError(f"{path} is no .npz file ({error})") from None
    with archive:
        for info in archive.infolist():
            name = check_name(info.filename, path).removesuffix(".npy")
            if not info.filename.endswith(".npy"):
                raise ValueError(f"{path}: expected .npy entries, got {info.filename!r}")
            with archive.open(info) as member:
                shape, dtype = _npy_header(member, name, path)
                header = member.tell()
            if info.compress_type == zipfile.ZIP_STORED:
                offset = _member_offset(path, info) + header
                found[name] = _plain(path, name, offset, shape, dtype)
            else:
                found[name] = Stored(shape, dtype, _Compressed(path, info.filename, header, shape, dtype))
    return found


def _npy_header(file: Any, name: str, path: Path) -> tuple[tuple[int, ...], np.dtype]:
    """Reads the header of a .npy stream, which then stands at the values."""
    try:
        version = np.lib.format.read_magic(file)
        size = struct.unpack(*(("<H", file.read(2)) if version[0] == 1 else ("<I", file.read(4))))[0]
        if size > 2**16:
            raise ValueError(f"a header of {size} bytes")
        header = ast.literal_eval(file.read(size).decode("latin1" if version[0] < 3 else "utf8"))
        shape, dtype = header["shape"], np.lib.format.descr_to_dtype(header["descr"])
    except (ValueError, SyntaxError, KeyError, TypeError, struct.error) as error:
        raise ValueError(f"{path}: {name!r} is no .npy array ({error})") from None
    if dtype.hasobject:
        refuse_pickled(name, path)
    if header["fortran_order"] and len(shape) > 1:
        raise ValueError(f"{path}: {name!r} is in Fortran order: save np.ascontiguousarray of it")
    return tuple(int(n) for n in shape), dtype


def _member_offset(path: Path, info: zipfile.ZipInfo) -> int:
    """Where the bytes of an entry begin: after its local header, whose length only it knows."""
    with open(path, "rb") as file:
        file.seek(info.header_offset)
        local = file.read(30)
    name, extra = struct.unpack("<HH", local[26:30])
    return info.header_offset + 30 + name + extra


def _plain(path: Path, name: str, offset: int, shape: tuple[int, ...], dtype: np.dtype) -> Stored:
    """An array whose bytes lie in a file as they are."""
    row = math.prod(shape[1:]) * dtype.itemsize
    needed = offset + row * (shape[0] if shape else 1)
    if path.stat().st_size < needed:
        raise ValueError(
            f"{path}: {name!r} should end at byte {needed}, the file ends at {path.stat().st_size}"
        )

    def read(start: int, stop: int) -> np.ndarray:
        out = np.empty((stop - start, *shape[1:]) if shape else (), dtype)
        view = memoryview(out.reshape(-1).view(np.uint8))
        with open(path, "rb", buffering=0) as file:
            at = offset + start * row
            while view:
                got = os.preadv(file.fileno(), [view[: 2**30]], at)
                if not got:
                    raise OSError(f"{path} ended while it was read")
                view, at = view[got:], at + got
        return out

    return Stored(shape, dtype, read)


class _Compressed:
    """Reads a deflated entry forwards; going back starts it anew."""

    def __init__(self, path: Path, entry: str, header: int, shape: tuple[int, ...], dtype: np.dtype):
        self.path, self.entry, self.header, self.shape, self.dtype = path, entry, header, shape, dtype
        self.row = math.prod(shape[1:]) * dtype.itemsize
        self._file: Any = None

    def __call__(self, start: int, stop: int) -> np.ndarray:
        if self._file is None or self._file.tell() > self.header + start * self.row:
            self._file = zipfile.ZipFile(self.path).open(self.entry)  # noqa: SIM115 (kept for the next read)
        self._file.seek(self.header + start * self.row)
        size = (stop - start if self.shape else 1) * self.row
        data = self._file.read(size)
        if len(data) < size:
            raise OSError(f"{self.path}: {self.entry} ended after {self._file.tell()} bytes")
        return np.frombuffer(data, self.dtype).reshape((stop - start, *self.shape[1:]) if self.shape else ())


def _read_safetensors(path: Path) -> tuple[dict[str, Stored], dict[str, Any]]:
    size = path.stat().st_size
    with open(path, "rb") as file:
        length = int.from_bytes(file.read(8), "little")
        try:
            header = json.loads(file.read(length)) if length <= min(size - 8, 100 * 2**20) else None
            about = header.pop("__metadata__", {})
        except (ValueError, AttributeError):
            raise ValueError(f"{path} is no .safetensors file") from None
    found = {}
    for name, entry in header.items():
        check_name(name, path)
        if entry["dtype"] not in SAFETENSORS_TYPES:
            raise ValueError(f"{path}: {name!r} is {entry['dtype']}; expected {', '.join(SAFETENSORS_TYPES)}")
        dtype, shape = np.dtype(SAFETENSORS_TYPES[entry["dtype"]]), tuple(entry["shape"])
        begin, end = entry["data_offsets"]
        if end - begin != math.prod(shape) * dtype.itemsize or begin < 0:
            raise ValueError(f"{path}: {name!r} has {end - begin} bytes, not those of {shape} {dtype}")
        found[name] = _plain(path, name, 8 + length + begin, shape, dtype)
    return found, {key: _parsed(value) for key, value in about.items()}


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
