"""Reads the weights in a Keras 1, 2 or 3 file into one neutral form."""

import io
import json
import re
import zipfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

# What the versions and back ends call the arrays of a layer.
ROLES = {
    "W": "kernel",
    "b": "bias",
    "running_mean": "mean",
    "running_std": "var",  # Keras 1 kept a variance under this name
    "moving_mean": "mean",
    "moving_variance": "var",
}
KNOWN = (
    "kernel",
    "bias",
    "gamma",
    "beta",
    "mean",
    "var",
    "depthwise_kernel",
    "pointwise_kernel",
    "recurrent_kernel",
)


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
    weights: dict[str, np.ndarray]
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


def read(path: str | Path) -> KerasFile:
    """Reads .h5, .hdf5, .weights.h5 or .keras; nothing in the file is executed or unpickled.

    Raises:
      FileNotFoundError: there is no such file.
      ValueError: it is no Keras file, or holds a layer whose arrays are not understood.
    """
    import h5py

    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"expected a Keras file at {path}, found none")
    config = None
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            config = json.loads(archive.read("config.json"))
            content: Any = io.BytesIO(archive.read("model.weights.h5"))
    else:
        content = path
    try:
        file = h5py.File(content, "r")
    except OSError as error:
        raise ValueError(f"{path}: expected a Keras file (.h5, .hdf5, .keras), got something else") from error
    with file:
        if "model_config" in file.attrs:
            config = json.loads(_text(file.attrs["model_config"]))
        backend = _text(file.attrs.get("backend", ""))
        arrays = (
            _named_arrays(file)
            if "layer_names" in _weight_group(file).attrs
            else _numbered_arrays(file, config)
        )
    graph = _graph(config)
    order = {name: i for i, name in enumerate(graph)}
    layers = [_layer(path, name, weights, graph) for name, weights in arrays if weights]
    if not layers:
        raise ValueError(f"{path}: expected layers with weights, found none")
    layers = [layer._replace(source=_source(layer.name, graph, dict(arrays))) for layer in layers]
    if graph:
        layers.sort(key=lambda layer: order.get(layer.name, len(order)))
    channels_first = _channels_first(graph)
    return KerasFile(
        layers, bool(graph), channels_first, backend == "theano" or (not backend and channels_first is True)
    )


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _weight_group(file: Any) -> Any:
    return file.get("model_weights", file)


def _named_arrays(file: Any) -> list[tuple[str, dict[str, np.ndarray]]]:
    """Keras 1 and 2: groups by layer name whose attributes list the arrays."""
    group = _weight_group(file)
    found = []
    for name in map(_text, group.attrs["layer_names"]):
        weights = {}
        for full in map(_text, group[name].attrs["weight_names"]):
            weights[_role(full, name)] = np.asarray(group[name][full])
        found.append((name, weights))
    return found


def _role(full: str, layer: str) -> str:
    """'conv_1/kernel:0', '1_5_conv_W' -> the name of the array in our words."""
    last = full.rsplit("/", 1)[-1].split(":")[0].removeprefix(f"{layer}_")
    last = re.sub(r"_\d+$", "", last)
    for known in (*ROLES, *KNOWN):
        if last == known or last.endswith(f"_{known}") and known not in ("kernel", "W", "b"):
            return ROLES.get(known, known)
    return last


def _numbered_arrays(file: Any, config: Any) -> list[tuple[str, dict[str, np.ndarray]]]:
    """Keras 3: layers/<name>/vars/<number>, the name being the layer's or that of its class."""
    if "layers" not in file:
        return []
    vars_of = {}

    def visit(path: str, item: Any) -> None:
        parts = path.split("/")
        if len(parts) >= 4 and parts[-2] == "vars":
            vars_of.setdefault(parts[1], {})[(path.rsplit("/", 2)[0], int(parts[-1]))] = np.asarray(item)

    file["layers"].visititems(
        lambda path, item: visit(f"layers/{path}", item) if hasattr(item, "shape") else None
    )
    found, used = [], {}
    for entry in _entries(config):
        name, kind = entry["config"]["name"], _snake(entry["class_name"])
        number = used[kind] = used.get(kind, -1) + 1
        generic = f"{kind}_{number}" if number else kind
        arrays = vars_of.get(name, vars_of.get(generic, {}))
        ordered = [arrays[key] for key in sorted(arrays)]
        found.append((name, dict(zip(_roles_of(entry), ordered, strict=False))))
    return found


