"""What any JAX network gives: which of its outputs are layers, in which order, and where their cells lie."""

import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import jax
import jax.numpy as jnp

from actjax.activations import geometry
from actjax.types import Layer

Variables = Any


def call_modes(call: Callable[..., Any], *, train: bool) -> dict[str, bool]:
    """Chooses, of the usual names for training and evaluation, those that a call takes."""
    accepted = inspect.signature(call).parameters
    modes = {"train": train, "training": train, "deterministic": not train, "use_running_average": not train}
    return {name: value for name, value in modes.items() if name in accepted}


def split_result(result: Any) -> tuple[Any, dict[str, jax.Array]]:
    """Splits what a network returns into (logits, the layers that it names itself)."""
    with_layers = isinstance(result, tuple) and len(result) == 2 and isinstance(result[1], Mapping)
    return (result[0], dict(result[1])) if with_layers else (result, {})


def layer_maps(outputs: Mapping[str, Any], clips: int) -> dict[str, jax.Array]:
    """Takes the outputs that are layers: maps [b, f, t, c], sequences [b, t, c] as maps, embeddings [b, c].

    Those of other forms or another number of clips, and those of no floating-point numbers, are left out.
    """
    fitting = {
        name: x
        for name, x in outputs.items()
        if getattr(x, "ndim", 0) in (2, 3, 4)
        and x.shape[0] == clips
        and jnp.issubdtype(x.dtype, jnp.floating)
    }
    return {name: x[:, None] if x.ndim == 3 else x for name, x in fitting.items()}


def captured_arrays(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, jax.Array]]:
    """Lists (path, output) of every captured array; a module called again is "path:1".

    The network's own output, at the tree's top, is none of them.
    """
    for key, value in tree.items():
        if isinstance(value, Mapping):
            yield from captured_arrays(value, f"{prefix}{key}/")
            continue
        name = prefix.removesuffix("/") if key == "__call__" else f"{prefix}{key}"
        for i, output in enumerate(value if isinstance(value, tuple) else (value,)):
            if name and isinstance(output, jax.Array):
                yield name + (f":{i}" if i else ""), output


def in_order(
    outputs: geometry.Outputs, variables: Variables, image_bft: jax.Array | jax.ShapeDtypeStruct
) -> tuple[str, ...]:
    """Names the outputs in the order in which the traced program computes them.

    Outputs of one operation (a loop, a function compiled by itself) stay as the network lists them.
    """
    listed: list[str] = []

    def traced(variables: Variables, image_bft: jax.Array) -> list[jax.Array]:
        named = outputs(variables, image_bft)
        listed.extend(named)
        return list(named.values())

    program = jax.make_jaxpr(traced)(variables, image_bft).jaxpr
    made_by = {id(out): place for place, step in enumerate(program.eqns) for out in step.outvars}
    place = {name: made_by.get(id(out), -1) for name, out in zip(listed, program.outvars, strict=True)}
    return tuple(sorted(listed, key=lambda name: place[name]))


def measured_layers(
    init: Callable[..., Variables],
    outputs: geometry.Outputs,
    input_shape_ft: tuple[int, int],
    chosen: str = ".*",
) -> tuple[Layer, ...]:
    """Name, size, depth and geometry of the layers whose whole name matches `chosen`.

    The geometry is measured; see `geometry.measure`, which says what `init` and `outputs` are.

    Raises:
      ValueError: no layer matches; the message lists the known ones.
    """
    image = jax.ShapeDtypeStruct((1, *input_shape_ft), jnp.float32)
    shapes: dict[str, tuple[int, ...]] = {}

    def trace(key: jax.Array, image_bft: jax.Array) -> None:
        variables = init(key, image_bft, train=False)
        shapes.update({name: x.shape for name, x in outputs(variables, image_bft).items()})

    jax.eval_shape(trace, jax.random.key(0), image)
    names = chosen_names(tuple(shapes), chosen)
    maps = [name for name in names if len(shapes[name]) == 4]
    placed = geometry.measure(init, outputs, input_shape_ft, maps) if maps else {}
    depth = {name: (i + 1) / (len(shapes) + 1) for i, name in enumerate(shapes)}
    return tuple(
        Layer(name, shapes[name][-1], depth[name], *placed.get(name, (None, None))) for name in names
    )


def chosen_names(known: tuple[str, ...], chosen: str) -> list[str]:
    """Chooses the names that an expression matches whole.

    Raises:
      ValueError: none; the message lists the known ones.
    """
    names = [name for name in known if re.fullmatch(chosen, name)]
    if not names:
        raise ValueError(f"score.layers = {chosen!r} matches no layer; known: {', '.join(known)}")
    return names
