"""The four taggers in the wheel of musicnn 0.1.0 (Pons and Serra, 2019; ISC licence)."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from actjax.external.formats import archive, tensor_bundle
from actjax.files import FileError
from actjax.nn.imported import Imported
from actjax.nn.published.wheel import opened_wheel

PROJECT, VERSION = "musicnn", "0.1.0"
FRONTEND = {
    "sample_rate_hz": 16_000, "n_fft": 512, "hop_samples": 256, "n_mels": 96, "fmin_hz": 0.0,
    "squared": False, "compression": "log10(1 + 10000 x)", "offset": 0.0, "scale": 1.0,
}  # fmt: skip
# The fifty tags that each collection's networks were trained on, in the order of their outputs.
TAGS = {
    "MTT": (
        "guitar", "classical", "slow", "techno", "strings", "drums", "electronic", "rock", "fast", "piano",
        "ambient", "beat", "violin", "vocal", "synth", "female", "indian", "opera", "male", "singing",
        "vocals", "no vocals", "harpsichord", "loud", "quiet", "flute", "woman", "male vocal", "no vocal",
        "pop", "soft", "sitar", "solo", "man", "classic", "choir", "voice", "new age", "dance", "male voice",
        "female vocal", "beats", "harp", "cello", "no voice", "weird", "country", "metal", "female voice",
        "choral",
    ),
    "MSD": (
        "rock", "pop", "alternative", "indie", "electronic", "female vocalists", "dance", "00s",
        "alternative rock", "jazz", "beautiful", "metal", "chillout", "male vocalists", "classic rock",
        "soul", "indie rock", "Mellow", "electronica", "80s", "folk", "90s", "chill", "instrumental", "punk",
        "oldies", "blues", "hard rock", "ambient", "acoustic", "experimental", "female vocalist", "guitar",
        "Hip-Hop", "70s", "party", "country", "easy listening", "sexy", "catchy", "funk", "electro",
        "heavy metal", "Progressive rock", "60s", "rnb", "indie pop", "sad", "House", "happy",
    ),
}  # fmt: skip
# What TensorFlow calls the arrays of a batch norm, and what flax does.
MOMENTS = {"moving_mean": "mean", "moving_variance": "var"}
AFFINE = {"gamma": "scale", "beta": "bias"}


class _Source(NamedTuple):
    """One of our layers, and how TensorFlow numbers its variables.

    Attributes:
      name: of the layer.
      kernel, norm: the scopes of its convolution or dense layer, and of the batch norm behind it; or "".
      shape: of our kernel; () for none.
    """

    name: str
    kernel: str
    norm: str
    shape: tuple[int, ...]


def read(path: Path, bound: int, network: str) -> Imported:
    """Reads the weights of "MTT_musicnn", "MTT_vgg", "MSD_musicnn" or "MSD_vgg" out of the wheel.

    TensorFlow's kernels are (time, frequency, in, out), ours (frequency, time, in, out). The moments of the
    optimiser, which the checkpoint holds too, are not read.

    Args:
      path: the wheel.
      bound: bytes of memory that what is read may take.
      network: one of the four.

    Raises:
      FileError: no wheel of this version, a damaged one, or a tensor that is not there or has another shape.
    """
    with opened_wheel(path, PROJECT, VERSION) as opened:
        folder = f"musicnn/{network}"
        index = archive.entry(path, opened, f"{folder}/.index", min(bound, 2**24))
        data = archive.entry(path, opened, f"{folder}/.data-00000-of-00001", bound)
    listed = tensor_bundle.entries(path, index)
    params: dict[str, dict[str, np.ndarray]] = {}
    stats: dict[str, dict[str, np.ndarray]] = {}
    report = []

    def tensor(name: str, shape: tuple[int, ...]) -> np.ndarray:
        values = tensor_bundle.array(path, name, listed, data)
        if values.shape != shape:
            raise FileError(path, f"expected {name!r} of shape {list(shape)}, got {list(values.shape)}")
        return values.astype(np.float32)

    for one in _sources(network.endswith("_vgg")):
        if one.kernel:
            kernel = _ours(tensor(f"{one.kernel}/kernel", _theirs(one.shape)), one.shape)
            params[one.name] = {"kernel": kernel, "bias": tensor(f"{one.kernel}/bias", one.shape[-1:])}
        if one.norm:
            width = one.shape[-1:]
            params[f"{one.name}_bn"] = {
                ours: tensor(f"{one.norm}/{name}", width) for name, ours in AFFINE.items()
            }
            stats[f"{one.name}_bn"] = {
                ours: tensor(f"{one.norm}/{name}", width) for name, ours in MOMENTS.items()
            }
        report.append(f"{one.name} <- {network}/{one.kernel or one.norm}")
    tags = TAGS[network.split("_")[0]]
    variables = {"params": params, "batch_stats": stats}
    return Imported({"num_classes": len(tags)}, variables, tuple(report), tags, FRONTEND)


def _sources(is_vgg: bool) -> Iterator[_Source]:
    """Our layers in the order in which TensorFlow created their variables."""
    yield _Source("input", "", "batch_normalization", (1,))
    if is_vgg:
        for i in range(1, 6):
            # The fifth's batch norm is in the file, and no part of the published network.
            norm = f"batch_normalization_{i}" if i < 5 else ""
            yield _Source(f"conv{i}", f"{i}CNN", norm, (3, 3, 1 if i == 1 else 128, 128))
        yield _Source("tags", "dense", "", (256, 50))
        return
    shapes = {"conv_m38x7": (38, 7, 1, 204), "conv_m67x7": (67, 7, 1, 204)}
    shapes |= {f"temporal{n}": (1, n, 1, 51) for n in (128, 64, 32)}
    shapes |= {f"cnn{i}": (1, 7, 561 if i == 1 else 64, 64) for i in (1, 2, 3)}
    for i, (name, shape) in enumerate(shapes.items()):
        yield _Source(name, "conv2d" + (f"_{i}" if i else ""), f"batch_normalization_{i + 1}", shape)
    yield _Source("pooled", "", "batch_normalization_9", (1506,))
    yield _Source("penultimate", "dense", "batch_normalization_10", (1506, 200))
    yield _Source("tags", "dense_1", "", (200, 50))


def _theirs(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape that TensorFlow keeps a kernel of ours in; of the middle, channels stand for frequency."""
    if len(shape) == 2:
        return shape
    bands, frames, inputs, filters = shape
    return (frames, inputs, 1, filters) if _is_middle(shape) else (frames, bands, inputs, filters)


def _ours(kernel: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """A kernel (time, frequency, in, out) as (frequency, time, in, out)."""
    return kernel.reshape(shape) if len(shape) == 2 or _is_middle(shape) else kernel.swapaxes(0, 1)


def _is_middle(shape: tuple[int, ...]) -> bool:
    """Whether a kernel meets channels of one band."""
    return shape[0] == 1 and shape[2] > 1
