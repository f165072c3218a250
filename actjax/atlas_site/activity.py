"""Passes clips through networks: each clip's mean activations, and the maps and curves of some clips."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from actjax.activations import capture
from actjax.data import loader
from actjax.extraction import tabulated
from actjax.extraction.compute import compute, compute_host
from actjax.nn.frontend import images
from actjax.scoring.networks import Network
from actjax.types import Feature, Frontend, Layer

# (variables, audio [b, s], length [b]) -> layer -> outputs.
Forward = Callable[[Any, jax.Array, jax.Array], dict[str, jax.Array]]


class Heard(NamedTuple):
    """One clip, as the trained network and the features see it.

    Attributes:
      clip: its place in the source.
      wave_s: its samples of signal.
      image_ft: its log-mel image, for the eye; the network may take another.
      layers: layer -> [f, t, c], or [c] of an embedding.
      features: name -> ([rows, frames], [frames] bool).
    """

    clip: int
    wave_s: np.ndarray
    image_ft: np.ndarray
    layers: dict[str, np.ndarray]
    features: dict[str, tuple[np.ndarray, np.ndarray]]


class Listened(NamedTuple):
    """What an atlas listens to: a network of the run, or activations made elsewhere.

    Attributes:
      layers: those that are shown.
      front: by whose hop the layers' cells are counted.
      seconds: of a clip, as the layers see it.
      made_from: a hash of what the activations depend on beside the clips.
      clip_means: the clips -> network -> layer -> [b, n] mean activations.
      hear: (features, all clips, the chosen ones) -> these, one after the other.
    """

    layers: tuple[Layer, ...]
    front: Frontend
    seconds: float
    made_from: Any
    clip_means: Callable[[loader.Source], dict[str, dict[str, np.ndarray]]]
    hear: Callable[[Sequence[Feature], loader.Source, np.ndarray], Iterator[Heard]]


def forward(network: Network) -> Forward:
    """Makes what computes all layers of clips."""
    return on_images(capture.network_outputs(network.module), network.frontend)


def on_images(apply: Callable[[Any, jax.Array], dict[str, jax.Array]], front: Frontend) -> Forward:
    """Makes of what computes layers from images what computes them from clips."""
    return lambda variables, audio_bs, length_b: apply(variables, images(audio_bs, front, length_b))


def clip_means(
    network: Network, layers: Sequence[Layer], weights: Mapping[str, Any], source: loader.Source
) -> dict[str, dict[str, np.ndarray]]:
    """Network -> layer -> [b, n] mean activations over the cells whose centres lie within the signal.

    Args:
      network: whose architecture all weights fit.
      layers: those that are wanted.
      weights: network's name -> variables.
      source: the clips.
    """
    return means_of(forward(network), network.frontend, layers, weights, source, network.batch_size)


def means_of(
    compute_layers: Forward,
    front: Frontend,
    layers: Sequence[Layer],
    weights: Mapping[str, Any],
    source: loader.Source,
    batch_size: int,
) -> dict[str, dict[str, np.ndarray]]:
    """What `clip_means` gives, of anything that computes layers from the image of a front end."""

    @jax.jit
    def means(variables: Any, audio_bs: jax.Array, length_b: jax.Array) -> dict[str, jax.Array]:
        outputs = compute_layers(variables, audio_bs, length_b)
        length_s = length_b.astype(jnp.float32) / front.sample_rate_hz
        return {
            layer.name: mean_of_cells(outputs[layer.name], times_s(layer, front), length_s)
            for layer in layers
        }

    out = {
        name: {layer.name: np.zeros((len(source), layer.neurons), np.float32) for layer in layers}
        for name in weights
    }
    for batch in loader.batches(source, batch_size=batch_size):
        for name, variables in weights.items():
            for layer, means_bn in means(variables, batch.audio, batch.length).items():
                out[name][layer][batch.index[batch.mask]] = np.asarray(means_bn)[batch.mask]
    return out


def hear(
    network: Network,
    layers: Sequence[Layer],
    variables: Any,
    features: Sequence[Feature],
    source: loader.Source,
    clips: np.ndarray,
    picture: Frontend,
) -> Iterator[Heard]:
    """Yields the chosen clips with every layer's output and the features; `picture` makes their images."""
    by_layer = {layer.name for layer in layers}
    compute_layers = forward(network)

    def chosen(variables: Any, audio_bs: jax.Array, length_b: jax.Array) -> dict[str, jax.Array]:
        outputs = compute_layers(variables, audio_bs, length_b)
        return {name: output for name, output in outputs.items() if name in by_layer}

    return heard(chosen, variables, features, source, clips, picture, network.batch_size)


def heard(
    compute_layers: Forward,
    variables: Any,
    features: Sequence[Feature],
    source: loader.Source,
    clips: np.ndarray,
    picture: Frontend,
    batch_size: int,
) -> Iterator[Heard]:
    """What `hear` yields, of anything that computes layers from clips."""
    looked_up = [f for f in features if isinstance(f, tabulated.GivenFeature)]
    on_device = [f for f in features if f not in looked_up and not f.host]

    @jax.jit  # the weights are an argument: else they would be constants of the program
    def observe(variables: Any, audio_bs: jax.Array, length_b: jax.Array) -> Any:
        image, outputs = images(audio_bs, picture, length_b), compute_layers(variables, audio_bs, length_b)
        return image, outputs, compute(on_device, audio_bs, length_b) if on_device else {}

    for batch in loader.batches(source.take(clips), batch_size=batch_size):
        image, outputs, values = jax.tree.map(np.asarray, observe(variables, batch.audio, batch.length))
        real = np.flatnonzero(batch.mask)
        index = clips[batch.index[real]]
        known = jax.tree.map(lambda array, real=real: array[real], values)
        known |= {f.name: tabulated.values_and_validity(f, index) for f in looked_up}
        known |= {f.name: compute_host(f, batch.audio[real], batch.length[real]) for f in features if f.host}
        for row, b in enumerate(real.tolist()):
            wave = batch.audio[b, : max(int(batch.length[b]), 1)]
            yield Heard(int(index[row]), wave, image[b], _row(outputs, b), _row(known, row))


def _row(tree: Any, row: int) -> Any:
    return jax.tree.map(lambda array: array[row], tree)


def times_s(layer: Layer, front: Frontend) -> np.ndarray | None:
    """[t] the centres of the cells of a layer behind a front end, in seconds; None for an embedding."""
    if layer.time is None:
        return None
    return layer.time.centres() * front.hop_samples / front.sample_rate_hz


def mean_of_cells(output: jax.Array, centres_s: np.ndarray | None, length_b: jax.Array) -> jax.Array:
    """[b, f, t, c] or [b, c] -> [b, c]; a clip shorter than the first cell counts that cell."""
    if centres_s is None:
        return output
    centres = jnp.asarray(centres_s, jnp.float32)
    inside = centres[None, :] <= jnp.maximum(length_b, centres[0])[:, None]
    weight = inside.astype(output.dtype)[:, None, :, None]
    return (output * weight).sum((1, 2)) / (weight.sum((1, 2)) * output.shape[1])
