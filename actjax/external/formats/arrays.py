"""The arrays of a file or folder, whatever its format."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from actjax.external.formats import hdf5, npy, safetensors, stored, zarr
from actjax.external.formats.stored import Stored
from actjax.files import FileError, printable

SUFFIXES = (".npz", ".npy", ".safetensors", ".h5", ".hdf5", ".zarr")
BOUND = 2**30


def open_arrays(path: Path, bound: int = BOUND) -> tuple[dict[str, Stored], Mapping[str, Any]]:
    """The arrays of a file by name, and what the file says of itself.

    A folder holds one .npy a name, `conv1/hop_s.npy` being "conv1/hop_s"; a single .npy stands for
    itself and what lies beside it under `clip_ids.npy` and `<its name>/`.

    Args:
      path: of it.
      bound: bytes of memory that opening it, and holding one chunk of it, may take.

    Raises:
      FileNotFoundError: no such file.
      FileError: an unknown format, a damaged file, a pickled array, a name or link that leaves the file;
        one line that begins with the file's path.
    """
    if not path.exists():
        raise FileNotFoundError(
            f"{printable(str(path))} does not exist: expected {', '.join(SUFFIXES)}, or a folder of .npy"
        )
    suffix = path.suffix.lower()
    if suffix == ".zarr":
        return zarr.read_zarr(path, bound)
    if path.is_dir():
        return _read_folder(path, list(_npy_below(path))), {}
    if suffix in (".h5", ".hdf5"):
        return hdf5.read_hdf5(path, bound)
    if suffix == ".npy":
        beside, inner = path.parent / "clip_ids.npy", path.with_suffix("")
        below = list(_npy_below(inner)) if inner.is_dir() else []
        return _read_folder(path.parent, [path, *([beside] if beside.exists() else []), *below]), {}
    if suffix == ".npz":
        return npy.read_npz(path), {}
    if suffix == ".safetensors":
        return safetensors.read_safetensors(path, bound)
    raise FileError(path, f"expected {', '.join(SUFFIXES)}, or a folder of .npy files")


def _npy_below(folder: Path) -> Iterator[Path]:
    """The .npy files below a folder, in order; FileError where it holds far more than a folder of arrays."""
    seen = 0
    for place, folders, files in os.walk(folder):
        folders.sort()
        seen += len(folders) + len(files)
        if seen > stored.MEMBERS:
            raise FileError(folder, f"holds more than {stored.MEMBERS} files: expected a folder of arrays")
        yield from (Path(place, file) for file in sorted(files) if file.endswith(".npy"))


def _read_folder(folder: Path, paths: list[Path]) -> dict[str, Stored]:
    arrays = {}
    for path in dict.fromkeys(paths):
        stored.check_inside(path, folder)
        name = path.relative_to(folder).with_suffix("").as_posix()
        arrays[name] = npy.read_npy(path, name)
    return arrays
