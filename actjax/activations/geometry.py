"""Where the cells of any network's maps lie, measured on the network itself.

The gradient of one cell with respect to a random input is not zero exactly where the cell sees the
input. From a few cells that see no edge of the input follow a layer's receptive field, step and first
centre; those of all other cells, padded ones included, follow from these.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import flax.errors
import jax
import jax.numpy as jnp
import numpy as np

from actjax.layer_axis import LayerAxis

CELLS = 6
# Each cell is probed on so many inputs: a rectifier or a maximum hides some of what a cell can see.
REPEATS = 2
# The longest stretch by which an input is made longer, in units of its own length.
LONGEST = 8
# What gradients in half precision are multiplied by.
HALF_SCALE = 256.0

Placed = tuple[LayerAxis, LayerAxis]
# For each axis, {cell: (first, last input that it sees)}.
Extents = tuple[dict[int, tuple[int, int]], dict[int, tuple[int, int]]]
Outputs = Callable[[Any, jax.Array], Mapping[str, jax.Array]]


def measure(
    init: Callable[..., Any], outputs: Outputs, shape_ft: tuple[int, int], names: Sequence[str]
) -> dict[str, Placed]:
    """Measures the (frequency, time) axes of layers.

    Layers of which fewer than two cells see no edge are measured on a longer input, where the network
    runs on one. What sees all of that too (attention, recurrence, a mean over the axis) has cells at
    regular places and counts as not padded.

    Args:
      init: (key, image, train=False) -> variables, for any size of image.
      outputs: (variables, image [b, f, t]) -> name -> [b, f, t, c].
      shape_ft: of the input.
      names: the layers.
    """
    sizes, seen = _probe(init, outputs, shape_ft, names)
    fitted = {name: [_fit(seen[name][a], sizes[name][a], shape_ft[a]) for a in (0, 1)] for name in names}
    unclear = [name for name in names if None in fitted[name]]
    if unclear:
        of_names = [sizes[name] for name in names]
        longer = (
            _longer(shape_ft[0], [f for f, _ in of_names]),
            _longer(shape_ft[1], [t for _, t in of_names]),
        )
        try:
            _, seen = _probe(init, outputs, longer, unclear)
        except (ValueError, TypeError, flax.errors.FlaxError):  # a network of one input size
            seen = {name: ({}, {}) for name in unclear}
        for name in unclear:
            for a in (0, 1):
                if fitted[name][a] is None:
                    fitted[name][a] = _fit(seen[name][a], sizes[name][a], longer[a], shape_ft[a])
    return {
        name: (f or _regular(sizes[name][0], shape_ft[0]), t or _regular(sizes[name][1], shape_ft[1]))
        for name, (f, t) in fitted.items()
    }


def _probe(
    init: Callable[..., Any], outputs: Outputs, shape_ft: tuple[int, int], names: Sequence[str]
) -> tuple[dict[str, tuple[int, int]], dict[str, Extents]]:
    """Sizes (f, t) of each layer, and what some of its cells see."""
    level = {"xla_backend_optimization_level": 0}  # quick to compile; it runs a few times
    blank = jnp.zeros((1, *shape_ft), jnp.float32)
    variables = jax.jit(lambda key: init(key, blank, train=False), compiler_options=level)(jax.random.key(0))

    def chosen(image_ft: jax.Array) -> list[jax.Array]:
        layers = outputs(variables, image_ft[None])
        return [layers[name] for name in names]

    def seen_by(image_ft: jax.Array, layer: jax.Array, axis: jax.Array, cell: jax.Array) -> jax.Array:
        """[f, t] bool: the inputs that cells at place `cell` of an axis of one layer see."""
        computed, pull = jax.vjp(chosen, image_ft)
        back = [_cotangent(x, axis, cell) for x in computed]
        back = [jnp.where(layer == i, one, jnp.zeros_like(one)) for i, one in enumerate(back)]
        return pull(back)[0] != 0

    # One image after another: the memory of one.
    probe = jax.jit(
        lambda image, layer, axis, cell: jax.lax.map(
            lambda one: seen_by(one[0], layer, one[1], one[2]), (image, axis, cell)
        ),
        compiler_options=level,
    )
    image = np.random.default_rng(0).normal(size=(2 * CELLS * REPEATS, *shape_ft)).astype(np.float32)
    axis = np.repeat(np.arange(2), CELLS * REPEATS)
    sizes, seen = {}, {}
    for i, (name, output) in enumerate(zip(names, jax.eval_shape(chosen, image[0]), strict=True)):
        sizes[name] = output.shape[1], output.shape[2]
        of_f, of_t = (_cells(n) for n in sizes[name])
        places = np.repeat(np.concatenate([of_f, of_t]), REPEATS)
        gradient_bft = np.asarray(probe(image, i, axis, places))
        seen[name] = _extents(gradient_bft, of_f.tolist(), 0), _extents(gradient_bft, of_t.tolist(), 1)
    return sizes, seen


def _cells(count: int) -> np.ndarray:
    """[CELLS] cells of an axis: evenly spread, and a neighbour of the middle one."""
    spread = np.linspace(0, count - 1, CELLS - 1).round().astype(np.int32)
    return np.append(spread, np.int32(min(count // 2 + 1, count - 1)))


def _cotangent(output: jax.Array, axis: jax.Array, cell: jax.Array) -> jax.Array:
    """[1, f, t, c] that picks one cell of an axis, over all of the other axis and all channels.

    Unequal weights: those of a softmax would cancel if all were 1. Of the output's own type, and large
    where small gradients would vanish: half precision ends at 6e-8.
    """
    shape = output.shape
    place = jnp.where(axis == 0, jnp.arange(shape[1])[:, None], jnp.arange(shape[2])[None, :])
    weights = 1 + 0.5 * jnp.sin(jnp.arange(math.prod(shape), dtype=jnp.float32)).reshape(shape)
    picked = jnp.where((place == cell)[None, :, :, None], weights, jnp.zeros_like(weights))
    return (picked * HALF_SCALE if output.dtype == jnp.float16 else picked).astype(output.dtype)


def _extents(gradient_bft: np.ndarray, cells: list[int], axis: int) -> dict[int, tuple[int, int]]:
    """{cell: (first, last input that it sees)} along one axis."""
    seen = gradient_bft.reshape(2, CELLS, REPEATS, *gradient_bft.shape[1:])[axis]
    seen = seen.any(axis=(1, 3 - axis))
    places = ((cell, np.flatnonzero(seen[i])) for i, cell in enumerate(cells))
    return {cell: (int(at[0]), int(at[-1])) for cell, at in places if len(at)}


def _fit(
    seen: Mapping[int, tuple[int, int]], size: int, probed_size: int, input_size: int | None = None
) -> LayerAxis | None:
    """Fits the axis through the cells that see no edge of the probed input; None if there are not two."""
    inner = {cell: at for cell, at in seen.items() if at[0] > 0 and at[1] < probed_size - 1}
    field = max((last - first + 1 for first, last in inner.values()), default=0)
    centres = {cell: (a + b) / 2 for cell, (a, b) in inner.items() if b - a + 1 == field}
    if len(centres) < 2:
        return None
    low, high = min(centres), max(centres)
    step = (centres[high] - centres[low]) / (high - low)
    first = centres[low] - step * low
    return LayerAxis(size=size, first=first, step=step, field=field, input_size=input_size or probed_size)


def _regular(size: int, input_size: int) -> LayerAxis:
    """Cells side by side over the whole input, each standing for its share of it."""
    step = input_size / size
    return LayerAxis(
        size=size, first=(step - 1) / 2, step=step, field=math.floor(step), input_size=input_size
    )


def _longer(input_size: int, sizes: Sequence[int]) -> int:
    """Lengthens the input by a multiple of all strides, if that is short, so that they fall as here."""
    stride = math.lcm(*(max(round(input_size / size), 1) for size in sizes))
    stride = stride if stride <= LONGEST * input_size else max(round(input_size / size) for size in sizes)
    return input_size + stride * -(-2 * input_size // stride)
