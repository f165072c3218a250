"""Opens networks of JAX: linen and nnx modules, and plain functions."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import flax.linen as nn
import jax
import numpy as np
from flax import nnx

from actjax import dsp
from actjax.activations import geometry
from actjax.activations.capture import network_outputs
from actjax.activations.functions import FunctionNetwork
from actjax.activations.linen import AnyNetwork
from actjax.activations.nnx_modules import NnxNetwork
from actjax.activations.outputs import Variables, chosen_names, measured_layers
from actjax.capturing.captured import Clock
from actjax.capturing.inputs import Inputs
from actjax.capturing.opened import Opened
from actjax.types import Frontend, Layer


@dataclasses.dataclass(frozen=True, eq=False)
class _Network:
    """A network of any of the three kinds.

    Attributes:
      init, outputs: as `geometry.measure` takes them.
      variables: its weights.
      declared: (bands, frames) -> its layers, where it says their geometry itself.
      takes: "wave" as an image of one band [b, 1, s], "image" [b, f, t], or "either" as it comes.
    """

    init: Callable[..., Variables]
    outputs: geometry.Outputs
    variables: Variables
    declared: Callable[[tuple[int, int]], tuple[Layer, ...]] | None = None
    takes: str = "either"


def open_jax(
    network: Any,
    inputs: Inputs,
    variables: Variables,
    *,
    layers: str,
    sample_rate_hz: float | None,
    frontend: Frontend | None,
) -> Opened:
    """Opens a network of JAX; its geometry is measured unless it declares it.

    Raises:
      ValueError: what is no network, or lacks its weights; no layer matches; a front end of another shape.
    """
    plain = _of_kind(network, variables)
    outputs, on_waves = plain.outputs, inputs.are_waves
    if frontend is not None and on_waves and plain.takes != "wave":
        outputs, on_waves = _after_front_end(plain.outputs, frontend), False
        shape_ft = _image_shape(frontend, inputs.shape[0])
    else:
        shape_ft = (1, inputs.shape[0]) if on_waves else (inputs.shape[0], inputs.shape[1])
    if on_waves != (plain.takes == "wave") and plain.takes != "either":
        raise ValueError(
            f"{type(network).__name__} takes a {plain.takes}, got {list(inputs.shape)} a clip: "
            "say waves [clips, samples]; for a network of images with frontend="
        )
    if on_waves and plain.takes == "wave":
        outputs = _of_one_band(plain.outputs)
    placed = _layers(plain, shape_ft, layers, on_waves)
    names = [layer.name for layer in placed]

    @jax.jit
    def run(weights: Variables, clips: jax.Array) -> dict[str, jax.Array]:
        every = outputs(weights, clips)
        return {name: every[name] for name in names}

    def captured(clips: np.ndarray) -> Mapping[str, np.ndarray]:
        computed = run(plain.variables, clips)
        return {name: np.asarray(computed[name]) for name in names}

    rate = frontend.sample_rate_hz if sample_rate_hz is None and frontend is not None else sample_rate_hz
    return Opened(placed, captured, _clock(on_waves, rate, frontend))


def _layers(network: _Network, shape_ft: tuple[int, int], chosen: str, on_waves: bool) -> tuple[Layer, ...]:
    """The chosen layers, as the network takes its input: a wave counts as an image of one band."""
    if network.declared is not None:
        every = {layer.name: layer for layer in network.declared(shape_ft)}
        return tuple(every[name] for name in chosen_names(tuple(every), chosen))
    if not on_waves or network.takes == "wave":
        return measured_layers(network.init, network.outputs, shape_ft, chosen)
    return measured_layers(
        lambda key, image, train: network.init(key, image[:, 0], train=train),
        lambda weights, image: network.outputs(weights, image[:, 0]),
        shape_ft,
        chosen,
    )


def _image_shape(front: Frontend, samples: int) -> tuple[int, int]:
    wave = jax.ShapeDtypeStruct((samples,), np.float32)
    bands, frames = jax.eval_shape(lambda wave_s: dsp.log_mel_image(wave_s, front), wave).shape
    return bands, frames


def _of_kind(network: Any, variables: Variables) -> _Network:
    if isinstance(network, nnx.Module):
        split = NnxNetwork.of_module(network)
        return _Network(split.init, split.outputs, split.variables)
    if isinstance(network, nn.Module):
        if variables is None:
            raise ValueError(
                f"{type(network).__name__} is a linen module and holds no weights: "
                "say capture(module, inputs, variables)"
            )
        if hasattr(network, "layers"):
            takes = getattr(network, "takes", "image")
            return _Network(network.init, network_outputs(network), variables, network.layers, takes)
        wrapped = AnyNetwork(inner=network)
        inner = {collection: {"inner": tree} for collection, tree in variables.items()}
        return _Network(wrapped.init, wrapped.outputs, inner, takes=getattr(network, "takes", "either"))
    if callable(network):
        fn: Any = network
        function = FunctionNetwork(fn, variables)
        return _Network(function.init, function.outputs, variables)
    raise ValueError(
        "expected a flax linen or nnx module, a torch module, or a function (params, wave or image) -> dict, "
        f"got {type(network).__name__}"
    )


def _of_one_band(outputs: geometry.Outputs) -> geometry.Outputs:
    return lambda variables, waves: outputs(variables, waves[:, None])


def _after_front_end(outputs: geometry.Outputs, front: Frontend) -> geometry.Outputs:
    return lambda variables, waves: outputs(
        variables, jax.vmap(lambda one: dsp.log_mel_image(one, front))(waves)
    )


def _clock(on_waves: bool, sample_rate_hz: float | None, front: Frontend | None) -> Clock | None:
    if on_waves:
        return None if sample_rate_hz is None else Clock.of_wave(sample_rate_hz)
    if front is None:
        return None
    return Clock.of_image(
        front, dsp.mel_centres_hz(front.sample_rate_hz, front.n_mels, front.fmin_hz, front.fmax_hz)
    )
