"""Any Flax module as a network: its layers are found by capturing the outputs of its submodules."""

from typing import Any

import flax.linen as nn
import jax

from actjax.activations.outputs import call_modes, captured_arrays, layer_maps, measured_layers, split_result
from actjax.types import Layer


class AnyNetwork(nn.Module):
    """A user's module with the interface of our own networks.

    The module takes an image [b, f, t] (mel bands x frames), or the raw wave [b, s] if it has an attribute
    `takes` that is "wave", and `train`, `deterministic`, `training` or
    `use_running_average` if its `__call__` has such an argument. It returns logits [b, classes], or
    (logits, dict of layer outputs).

    Its layers are what it returns in that dict, what it sows into "intermediates", and the outputs of all
    its submodules, named by their path: "conv1", "Block_0/Conv_1"; a module called again is "conv1:1". Maps
    are [b, f, t, c], sequences [b, t, c], embeddings [b, c]; outputs of other forms, and those that are no
    floating-point numbers, are left out.

    Attributes:
      inner: the user's module.
    """

    inner: nn.Module

    @property
    def takes(self) -> str:
        """What the module takes, "image" or "wave"."""
        return getattr(self.inner, "takes", "image")

    def __call__(self, mel_bft: jax.Array, *, train: bool) -> tuple[jax.Array, dict[str, jax.Array]]:
        """[b, f, t] -> logits [b, classes], the layers that the module itself returns."""
        modes = call_modes(type(self.inner).__call__, train=train)
        x = mel_bft[:, 0] if self.takes == "wave" else mel_bft
        return split_result(self.inner(x, **modes))

    def outputs(self, variables: Any, image_bft: jax.Array) -> dict[str, jax.Array]:
        """Computes all layers in evaluation mode: name -> [b, f, t, c] or [b, c], in order of computation."""
        return self.logits_and_outputs(variables, image_bft)[1]

    def logits_and_outputs(
        self, variables: Any, image_bft: jax.Array
    ) -> tuple[jax.Array, dict[str, jax.Array]]:
        """Computes logits [b, classes] and all layers from one pass in evaluation mode."""
        result: Any = self.apply(
            variables, image_bft, train=False, capture_intermediates=True, mutable=["intermediates"]
        )
        (logits, layers), state = result
        for name, output in captured_arrays(state["intermediates"].get("inner", {})):
            layers.setdefault(name, output)
        return logits, layer_maps(layers, image_bft.shape[0])

    def layers(self, input_shape_ft: tuple[int, int], chosen: str = ".*") -> tuple[Layer, ...]:
        """Name, size, depth and geometry of the layers whose whole name matches `chosen`.

        The geometry is measured; see `geometry.measure`.

        Raises:
          ValueError: no layer matches; the message lists the known ones.
        """
        return measured_layers(self.init, self.outputs, input_shape_ft, chosen)
