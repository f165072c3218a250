"""Zip archives, of which the directory is not believed."""

import contextlib
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from actjax.files import FileError, reading, regular_file
from actjax.npz import DEFLATED

# The longest directory of an archive: some 90,000 entries.
DIRECTORY = 4 * 2**20


@contextlib.contextmanager
def opened_zip(path: Path) -> Iterator[zipfile.ZipFile]:
    """A zip archive whose directory is short and whose entries can hold what they declare.

    Raises:
      FileError: it is none, or an entry is encrypted, of another compression, or declares too much.
    """
    size = regular_file(path)
    with open(path, "rb") as file:
        with reading(path, "a zip archive"):
            archive = zipfile.ZipFile(_Careful(file, size))
        with archive:
            for info in archive.infolist():
                _check_entry(path, info, size)
            yield archive


def _check_entry(path: Path, info: zipfile.ZipInfo, size: int) -> None:
    """That an entry's declared sizes are possible ones."""
    most = {zipfile.ZIP_STORED: info.compress_size, zipfile.ZIP_DEFLATED: DEFLATED * info.compress_size + 64}
    if info.compress_type not in most or info.flag_bits & 1:
        raise FileError(path, f"{info.filename!r} is encrypted or neither stored nor deflated")
    if not 0 <= info.header_offset <= info.header_offset + info.compress_size <= size:
        raise FileError(path, f"{info.filename!r} should end beyond the file's {size} bytes")
    if not 0 <= info.file_size <= most[info.compress_type]:
        raise FileError(
            path, f"{info.filename!r} declares {info.file_size} bytes in {info.compress_size}, more than fit"
        )


class _Careful:
    """A file that is never read in one piece longer than an archive's directory may be.

    zipfile reads the whole directory, as long as the archive says, before it can be asked for its length.
    """

    def __init__(self, file: BinaryIO, size: int):
        self.file, self.size = file, size
        self.seek, self.tell, self.close, self.seekable = file.seek, file.tell, file.close, file.seekable

    def read(self, count: int = -1) -> bytes:
        count = self.size - self.file.tell() if count is None or count < 0 else count
        if count > DIRECTORY:
            raise ValueError(f"a directory of {count} bytes")
        return self.file.read(count)


def entry(path: Path, archive: zipfile.ZipFile, name: str, bound: int) -> bytes:
    """An entry's bytes, their CRC checked; FileError where it is not there or above `bound`."""
    if name not in archive.namelist():
        raise FileError(path, f"expected an entry {name!r} in it, found none")
    size = archive.getinfo(name).file_size
    if size > bound:
        raise FileError(path, f"{size} bytes of {name!r} are above the bound of {bound} (score.memory_gib)")
    with reading(path, "a zip archive"), archive.open(name) as file:
        # Read whole, an entry of more than DIRECTORY bytes would be taken for a directory.
        return b"".join(iter(lambda: file.read(2**20), b""))
