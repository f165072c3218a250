"""Reads the weights in a Keras 1, 2 or 3 file into one neutral form."""

import io
import json
import zipfile
from pathlib import Path
from typing import Any, NamedTuple

from actjax.external.formats import archive, hdf5
from actjax.files import FileError, printable, reading, regular_file
from actjax.nn.keras import graph as keras_graph
from actjax.nn.keras.arrays import Weights, of_file, text
from actjax.nn.keras.graph import Graph

EXPECTED = "a Keras file"
BOUND = 2**30
# kind -> role -> axes that its array may have.
AXES = {
    "separable": {"depthwise_kernel": (4,), "pointwise_kernel": (4,), "bias": (1,)},
    "norm": {"mean": (1,), "var": (1,), "gamma": (1,), "beta": (1,)},
    "gru": {"kernel": (2,), "recurrent_kernel": (2,), "bias": (1, 2)},
    "conv": {"kernel": (3, 4), "bias": (1,)},
    "dense": {"kernel": (2,), "bias": (1,)},
}
NEEDED = {
    "separable": {"depthwise_kernel", "pointwise_kernel"},
    "norm": {"mean", "var"},
    "gru": {"kernel", "recurrent_kernel"},
    "conv": {"kernel"},
    "dense": {"kernel"},
}
# Keras's own, where the file does not say.
EPSILON = 1e-3


class KerasLayer(NamedTuple):
    """One layer that has weights.

    Attributes:
      name: in the file.
      kind: "conv", "separable", "norm", "dense" or "gru".
      weights: role -> array, as stored.
      config: the layer's Keras config, {} if the file has none.
      source: name of the layer with weights whose output it takes, None if unknown or the input.
    """

    name: str
    kind: str
    weights: Weights
    config: dict[str, Any]
    source: str | None


class KerasFile(NamedTuple):
    """Layers in the order of the network's graph, or of the file where it has no graph.

    Attributes:
      layers: those with weights.
      has_graph: `source` is known.
      channels_first: of the activations, None if the file does not say.
      flipped: the kernels are those of a true convolution, Theano's.
    """

    layers: list[KerasLayer]
    has_graph: bool
    channels_first: bool | None
    flipped: bool


