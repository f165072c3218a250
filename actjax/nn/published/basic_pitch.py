"""The weights of Basic Pitch (Bittner et al., 2022; Apache 2.0) in its npm package @spotify/basic-pitch."""

import gzip
import io
import json
import math
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from actjax.files import FileError, reading, regular_file
from actjax.nn.imported import Imported

FRONTEND = {"sample_rate_hz": 22_050}
KEYS = 88
MODEL, WEIGHTS = "package/model/model.json", "package/model/group1-shard1of1.bin"
EXPECTED = "the npm package @spotify/basic-pitch (npm pack @spotify/basic-pitch)"
SCOPE = "StatefulPartitionedCall/model_1/"
# Our convolution -> their kernel and bias, and our kernel's shape (frequency, time, in, out).
CONVOLUTIONS = {
    "contour_conv": ("conv2d_1/Conv2D_weights", "", (39, 3, 8, 8)),
    "contour": (
        "contours-reduced/Conv2D/ReadVariableOp",
        "contours-reduced/BiasAdd/ReadVariableOp",
        (5, 5, 8, 1),
    ),
    "note_conv": ("conv2d_2/Conv2D/ReadVariableOp", "conv2d_2/BiasAdd/ReadVariableOp", (7, 7, 1, 32)),
    "note": ("conv2d_3/Conv2D/ReadVariableOp", "conv2d_3/BiasAdd/ReadVariableOp", (3, 7, 32, 1)),
    "onset_conv": ("conv2d_4/Conv2D_weights", "", (5, 5, 8, 32)),
    "onset": ("conv2d_5/Conv2D/ReadVariableOp", "conv2d_5/BiasAdd/ReadVariableOp", (3, 3, 33, 1)),
}
# Batch norms that the makers folded: what is left of each is an offset, of the first a scale too.
FOLDED = {"contour_conv_bn": "conv2d_1/Conv2D_bn_offset", "onset_conv_bn": "conv2d_4/Conv2D_bn_offset"}
SCALE, OFFSET = "batch_normalization/FusedBatchNormV3/Scaled", "batch_normalization/FusedBatchNormV3/Offset"
EPSILON = 1e-3


def read(path: Path, bound: int) -> Imported:
    """Reads the raw float32 weights of the package as npm packs it.

    Args:
      path: spotify-basic-pitch-1.0.1.tgz.
      bound: bytes of memory that what is read may take.

    Raises:
      FileError: another file, a damaged one, or one that lacks an array or has it in another shape.
    """
    arrays = _arrays(path, bound)
    params: dict[str, dict[str, np.ndarray]] = {}
    stats: dict[str, dict[str, np.ndarray]] = {}

    def take(name: str, shape: tuple[int, ...]) -> np.ndarray:
        if name not in arrays:
            raise FileError(path, f"expected an array {name!r}, got {', '.join(sorted(arrays)[:3])} ...")
        if arrays[name].shape != shape or not np.isfinite(arrays[name]).all():
            raise FileError(
                path, f"expected finite {name!r} of shape {list(shape)}, got {list(arrays[name].shape)}"
            )
        return arrays[name]

    def folded(name: str, scale: np.ndarray, offset: np.ndarray) -> None:
        params[name] = {"scale": scale, "bias": offset}
        stats[name] = {"mean": np.zeros_like(offset), "var": np.full_like(offset, 1 - EPSILON)}

    for name, (kernel, bias, shape) in CONVOLUTIONS.items():
        theirs = (shape[1], shape[0], *shape[2:])
        params[name] = {"kernel": take(kernel, theirs).swapaxes(0, 1)}
        if bias:
            params[name]["bias"] = take(bias, shape[-1:])
    folded("input_bn", take(SCALE, (1,)), take(OFFSET, (1,)))
    for name, offset in FOLDED.items():
        width = CONVOLUTIONS[name.removesuffix("_bn")][2][-1:]
        folded(name, np.ones(width, np.float32), take(offset, width))
    report = tuple(f"{name} <- {kernel}" for name, (kernel, _, _) in CONVOLUTIONS.items())
    return Imported({"num_classes": KEYS}, {"params": params, "batch_stats": stats}, report, keys(), FRONTEND)


def keys() -> tuple[str, ...]:
    """The frequencies of the piano's keys, from A0, as names."""
    return tuple(f"{27.5 * 2 ** (i / 12):.1f} Hz" for i in range(KEYS))


def _arrays(path: Path, bound: int) -> dict[str, np.ndarray]:
    """Name -> array of the package's weights, names less their common scope."""
    regular_file(path)
    with reading(path, EXPECTED), gzip.open(path) as whole:
        # tarfile takes a name of any length: what is unpacked is bounded before it looks.
        content = whole.read(bound // 2 + 1)
        if len(content) > bound // 2:
            raise ValueError(f"it unpacks to more than {bound // 2} bytes")
        with tarfile.open(fileobj=io.BytesIO(content), mode="r:") as packed:
            model = json.loads(_member(packed, MODEL, bound // 32))
            data = _member(packed, WEIGHTS, bound // 4)
        arrays, at = {}, 0
        for entry in model["weightsManifest"][0]["weights"]:
            shape = [int(n) for n in entry["shape"]]
            count = math.prod(shape)
            if min(shape, default=0) < 0 or at + 4 * count > len(data):
                raise ValueError(f"{entry['name']!r} should end beyond the {len(data)} bytes of weights")
            arrays[_short(entry)] = np.frombuffer(data, _dtype(entry), count, at).reshape(shape)
            at += 4 * count
    return arrays


def _member(packed: tarfile.TarFile, name: str, bound: int) -> bytes:
    """The bytes of a file in the archive, which is not unpacked."""
    member = packed.getmember(name)
    file = packed.extractfile(member) if member.isreg() else None
    if file is None or member.size > bound:
        raise ValueError(f"{name} is no file, or of {member.size} bytes, above the bound of {bound}")
    return file.read(bound)


def _short(entry: Mapping[str, Any]) -> str:
    return str(entry["name"]).removeprefix(SCOPE)


def _dtype(entry: Mapping[str, Any]) -> str:
    return {"float32": "<f4", "int32": "<i4"}[entry["dtype"]]
