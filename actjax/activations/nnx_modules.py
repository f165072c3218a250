"""Any nnx module as a network: what its submodules give is captured by `nnx.capture`."""

import dataclasses
from typing import Any

import jax
from flax import nnx

from actjax.activations.outputs import (
    Variables,
    call_modes,
    captured_arrays,
    in_order,
    layer_maps,
    split_result,
)


@dataclasses.dataclass(frozen=True, eq=False)
class NnxNetwork:
    """A user's nnx module, split into what it is and what it holds; the module itself is never changed.

    Its layers are what its `__call__` returns as (output, dict of layers), what it sows as
    `nnx.Intermediate`, and what the public methods of its submodules return, by path: "conv1", "block/conv",
    "encoder/features" for a method of that name; a module called again is "conv1:1".

    Attributes:
      graph: its structure.
      variables: its state.
    """

    graph: Any
    variables: Variables

    @classmethod
    def of_module(cls, module: nnx.Module) -> "NnxNetwork":
        """Splits a module."""
        return cls(*nnx.split(module))

    def init(self, *_: Any, **__: Any) -> Variables:
        """Gives the module's state, whatever the input's size."""
        return self.variables

    def outputs(self, variables: Variables, image: jax.Array) -> dict[str, jax.Array]:
        """Computes all layers in evaluation mode: name -> [b, f, t, c] or [b, c], in order of computation."""
        layers = self._captured(variables, image)
        order = in_order(self._captured, variables, jax.ShapeDtypeStruct(image.shape, image.dtype))
        return {name: layers[name] for name in order}

    def _captured(self, variables: Variables, image: jax.Array) -> dict[str, jax.Array]:
        module = nnx.merge(self.graph, variables)
        module.eval()
        run = nnx.capture(module, nnx.Intermediate, method_outputs=nnx.Intermediate)
        result, state = run(image, **call_modes(type(module).__call__, train=False))
        _, layers = split_result(result)
        for name, output in captured_arrays(nnx.to_pure_dict(state)):
            layers.setdefault(name, output)
        return layer_maps(layers, image.shape[0])
