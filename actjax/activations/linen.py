"""Any Flax module as a network: its layers are found by capturing the outputs of its submodules."""

import inspect
import re
from collections.abc import Iterator, Mapping
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from actjax.activations import geometry
from actjax.types import Layer


class AnyNetwork(nn.Module):
    """A user's module with the interface of our own networks.

    The module takes an image [b, f, t] (mel bands x frames), and `train`, `deterministic`, `training` or
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

    def __call__(self, mel_bft: jax.Array, *, train: bool) -> tuple[jax.Array, dict[str, jax.Array]]:
        """[b, f, t] -> logits [b, classes], the layers that the module itself returns."""
        accepted = inspect.signature(type(self.inner).__call__).parameters
        modes = {"train": train, "training": train}
        modes |= {"deterministic": not train, "use_running_average": not train}
        out: Any = self.inner(mel_bft, **{name: value for name, value in modes.items() if name in accepted})
        with_layers = isinstance(out, tuple) and len(out) == 2 and isinstance(out[1], Mapping)
        logits: Any = out[0] if with_layers else out
        return logits, dict(out[1]) if with_layers else {}

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
        for name, output in _flat(state["intermediates"].get("inner", {})):
            layers.setdefault(name, output)
        batch = image_bft.shape[0]
        fitting = {
            name: x
            for name, x in layers.items()
            if x.ndim in (2, 3, 4) and x.shape[0] == batch and jnp.issubdtype(x.dtype, jnp.floating)
        }
        return logits, {name: x[:, None] if x.ndim == 3 else x for name, x in fitting.items()}

    def layers(self, input_shape_ft: tuple[int, int], chosen: str = ".*") -> tuple[Layer, ...]:
        """Name, size, depth and geometry of the layers whose whole name matches `chosen`.

        The geometry is measured; see `geometry.measure`.

        Raises:
          ValueError: no layer matches; the message lists the known ones.
        """
        image = jax.ShapeDtypeStruct((1, *input_shape_ft), jnp.float32)
        shapes: dict[str, tuple[int, ...]] = {}

        def trace(key: jax.Array, image_bft: jax.Array) -> None:
            variables = self.init(key, image_bft, train=False)
            shapes.update({name: x.shape for name, x in self.outputs(variables, image_bft).items()})

        jax.eval_shape(trace, jax.random.key(0), image)
        names = [name for name in shapes if re.fullmatch(chosen, name)]
        if not names:
            raise ValueError(f"score.layers = {chosen!r} matches no layer; known: {', '.join(shapes)}")
        maps = [name for name in names if len(shapes[name]) == 4]
        placed = geometry.measure(self.init, self.outputs, input_shape_ft, maps) if maps else {}
        depth = {name: (i + 1) / (len(shapes) + 1) for i, name in enumerate(shapes)}
        return tuple(
            Layer(name, shapes[name][-1], depth[name], *placed.get(name, (None, None))) for name in names
        )


def _flat(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, jax.Array]]:
    """(path, output) of every captured array; the module's own output, its logits, is none of them."""
    for key, value in tree.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}/")
            continue
        name = prefix.removesuffix("/") if key == "__call__" else f"{prefix}{key}"
        for i, output in enumerate(value):
            if name and isinstance(output, jax.Array):
                yield name + (f":{i}" if i else ""), output
