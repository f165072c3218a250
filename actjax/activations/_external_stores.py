"""Arrays in HDF5 files and Zarr stores, whose packages are optional."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from actjax.activations._external_files import Stored, check_inside, check_name, refuse_pickled

# Zarr filters that turn bytes into strings without unpickling.
STRING_CODECS = ("vlen-utf8", "vlen-bytes")


def read_hdf5(path: Path) -> tuple[dict[str, Stored], dict[str, Any]]:
    """The datasets of an HDF5 file, by their path in it, and the attributes of its root.

    Raises:
      ValueError: the package is not installed; no HDF5 file; links to other files; objects.
    """
    try:
        import h5py
    except ImportError:
        raise ValueError(f"{path} needs the package h5py: pip install h5py") from None
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise ValueError(f"{path} is no HDF5 file ({error})") from None
    found: dict[str, Stored] = {}

    def visit(group: Any, prefix: str) -> None:
        for key in group:
            name = check_name(prefix + key, path)
            if isinstance(group.get(key, getlink=True), h5py.ExternalLink):
                raise ValueError(f"{path} holds an entry {name!r} that leads out of it: refused")
            if isinstance(group[key], h5py.Group):
                visit(group[key], f"{name}/")
            else:
                found[name] = _hdf5_array(h5py, group[key], name, path)

    visit(file, "")
    return found, dict(file.attrs)


def _hdf5_array(h5py: Any, dataset: Any, name: str, path: Path) -> Stored:
    if dataset.external or dataset.is_virtual:
        raise ValueError(f"{path} keeps {name!r} in another file, which leads out of it: refused")
    strings = h5py.check_string_dtype(dataset.dtype) is not None
    if dataset.dtype.hasobject and not strings:
        refuse_pickled(name, path)

    def read(start: int, stop: int) -> np.ndarray:
        if not dataset.shape:
            return np.asarray(dataset[()])
        return np.asarray(dataset.asstr()[start:stop], str) if strings else dataset[start:stop]

    return Stored(tuple(dataset.shape), dataset.dtype, read, dict(dataset.attrs))


def read_zarr(path: Path) -> tuple[dict[str, Stored], dict[str, Any]]:
    """The arrays of a Zarr folder (format 2 or 3), by their path in it, and the attributes of its root.

    Raises:
      ValueError: the package is not installed; no Zarr group; links to other folders; pickled arrays.
    """
    try:
        import zarr
    except ImportError:
        raise ValueError(f"{path} needs the package zarr: pip install zarr") from None
    if not path.is_dir():
        raise ValueError(f"{path} is no Zarr folder: archives of one are to be unpacked")
    for inner in path.rglob("*"):
        check_inside(inner, path)
        if inner.name == ".zarray":
            _check_filters(inner, path)
    try:
        group = zarr.open_group(str(path), mode="r")
    except (ValueError, OSError, KeyError) as error:
        raise ValueError(f"{path} is no Zarr group ({error})") from None
    found = {}
    for name, array in group.members(max_depth=None):
        if isinstance(array, zarr.Array):
            found[name] = _zarr_array(array, check_name(name, path))
    return found, dict(group.attrs)


def _check_filters(metadata: Path, path: Path) -> None:
    """Refuses objects that only unpickling reads, from the metadata alone."""
    about = json.loads(metadata.read_text())
    filters = [f["id"] for f in about.get("filters") or []]
    objects = "O" in str(about.get("dtype")) and not set(filters) & set(STRING_CODECS)
    if objects or "pickle" in filters:
        refuse_pickled(metadata.parent.relative_to(path).as_posix(), path)


def _zarr_array(array: Any, name: str) -> Stored:
    def read(start: int, stop: int) -> np.ndarray:
        return np.asarray(array[start:stop] if array.shape else array[()])

    return Stored(tuple(array.shape), np.dtype(array.dtype), read, dict(array.attrs))
