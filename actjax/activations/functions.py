"""Any function of parameters and waves or images as a network."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import jax

from actjax.activations.outputs import Variables, in_order, layer_maps


@dataclasses.dataclass(frozen=True, eq=False)
class FunctionNetwork:
    """A pure function (params, wave or image) -> {layer: output}, and its parameters.

    Attributes:
      fn: takes waves [b, s] or images [b, f, t].
      variables: the parameters, any pytree.
    """

    fn: Callable[[Variables, jax.Array], Mapping[str, jax.Array]]
    variables: Variables

    def init(self, *_: Any, **__: Any) -> Variables:
        """Gives the parameters, whatever the input's size."""
        return self.variables

    def outputs(self, variables: Variables, image: jax.Array) -> dict[str, jax.Array]:
        """Computes all layers: name -> [b, f, t, c] or [b, c], in order of computation.

        Raises:
          ValueError: the function returns no dict.
        """
        layers = self._layers(variables, image)
        order = in_order(self._layers, variables, jax.ShapeDtypeStruct(image.shape, image.dtype))
        return {name: layers[name] for name in order}

    def _layers(self, variables: Variables, image: jax.Array) -> dict[str, jax.Array]:
        result = self.fn(variables, image)
        if not isinstance(result, Mapping):
            raise ValueError(
                "expected a function (params, wave or image) -> {layer: [b, f, t, c], [b, t, c] or [b, c]}, "
                f"got {type(result).__name__} from it"
            )
        return layer_maps(dict(result), image.shape[0])