def read(path: str | Path, bound: int = BOUND) -> KerasFile:
    """Reads .h5, .hdf5, .weights.h5 or .keras; nothing in the file is executed or unpickled.

    Args:
      path: of the file.
      bound: bytes that its arrays may take.

    Raises:
      FileNotFoundError: there is no such file.
      FileError: it is no Keras file, is damaged, or holds a layer whose arrays are not understood.
      ModuleNotFoundError: h5py is not installed.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"expected a Keras file at {printable(str(path))}, found none")
    regular_file(path)
    if another := _another(path):
        raise FileError(path, f"expected a Keras file (.h5, .hdf5, .keras), got {another}")
    if not zipfile.is_zipfile(path):
        return read_bytes(path, None, bound)
    with archive.opened_zip(path) as opened, reading(path, EXPECTED):
        config = json.loads(archive.entry(path, opened, "config.json", bound // 32))
        content = archive.entry(path, opened, "model.weights.h5", bound // 2)
    return read_bytes(path, content, bound, config)


def read_bytes(
    path: Path, content: bytes | None, bound: int = BOUND, config: dict[str, Any] | None = None
) -> KerasFile:
    """Reads an HDF5 file of Keras: the one at `path`, or these bytes out of the archive there.

    Args:
      path: of the file or the archive.
      content: the file's bytes; None for the file at `path`.
      bound: bytes that its arrays may take.
      config: the model's, where the file itself holds none.

    Raises:
      FileError: as `read`.
    """
    stream = None if content is None else io.BytesIO(content)
    with hdf5.opened(path, stream, EXPECTED) as file, reading(path, EXPECTED):
        attributes = hdf5.Attributes(path, file, bound)
        if "model_config" in attributes:
            config = json.loads(text(attributes["model_config"]))
        backend = text(attributes.get("backend", ""))
        graph = keras_graph.graph(config)
        arrays = of_file(path, file, config, bound)
    with reading(path, EXPECTED):
        layers = [_layer(path, name, weights, graph) for name, weights in arrays if weights]
        if not layers:
            raise FileError(path, "expected layers with weights, found none")
        weights_of = dict(arrays)
        layers = [one._replace(source=keras_graph.source(one.name, graph, weights_of)) for one in layers]
        if graph:
            order = {name: i for i, name in enumerate(graph)}
            layers.sort(key=lambda layer: order.get(layer.name, len(order)))
        channels_first = keras_graph.channels_first(graph)
    return KerasFile(
        layers, bool(graph), channels_first, backend == "theano" or (not backend and channels_first is True)
    )


def _another(path: Path) -> str | None:
    """What else a file is, and what to do with it; None if it may be Keras's."""
    elsewhere = "score what its layers give instead: docs/pytorch_activations.md"
    with open(path, "rb") as file:
        start = file.read(9)
    if start[:1] == b"\x80":
        return f"a pickle, a PyTorch file say, which is never loaded: {elsewhere}"
    if start.startswith(b"\x93NUMPY"):
        return "a NumPy array"
    if start[8:9] == b"{" and int.from_bytes(start[:8], "little") < path.stat().st_size:
        return f"a .safetensors file: {elsewhere}"
    if not zipfile.is_zipfile(path):
        return None
    with archive.opened_zip(path) as opened:
        names = opened.namelist()
    if {"config.json", "model.weights.h5"} <= set(names):
        return None
    if any(name.endswith("data.pkl") for name in names):
        return f"a PyTorch file, which is pickled and never loaded: {elsewhere}"
    if names and all(name.endswith(".npy") for name in names):
        return f"a NumPy archive (.npz): {elsewhere}, or give it as score.activations if it holds them"
    shown = ", ".join(names[:3]) or "nothing"
    return f"a zip archive without config.json and model.weights.h5; it holds {shown}"


def _layer(path: Path, name: str, weights: Weights, graph: Graph) -> KerasLayer:
    config = graph[name][0] if name in graph else {}
    kind = _kind(weights)
    shapes = {role: array.shape for role, array in weights.items()}
    if kind is None or not _is_whole(kind, weights):
        raise FileError(
            path, f"expected convolution, batch norm, dense and GRU layers, got {name!r} with {shapes}"
        )
    if kind == "conv" and weights["kernel"].ndim == 3:
        # Over one axis: (width, in, out) is (width, 1, in, out) over two.
        weights = weights | {"kernel": weights["kernel"][:, None]}
    if kind == "norm":
        epsilon = config.get("epsilon", EPSILON)
        if len(set(shapes.values())) > 1 or not isinstance(epsilon, float) or not 0 < epsilon < 1:
            raise FileError(path, f"batch norm {name!r} has arrays {shapes} and epsilon {epsilon!r:.40}")
        if (weights["var"] + epsilon <= 0).any():
            raise FileError(path, f"batch norm {name!r} has a variance below zero")
    return KerasLayer(name, kind, weights, config, None)


def _is_whole(kind: str, weights: Weights) -> bool:
    """Whether the arrays are those of such a layer, each with axes as it has them."""
    known, sizes = AXES[kind], [array.size for array in weights.values()]
    fitting = all(role in known and array.ndim in known[role] for role, array in weights.items())
    return fitting and weights.keys() >= NEEDED[kind] and all(sizes)


def _kind(weights: Weights) -> str | None:
    roles = set(weights)
    if "depthwise_kernel" in roles:
        return "separable"
    if {"mean", "var"} <= roles:
        return "norm"
    if "recurrent_kernel" in roles:
        return "gru"
    return {4: "conv", 3: "conv", 2: "dense"}.get(weights["kernel"].ndim) if "kernel" in roles else None