def _roles_of(entry: dict[str, Any]) -> list[str]:
    """The order in which Keras 3 numbers the arrays of a layer."""
    kind, config = entry["class_name"], entry["config"]
    if kind == "BatchNormalization":
        affine = [role for role, flag in (("gamma", "scale"), ("beta", "center")) if config.get(flag, True)]
        return [*affine, "mean", "var"]
    bias = ["bias"] if config.get("use_bias", True) else []
    if kind == "SeparableConv2D":
        return ["depthwise_kernel", "pointwise_kernel", *bias]
    return ["kernel", "recurrent_kernel", *bias] if kind == "GRU" else ["kernel", *bias]


def _snake(name: str) -> str:
    name = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", re.sub(r"\W+", "", name))
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()


def _entries(config: Any) -> list[dict[str, Any]]:
    """The layers of a model config, in its order."""
    if config is None:
        return []
    inner = config["config"]
    return inner if isinstance(inner, list) else inner["layers"]


def _graph(config: Any) -> dict[str, tuple[dict[str, Any], list[str]]]:
    """name -> (config, names of the layers it takes), every layer after those it takes."""
    waiting, previous = {}, []
    for entry in _entries(config):
        name = entry.get("name") or entry["config"]["name"]
        sources = _inbound(entry["inbound_nodes"]) if "inbound_nodes" in entry else previous
        waiting[name] = ({"class_name": entry["class_name"], **entry["config"]}, sources)
        previous = [name]
    done = {}

    def place(name: str) -> None:
        if name in waiting and name not in done:
            for source in waiting[name][1]:
                place(source)
            done[name] = waiting[name]

    for name in waiting:
        place(name)
    return done


def _inbound(nodes: Any) -> list[str]:
    """The layer names in the inbound nodes of any Keras version."""
    if isinstance(nodes, dict):
        if "keras_history" in nodes.get("config", {}):
            return [nodes["config"]["keras_history"][0]]
        return [name for value in nodes.values() for name in _inbound(value)]
    if isinstance(nodes, list):
        if len(nodes) >= 3 and isinstance(nodes[0], str) and isinstance(nodes[1], int):
            return [nodes[0]]
        return [name for value in nodes for name in _inbound(value)]
    return []


def _source(name: str, graph: dict, arrays: dict[str, dict]) -> str | None:
    """The nearest layer with weights before `name`, None if that is the input or there are several."""
    while name in graph and len(graph[name][1]) == 1:
        (name,) = graph[name][1]
        if arrays.get(name):
            return name
    return None


def _layer(path: Path, name: str, weights: dict[str, np.ndarray], graph: dict) -> KerasLayer:
    config = graph[name][0] if name in graph else {}
    roles = set(weights)
    if "depthwise_kernel" in roles:
        kind = "separable"
    elif {"mean", "var"} <= roles:
        kind = "norm"
    elif "recurrent_kernel" in roles:
        kind = "gru"
    elif "kernel" in roles and weights["kernel"].ndim in (2, 4):
        kind = "conv" if weights["kernel"].ndim == 4 else "dense"
    else:
        shapes = {role: array.shape for role, array in weights.items()}
        raise ValueError(
            f"{path}: expected convolution, batch norm, dense and GRU layers, got {name!r} with {shapes}"
        )
    return KerasLayer(name, kind, weights, config, None)


def _channels_first(graph: dict) -> bool | None:
    for config, _ in graph.values():
        order = config.get("dim_ordering", config.get("data_format"))
        if order in ("th", "channels_first", "tf", "channels_last"):
            return order in ("th", "channels_first")
    return None
