"""Reads the arrays of an .npz file that nothing vouches for, bounded by the size of the file."""

import io
import zipfile
from collections.abc import Collection
from pathlib import Path

import numpy as np

from actjax import files

# How many bytes deflate can make of one.
DEFLATED = 1032


def read_arrays(
    path: Path,
    names: Collection[str] | None = None,
    *,
    compressed: bool = False,
    expected: str = "an .npz file",
) -> dict[str, np.ndarray]:
    """The arrays of a file that np.savez wrote: those of `names` that it has, or all.

    Reading a member to its end checks its CRC, which np.load on a path leaves out.

    Raises:
      FileError: it is damaged, or no such file.
      FileNotFoundError: it is missing.
    """
    size = files.regular_file(path)
    with files.reading(path, expected), zipfile.ZipFile(path) as archive:
        # np.savez does not compress: nothing may unpack to more than the file holds.
        most = size * DEFLATED if compressed else size
        if sum(member.file_size for member in archive.infolist()) > most:
            raise ValueError("its arrays are said to be larger than the file")
        members = {m.filename.removesuffix(".npy"): m for m in archive.infolist()}
        wanted = members if names is None else [name for name in members if name in names]
        return {name: _array(archive.read(members[name])) for name in wanted}


def _array(data: bytes) -> np.ndarray:
    file = io.BytesIO(data)
    version = np.lib.format.read_magic(file)
    header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = header(file)
    whole = int(np.prod(shape, dtype=object)) * dtype.itemsize
    if dtype.hasobject or not dtype.itemsize or whole != len(data) - file.tell():
        raise ValueError("an array is said to have another size than it has")
    return np.lib.format.read_array(io.BytesIO(data), allow_pickle=False)
