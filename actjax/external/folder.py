"""Writes a folder of activations, batch by batch; `layers.open_activations` reads it."""

import contextlib
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from actjax.files import RUN, FileError


class LayerTimes(NamedTuple):
    """Where a layer lies, as the folder says it.

    Attributes:
      depth: 0 input .. 1 output.
      time0_s, hop_s, field_s: of its frames in seconds; None for an embedding.
      hz: [freq] centre frequencies of its bands, or None where nobody knows them.
    """

    depth: float
    time0_s: float | None = None
    hop_s: float | None = None
    field_s: float | None = None
    hz: np.ndarray | None = None


class FolderWriter:
    """Takes batches of layers; every array is as long as there are clips. Made by `new_folder`."""

    def __init__(self, aside: Path, path: Path, clips: int, dtype: np.dtype):
        self._aside, self._path, self._clips, self._dtype = aside, path, clips, dtype
        self._arrays: dict[str, np.ndarray] = {}
        self.written = 0

    def add(self, layers: Mapping[str, np.ndarray]) -> None:
        """Writes the next clips of every layer.

        Raises:
          ValueError: more clips than ids; another shape than before; values beyond the type's range.
        """
        count = len(next(iter(layers.values())))
        stop = self.written + count
        if stop > self._clips:
            raise ValueError(f"{self._path}: expected {self._clips} clips, one a clip id; got more")
        for name, values in layers.items():
            above, _, last = name.rpartition("/")
            if name == "clip_ids" or (above in layers and last in LayerTimes._fields):
                raise ValueError(
                    f"layer {name!r} has a name that the folder uses itself: choose others by layers="
                )
            array = self._array(name, values.shape[1:])
            if values.shape[1:] != array.shape[1:]:
                raise ValueError(f"layer {name!r}: expected {array.shape[1:]} a clip, got {values.shape[1:]}")
            array[self.written : stop] = narrowed(name, values, self._dtype)
        self.written = stop

    def finish(self, clip_ids: Sequence[str], times: Mapping[str, LayerTimes]) -> None:
        """Writes the clip ids and where each layer lies.

        Raises:
          ValueError: fewer clips than ids came.
        """
        if self.written != self._clips:
            raise ValueError(f"{self._path}: expected {self._clips} clips, one a clip id; got {self.written}")
        for array in self._arrays.values():
            array.flush() if isinstance(array, np.memmap) else None
        np.save(self._aside / "clip_ids.npy", np.asarray(clip_ids, np.str_))
        for name, place in times.items():
            for key, value in place._asdict().items():
                if value is not None:
                    target = self._aside / name / f"{key}.npy"
                    target.parent.mkdir(parents=True, exist_ok=True)
                    np.save(target, np.asarray(value, np.float64))

    def _array(self, name: str, shape: tuple[int, ...]) -> np.ndarray:
        if name not in self._arrays:
            target = self._aside / f"{name}.npy"
            target.parent.mkdir(parents=True, exist_ok=True)
            self._arrays[name] = np.lib.format.open_memmap(target, "w+", self._dtype, (self._clips, *shape))
        return self._arrays[name]


@contextlib.contextmanager
def new_folder(path: Path, clips: int, dtype: str | np.dtype) -> Iterator[FolderWriter]:
    """Yields what writes a folder that appears whole at the end, or not at all.

    Args:
      path: of the folder, which must not exist, or be empty.
      clips: how many there will be.
      dtype: of the values, float16 or float32.

    Raises:
      FileError: something is there already.
    """
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise FileError(path, "is there already: remove it, or name another folder for the activations")
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{RUN}.part")
    try:
        aside.mkdir()
        yield FolderWriter(aside, path, clips, np.dtype(dtype))
        os.replace(aside, path)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def narrowed(name: str, values: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Values as another type; ValueError where finite ones are beyond its range."""
    with np.errstate(over="ignore"):
        narrow = values.astype(dtype)
    if (np.isinf(narrow) & np.isfinite(values)).any():
        raise ValueError(f"layer {name!r} holds values beyond the range of {dtype}: write dtype='float32'")
    return narrow
