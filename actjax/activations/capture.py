"""From waves to both sides of every comparison: features and all layers of all networks at once."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from actjax import dsp, parallel
from actjax.activations import comparisons as problems_lib
from actjax.activations import observe as sides_lib
from actjax.activations.linen import AnyNetwork
from actjax.extraction.tabulated import GivenFeature
from actjax.layer_axis import LayerAxis
from actjax.types import Feature, Frontend, Layer


@dataclasses.dataclass(frozen=True, eq=False)
class Family:
    """Networks of one architecture, scored together: their weights are stacked.

    Attributes:
      networks: their names.
      apply: (variables, image [b, f, t]) -> dict layer name -> [b, f, t, c] or [b, c]; None where the
        layers' outputs come with the batch.
      variables: every leaf with a leading axis [networks].
      problems: the comparisons of these networks' layers.
      frontend: makes what they take; None for the run's.
    """

    networks: tuple[str, ...]
    apply: Callable[[Any, jax.Array], dict[str, jax.Array]] | None
    variables: Any
    problems: tuple[problems_lib.Problem, ...]
    frontend: Frontend | None = None


class Supplied(NamedTuple):
    """What comes with a batch because no program on the devices computes it.

    Attributes:
      layers: layer -> [b, ...] outputs of families without `apply`.
      features: name -> (values [b, rows, frames], valid [b, frames]) of host features and of those looked
        up by clip.
    """

    layers: Mapping[str, Any] = {}
    features: Mapping[str, tuple[Any, Any]] = {}


class BothSides(NamedTuple):
    """The two sides of one comparison on one batch, on the devices.

    Attributes:
      neurons: [d, networks, b, o, n], or [d, networks, b, n, f, t] in the map view.
      rows: [d, b, o, k], or [d, b, k, rows, t].
      valid: [d, b, o] bool, or [d, b, t].
    """

    neurons: jax.Array
    rows: jax.Array
    valid: jax.Array


def network_outputs(module: nn.Module) -> Callable[[Any, jax.Array], dict[str, jax.Array]]:
    """Makes what computes a network's layers in evaluation mode, as `Family.apply` wants them."""
    forward = network_forward(module)
    return lambda variables, image_bft: forward(variables, image_bft)[1]


def network_forward(module: nn.Module) -> Callable[[Any, jax.Array], tuple[jax.Array, dict[str, jax.Array]]]:
    """Makes what computes a network's logits and layers in evaluation mode, from one pass."""
    if isinstance(module, AnyNetwork):
        return module.logits_and_outputs

    def forward(variables: Any, image_bft: jax.Array) -> tuple[jax.Array, dict[str, jax.Array]]:
        result: Any = module.apply(variables, image_bft, train=False)
        return result

    return forward


def input_outputs(_: Any, image_bft: jax.Array) -> dict[str, jax.Array]:
    """Computes the input spectrogram as a network of its own.

    Layer "bands" holds each band as a neuron and, last, their mean; layer "image" the whole as one map.
    """
    bands_btc = image_bft.transpose(0, 2, 1)
    bands_btc = jnp.concatenate([bands_btc, bands_btc.mean(axis=2, keepdims=True)], axis=2)
    return {"bands": bands_btc[:, None], "image": image_bft[..., None]}


def input_layers(shape_ft: tuple[int, int]) -> tuple[Layer, Layer]:
    """Describes the layers of `input_outputs`: (bands, image)."""
    bands, frames = shape_ft
    time = LayerAxis.of_input(frames)
    all_bands = LayerAxis(size=1, first=(bands - 1) / 2, step=float(bands), field=bands, input_size=bands)
    return (
        Layer("bands", neurons=bands + 1, depth=0.0, frequency=all_bands, time=time),
        Layer("image", neurons=1, depth=0.0, frequency=LayerAxis.of_input(bands), time=time),
    )


def stack(variables: Sequence[Any]) -> Any:
    """Stacks the variables of networks of one architecture, on the host: every leaf gets a leading axis."""
    return jax.tree.map(lambda *leaves: np.stack(leaves), *variables)


def make_observe(
    families: Sequence[Family], features: Sequence[Feature], front: Frontend
) -> jax.stages.Wrapped:
    """Makes the program that turns a batch into the two sides of every problem.

    Returns:
      A pmapped function of (the families' variables [d, networks, ...], audio [d, b, s],
      length [d, b] in samples, `Supplied` with a leading [d]), whose value is (sides, finite). Both hold
      one entry a family: sides a list of `BothSides`, one a problem, and finite layer ->
      [d, networks, b, neurons] bool.
    """
    from actjax.extraction.compute import compute

    device_features = [f for f in features if not f.host and not isinstance(f, GivenFeature)]

    def observe(
        variables: Sequence[Any], audio_bs: jax.Array, length_b: jax.Array, supplied: Supplied
    ) -> tuple[list[list[BothSides]], list[dict[str, jax.Array]]]:
        taken = {
            one: jax.vmap(lambda wave, length, one=one: dsp.network_input(wave, one, length))(
                audio_bs, length_b
            )
            for one in dict.fromkeys(family.frontend or front for family in families)
        }
        values = compute(device_features, audio_bs, length_b) | dict(supplied.features)
        length_s = length_b.astype(jnp.float32) / front.sample_rate_hz
        sides, finite = [], []
        for family, weights in zip(families, variables, strict=True):

            def layer_sides(
                one: Any, family: Family = family, image: jax.Array = taken[family.frontend or front]
            ) -> tuple[list[jax.Array], dict[str, jax.Array]]:
                outputs = supplied.layers if family.apply is None else family.apply(one, image)
                xs = [sides_lib.observe_layer(p, outputs[p.layer.name], length_s) for p in family.problems]
                ok = {p.layer.name: _all_finite(outputs[p.layer.name]) for p in family.problems}
                return xs, ok

            # One network after another: the memory of one, the compilation of one.
            xs, ok = jax.lax.map(layer_sides, weights)
            ys = [sides_lib.observe_features(p, values, length_s) for p in family.problems]
            sides.append([BothSides(x, *y_and_valid) for x, y_and_valid in zip(xs, ys, strict=True)])
            finite.append(ok)
        return sides, finite

    return parallel.pmap(observe)


def _all_finite(output: jax.Array) -> jax.Array:
    """[b, ..., c] -> [b, c], False where a neuron has a value on that clip that is not finite."""
    return jnp.isfinite(output).all(axis=tuple(range(1, output.ndim - 1)))
