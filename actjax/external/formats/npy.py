"""NumPy's .npy files and .npz archives of them."""

import ast
import functools
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from actjax.external.formats import stored
from actjax.external.formats.archive import opened_zip
from actjax.external.formats.stored import Stored
from actjax.files import FileError, reading, regular_file

# The longest header of a .npy, as NumPy itself allows.
HEADER = 10_000
BLOCK = 2**20


def read_npy(path: Path, name: str) -> Stored:
    """The array of one .npy file.

    Raises:
      FileError: no .npy file, pickled objects, structured, in Fortran order, or cut short.
    """
    regular_file(path)
    with open(path, "rb") as file:
        shape, dtype = _header(file, name, path)
        offset = file.tell()
    return stored.plain(path, name, offset, shape, dtype)


def read_npz(path: Path) -> dict[str, Stored]:
    """The arrays of an archive by name, stored or deflated; `verify` checks an entry's CRC.

    Raises:
      FileError: no .npz archive; an entry that is no array, leads out, stands twice, or declares more
        than its bytes can hold.
    """
    arrays: dict[str, Stored] = {}
    with opened_zip(path) as archive:
        for info in archive.infolist():
            name = stored.check_name(info.filename, path).removesuffix(".npy")
            if not info.filename.endswith(".npy") or name in arrays:
                raise FileError(path, f"expected .npy entries, each once, got {info.filename!r}")
            with reading(path, "a .npz archive"), archive.open(info) as member:
                shape, dtype = _header(member, name, path)
                header = member.tell()
            arrays[name] = _entry(path, info, name, header, shape, dtype)
    return arrays


def _header(file: Any, name: str, path: Path) -> tuple[tuple[int, ...], np.dtype]:
    """Reads the header of a .npy stream, which then stands at the values."""
    with reading(path, f"a .npy array ({name!r})"):
        version = np.lib.format.read_magic(file)
        size = struct.unpack(*(("<H", file.read(2)) if version[0] == 1 else ("<I", file.read(4))))[0]
        if size > HEADER:
            raise ValueError(f"a header of {size} bytes")
        header = ast.literal_eval(file.read(size).decode("latin1" if version[0] < 3 else "utf8"))
        shape = stored.checked_shape(header["shape"], path, name)
        dtype, fortran = np.lib.format.descr_to_dtype(header["descr"]), header["fortran_order"]
    if dtype.hasobject:
        stored.refuse_pickled(name, path)
    if dtype.itemsize == 0 or dtype.fields is not None or dtype.subdtype is not None:
        raise FileError(path, f"{name!r} holds {str(dtype)[:60]}: expected plain numbers or strings")
    if fortran and len(shape) > 1:
        raise FileError(path, f"{name!r} is in Fortran order: save np.ascontiguousarray of it")
    return shape, dtype


def _entry(
    path: Path, info: zipfile.ZipInfo, name: str, header: int, shape: tuple[int, ...], dtype: np.dtype
) -> Stored:
    verify = functools.partial(_verify, path, info.filename)
    if info.compress_type == zipfile.ZIP_STORED:
        return stored.plain(path, name, _member_offset(path, info) + header, shape, dtype, verify)
    deflated = _Deflated(path, info.filename, name, header, shape, dtype)
    array = Stored(path, name, shape, dtype, deflated, verify=verify)
    needed = header + array.size * dtype.itemsize
    if info.file_size < needed:
        raise FileError(
            path, f"{name!r} should end at byte {needed} of its entry, which has {info.file_size}"
        )
    return array


def _member_offset(path: Path, info: zipfile.ZipInfo) -> int:
    """Where the bytes of an entry begin: after its local header, whose length only it knows."""
    with open(path, "rb") as file, reading(path, "a .npz archive"):
        file.seek(info.header_offset)
        mark, name, extra = struct.unpack("<4s22xHH", file.read(30))
        if mark != b"PK\x03\x04":
            raise ValueError(f"no entry where {info.filename!r} should begin")
    return info.header_offset + 30 + name + extra


def _verify(path: Path, entry: str) -> None:
    """Reads an entry once, to the CRC that the archive keeps of it."""
    status = path.stat()
    _verified(path, entry, status.st_size, status.st_mtime_ns)


@functools.lru_cache(maxsize=4096)
def _verified(path: Path, entry: str, size: int, changed_ns: int) -> None:
    """Once for each state of a file: a stage opens its file more than once."""
    with opened_zip(path) as archive, reading(path, "a .npz archive"), archive.open(entry) as member:
        while member.read(BLOCK):
            pass


class _Deflated:
    """Reads a deflated entry forwards; going back starts it anew."""

    def __init__(
        self, path: Path, entry: str, name: str, header: int, shape: tuple[int, ...], dtype: np.dtype
    ):
        self.path, self.entry, self.name, self.header = path, entry, name, header
        self.shape, self.dtype = shape, dtype
        self.row = Stored(path, name, shape, dtype, self).row_bytes
        self._file: Any = None

    def __call__(self, start: int, stop: int) -> np.ndarray:
        with reading(self.path, "a .npz archive"):
            if self._file is None or self._file.tell() > self.header + start * self.row:
                self._file = zipfile.ZipFile(self.path).open(self.entry)  # noqa: SIM115 (open for the next read)
            self._skip_to(self.header + start * self.row)
            out = np.empty((stop - start, *self.shape[1:]) if self.shape else (), self.dtype)
            view = memoryview(out.reshape(-1).view(np.uint8).data)
            while view:
                got = self._file.read(min(len(view), BLOCK))
                if not got:
                    raise ValueError(f"{self.entry} ended after {self._file.tell()} bytes")
                view[: len(got)] = got
                view = view[len(got) :]
        return out

    def _skip_to(self, place: int) -> None:
        while (ahead := place - self._file.tell()) > 0 and self._file.read(min(ahead, BLOCK)):
            pass
