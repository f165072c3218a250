"""Turns the weights in a Keras file into variables of one of our networks."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from actjax import lookup
from actjax.nn.imported import Imported
from actjax.nn.keras import convert
from actjax.nn.keras import file as keras_file
from actjax.nn.keras.file import KerasFile, KerasLayer

# Networks whose filter heights are read off the file.
BY_HEIGHT = ("singlelayer", "multilayer")

ArrayPath = tuple[str, ...]


class _Unit(NamedTuple):
    """One of our layers with weights: its kind, its name, role -> path of the array, role -> shape."""

    kind: str
    name: str
    paths: dict[str, ArrayPath]
    shapes: dict[str, tuple[int, ...]]


def import_keras(
    path: str | Path,
    name: str,
    input_shape_ft: tuple[int, int],
    *,
    flip: bool | None = None,
    bound: int = keras_file.BOUND,
    **hyper: Any,
) -> Imported:
    """Reads a Keras 1, 2 or 3 file of the architecture `name`.

    Layers are matched by kind, order and shape, and a batch norm to the convolution that it follows.
    Kernels of Theano's order (out, in, freq, time) are turned, Theano's true convolutions flipped, the
    rows of a flattened map put in our order, biases that our batch-normed convolutions lack taken off
    the running means, another epsilon added to the running variances: outputs stay the same.

    Args:
      path: .h5, .hdf5, .weights.h5 or .keras.
      name: a model of actjax.models.
      input_shape_ft: (bands, frames) that the weights were trained on.
      bound: bytes of memory that the file's arrays may take.
      flip: True if kernels are those of a true convolution; None reads it off the file (Theano's).
      **hyper: options of the model; num_classes, and filter_heights where it has them, are inferred.

    Raises:
      FileNotFoundError: there is no such file.
      ValueError: the file is damaged, is something else, holds what is not finite, or a layer does not
        fit, on either side; the message names it.
    """
    lookup.check("model", name)
    file = keras_file.read(path, bound)
    file = file if flip is None else file._replace(flipped=flip)
    try:
        hyper = {**_inferred(file, name), **hyper}
        model = lookup.load("model", name, **hyper)
        variables, report = _match(file, model, input_shape_ft)
    except ValueError as error:
        raise ValueError(f"{path} as {name}: {error}") from error
    return Imported(hyper, variables, tuple(report))


def read_into(
    path: Path, model: nn.Module, input_shape_ft: tuple[int, int], bound: int, content: bytes | None = None
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Reads a Keras file as the weights of a network that is made already: (variables, report).

    Args:
      path: of the file, or of the archive that holds it.
      model: with num_classes as the file has them.
      input_shape_ft: that the network takes.
      bound: bytes of memory that the file's arrays may take.
      content: the file's bytes where path is an archive.

    Raises:
      ValueError: as `import_keras`.
    """
    file = keras_file.read_bytes(path, content, bound) if content else keras_file.read(path, bound)
    try:
        variables, report = _match(file, model, input_shape_ft)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    return variables, tuple(report)


def _inferred(file: KerasFile, name: str) -> dict[str, Any]:
    """The number of classes, and filter heights in the order of the file."""
    dense = [layer for layer in file.layers if layer.kind == "dense"]
    if not dense:
        raise ValueError(f"expected a dense output layer, got {', '.join(x.name for x in file.layers)}")
    inferred: dict[str, Any] = {"num_classes": int(dense[-1].weights["kernel"].shape[1])}
    if name in BY_HEIGHT:
        kernels = [layer.weights["kernel"].shape for layer in file.layers if layer.kind == "conv"]
        # With one input channel: (out, 1, height, width) in Theano's order, else (height, width, 1, out).
        heights = [s[0] if s[2] == 1 else s[2] for s in kernels if 1 in (s[2], s[1]) and max(s[0], s[2]) > 1]
        inferred["filter_heights"] = tuple(dict.fromkeys(heights))
        inferred["even_padding"] = "before" if file.flipped else "after"
    return inferred


def _match(
    file: KerasFile, model: nn.Module, input_shape_ft: tuple[int, int]
) -> tuple[dict[str, Any], list[str]]:
    """Our variables, each unit taking the first unused layer of its kind that fits."""
    flattened, ours_first = getattr(model, "flattened", lambda _: ([], False))(input_shape_ft)
    variables: dict[str, Any] = {}
    report, left, before, theirs_first = [], list(file.layers), None, file.channels_first
    for unit in _units(model, input_shape_ft):
        for layer in left:
            if layer.kind != unit.kind or not _in_place(file, layer, unit, before):
                continue
            if unit.kind == "dense":
                arrays = convert.dense(layer, unit.shapes, flattened, bool(theirs_first), ours_first)
            elif unit.kind == "norm":
                arrays = convert.norm(layer, unit.shapes, _dropped_bias(before))
            elif unit.kind == "gru":
                arrays = convert.gru(layer, unit.shapes)
            else:
                arrays = getattr(convert, unit.kind)(layer, unit.shapes, file.flipped)
            if {role: array.shape for role, array in arrays.items()} == unit.shapes:
                break
        else:
            raise ValueError(_nothing_fits(unit, left))
        if unit.kind == "conv" and theirs_first is None:
            theirs_first = convert.is_turned(layer.weights["kernel"], unit.shapes["kernel"])
        flattened = [] if unit.kind == "dense" else flattened
        left.remove(layer)
        before = (unit, layer)
        report.append(f"{unit.name} <- {layer.name}")
        for role, array in arrays.items():
            _put(variables, unit.paths[role], np.array(array, np.float32))
    if left:
        raise ValueError(f"no place for the file's layers {', '.join(layer.name for layer in left)}")
    return variables, report


def _units(model: nn.Module, input_shape_ft: tuple[int, int]) -> list[_Unit]:
    """Our layers with weights, in the order of the calls."""
    calls: list[ArrayPath] = []

    def init(key: jax.Array) -> Any:
        variables = model.init(key, jnp.zeros((1, *input_shape_ft), jnp.float32), train=False)
        calls.extend(_modules(variables["params"]))
        return variables

    shapes = jax.eval_shape(init, jax.random.key(0))
    leaves = {
        tuple(entry.key for entry in path): leaf.shape
        for path, leaf in jax.tree_util.tree_leaves_with_path(shapes)
    }
    units = []
    for path in calls:
        if path[-1].endswith("_pointwise"):
            continue
        at = len(path) + 1
        paths = {"/".join(leaf[at:]): leaf for leaf in leaves if leaf[1:at] == path}
        if path[-1].endswith("_depthwise"):
            pointwise = (*path[:-1], path[-1].removesuffix("_depthwise") + "_pointwise")
            paths = {
                "depthwise": ("params", *path, "kernel"),
                "pointwise": ("params", *pointwise, "kernel"),
            }
        arrays = {role: leaves[leaf] for role, leaf in paths.items()}
        units.append(_Unit(_kind(arrays), "/".join(path), paths, arrays))
    taken = {leaf for unit in units for leaf in unit.paths.values()}
    if unknown := sorted("/".join(leaf) for leaf in leaves if leaf not in taken):
        raise ValueError(f"expected layers that Keras has too, the network has {', '.join(unknown)}")
    return units


def _kind(shapes: dict[str, tuple[int, ...]]) -> str:
    for role, kind in (("scale", "norm"), ("depthwise", "separable"), ("ir/kernel", "gru")):
        if role in shapes:
            return kind
    return "conv" if len(shapes["kernel"]) == 4 else "dense"


def _modules(params: Mapping[str, Any], path: ArrayPath = ()) -> list[ArrayPath]:
    """Paths of the innermost modules, a GRU cell counting as one."""
    if "ir" in params or not all(hasattr(value, "items") for value in params.values()):
        return [path]
    return [inner for name, value in params.items() for inner in _modules(value, (*path, name))]


def _in_place(
    file: KerasFile, layer: KerasLayer, unit: _Unit, before: tuple[_Unit, KerasLayer] | None
) -> bool:
    """Whether the file's graph puts this batch norm behind what we matched last; True without a graph."""
    if unit.kind != "norm" or not file.has_graph:
        return True
    return layer.source == (before[1].name if before else None)


def _dropped_bias(before: tuple[_Unit, KerasLayer] | None) -> np.ndarray | None:
    """The bias of the file's convolution before a batch norm, where ours has none."""
    if before is None or "bias" in before[0].shapes:
        return None
    return before[1].weights.get("bias")


def _nothing_fits(unit: _Unit, left: list[KerasLayer]) -> str:
    have = [
        f"{layer.name} {[array.shape for array in layer.weights.values()]}"
        for layer in left
        if layer.kind == unit.kind
    ]
    wanted = ", ".join(f"{role} {shape}" for role, shape in unit.shapes.items())
    return f"{unit.name}: expected a {unit.kind} layer with {wanted}, left are {', '.join(have) or 'none'}"


def _put(tree: dict[str, Any], path: ArrayPath, array: np.ndarray) -> None:
    for key in path[:-1]:
        tree = tree.setdefault(key, {})
    tree[path[-1]] = array
