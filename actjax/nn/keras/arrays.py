"""The arrays of the layers in a Keras file, by the names or numbers that its version gives them."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from actjax.external.formats import hdf5, hdf5_links
from actjax.files import FileError
from actjax.nn.keras import graph

Weights = dict[str, np.ndarray]

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
# Where Keras 3, and 2 in its last versions, keep layers.
FOLDERS = ("layers", "_layer_checkpoint_dependencies")
# Axes of a layer's arrays, in the order in which Keras 3 numbers them -> what they are.
BY_AXES = {
    (4,): ("kernel",),
    (4, 1): ("kernel", "bias"),
    (2,): ("kernel",),
    (2, 1): ("kernel", "bias"),
    (4, 4): ("depthwise_kernel", "pointwise_kernel"),
    (4, 4, 1): ("depthwise_kernel", "pointwise_kernel", "bias"),
    (2, 2, 1): ("kernel", "recurrent_kernel", "bias"),
    (2, 2, 2): ("kernel", "recurrent_kernel", "bias"),
    (1, 1, 1, 1): ("gamma", "beta", "mean", "var"),
    (1, 1): ("mean", "var"),
}


def of_file(path: Path, file: Any, config: Mapping[str, Any] | None, bound: int) -> list[tuple[str, Weights]]:
    """(layer, its arrays), by the names or the numbers that a version gives them."""
    group = hdf5_links.child(path, file, "model_weights") if "model_weights" in file else file
    if "layer_names" in group.attrs:
        return _named(path, group, bound)
    folder = next((name for name in FOLDERS if name in file), None)
    if folder is None:
        return []
    return _numbered(path, hdf5_links.child(path, file, folder), config, bound)


class _Reader:
    """Reads the arrays of a file, which together are held against its bound."""

    def __init__(self, path: Path, bound: int):
        self.path, self.left = path, bound

    def __call__(self, dataset: Any, name: str) -> np.ndarray:
        """An array of finite numbers as it is stored; FileError where it is none."""
        stored = hdf5.array(self.path, dataset, name, self.left)
        if stored.dtype.kind not in "fiu":
            raise FileError(self.path, f"expected numbers in {name!r}, got {stored.dtype}")
        values = stored.all(self.left)
        self.left -= values.nbytes
        with np.errstate(over="ignore"):
            finite = np.isfinite(values.astype(np.float32)).all()
        if not finite:
            raise FileError(self.path, f"{name!r} holds NaN, infinity or numbers beyond float32")
        return values


def _named(path: Path, group: Any, bound: int) -> list[tuple[str, Weights]]:
    """Keras 1 and 2: groups by layer name whose attributes list the arrays."""
    array, layers = _Reader(path, bound), []
    for name in map(text, hdf5.Attributes(path, group, bound)["layer_names"]):
        inner, weights = hdf5_links.child(path, group, name), {}
        for full in map(text, hdf5.Attributes(path, inner, bound)["weight_names"]):
            role = _role(full, name)
            if role in weights:
                raise FileError(path, f"layer {name!r} has two arrays {role!r}, {full!r} one of them")
            weights[role] = array(hdf5_links.child(path, inner, full), f"{name}/{full}")
        layers.append((name, weights))
    return layers


def _role(full: str, layer: str) -> str:
    """'conv_1/kernel:0', '1_5_conv_W' -> the name of the array in our words."""
    last = full.rsplit("/", 1)[-1].split(":")[0].removeprefix(f"{layer}_")
    last = re.sub(r"_\d+$", "", last)
    for known in (*ROLES, *KNOWN):
        if last == known or last.endswith(f"_{known}") and known not in ("kernel", "W", "b"):
            return ROLES.get(known, known)
    return last


def _numbered(
    path: Path, group: Any, config: Mapping[str, Any] | None, bound: int
) -> list[tuple[str, Weights]]:
    """Keras 3: <name>/vars/<number>, the name being the layer's or that of its class."""
    ordered = _arrays_in_order(path, group, bound)
    if config is None:
        return list(_without_config(path, ordered))
    layers, used, taken = [], {}, set()
    for entry in graph.entries(config):
        name, kind = entry["config"]["name"], _snake(entry["class_name"])
        number = used[kind] = used.get(kind, -1) + 1
        generic = f"{kind}_{number}" if number else kind
        folder = name if name in ordered else generic
        arrays, roles = ordered.get(folder, []), _roles_of(entry)
        if arrays and len(arrays) != len(roles):
            raise FileError(path, f"layer {name!r} has {len(arrays)} arrays, expected {', '.join(roles)}")
        taken.add(folder)
        layers.append((name, dict(zip(roles, arrays, strict=False))))
    if left := sorted(set(ordered) - taken):
        raise FileError(path, f"holds arrays of {', '.join(left[:3])}, which its config does not name")
    return layers


def _arrays_in_order(path: Path, group: Any, bound: int) -> dict[str, list[np.ndarray]]:
    """The arrays of each folder of a Keras 3 file by their numbers."""
    array = _Reader(path, bound)
    of_folder: dict[str, dict[tuple[str, int], np.ndarray]] = {}
    for name, item in hdf5_links.data_sets(path, group):
        above, _, number = name.rpartition("/")
        # A seed generator's state, dropout's say, is no weight.
        if above.endswith("/vars") and number.isdecimal() and "seed_generator" not in above:
            of_folder.setdefault(name.split("/")[0], {})[(above, int(number))] = array(item, name)
    return {name: [arrays[key] for key in sorted(arrays)] for name, arrays in of_folder.items()}


def _without_config(path: Path, ordered: dict[str, list[np.ndarray]]) -> Iterator[tuple[str, Weights]]:
    """Bare weights of Keras 3: layers in the order of their numbers, arrays by how many axes they have."""
    seen: dict[tuple[tuple[int, ...], ...], str] = {}
    for name in sorted(ordered, key=_numbered_name):
        arrays, base = ordered[name], _numbered_name(name)[0]
        roles = BY_AXES.get(tuple(array.ndim for array in arrays))
        shapes = tuple(array.shape for array in arrays)
        if roles is None:
            raise FileError(path, f"{name!r} has arrays {list(shapes)}: save the whole model, as .keras")
        if seen.setdefault(shapes, base) != base:
            raise FileError(
                path,
                f"{name!r} and {seen[shapes]!r} have arrays of one shape, and these weights do not say which "
                "comes first: save the whole model, as .keras",
            )
        yield name, dict(zip(roles, arrays, strict=True))


def _numbered_name(name: str) -> tuple[str, int]:
    """'conv2d_10' -> ("conv2d", 10); the first of its class has no number."""
    base, _, number = name.rpartition("_")
    if number.isdecimal() and base:
        return base, int(number)
    match = re.fullmatch(r"(.*\D)(\d+)", name)
    # The 2 of "conv2d" is followed by a letter; "conv1", "conv2" are numbered by whoever named them.
    return (match[1], int(match[2])) if match else (name, 0)


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


def text(value: str | bytes) -> str:
    """A string of the file, which may be bytes."""
    return value.decode() if isinstance(value, bytes) else str(value)
