"""Sets every neuron of a layer to its mean, one at a time, and measures what the network then says."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from actjax.ablation.cut import Forward, replaced
from actjax.activations import capture
from actjax.data import loader
from actjax.nn.frontend import images
from actjax.scoring.networks import Network
from actjax.statistics.bootstrap import t_quantile
from actjax.types import Layer
from actjax.workdir.ablation import AblatedLayer

# Bytes of a layer's outputs, of all neurons together that are set at a time: what fits into a cache is done
# in half the time on a CPU.
MOST_BYTES = 2**23


def forward(network: Network) -> Forward:
    """The network in evaluation: logits and all layers from one pass."""
    return capture.network_forward(network.module)


def without_each(
    network: Network,
    layer: Layer,
    weights: Mapping[str, Any],
    source: loader.Source,
    means: Mapping[str, np.ndarray],
) -> dict[str, AblatedLayer]:
    """Network's name -> the changes by each neuron of a layer.

    Args:
      network: whose architecture all weights fit.
      layer: whose neurons are set.
      weights: network's name -> variables.
      source: held-out clips.
      means: network's name -> [n] the value that each neuron is set to.
    """
    program = _program(network, layer, source.multi_label)
    by_network: dict[str, list[tuple[np.ndarray, ...]]] = {name: [] for name in weights}
    for batch in loader.batches(source, batch_size=network.batch_size):
        for name, variables in weights.items():
            changed = program(variables, batch.audio, batch.length, batch.label, means[name])
            by_network[name].append(tuple(np.asarray(x)[:, batch.mask] for x in changed))
    return {name: _summed(of_network, source) for name, of_network in by_network.items()}


def _program(network: Network, layer: Layer, multi_label: bool) -> Callable[..., Any]:
    """(variables, audio, length, labels, means) -> changes [n, b, ...] of loss, name given and outputs."""
    whole, front = forward(network), network.frontend
    with_other = replaced(whole, layer.name)

    @jax.jit
    def changes(
        variables: Any, audio_bs: jax.Array, length_b: jax.Array, label_b: jax.Array, mean_n: jax.Array
    ) -> tuple[jax.Array, jax.Array, jax.Array]:
        image = images(audio_bs, front, length_b)
        logits, layers = whole(variables, image)
        loss_b, output_bc, named_b = _judged(logits, label_b, multi_label)
        numbers = jnp.arange(layer.neurons)

        def without(n: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
            there = with_other(
                variables, image, lambda x: jnp.where(numbers == n, mean_n[n].astype(x.dtype), x)
            )
            loss, output, named = _judged(there, label_b, multi_label)
            return loss - loss_b, (named != named_b).any(axis=1), output - output_bc

        value = layers[layer.name]
        at_once = max(1, min(layer.neurons, MOST_BYTES // max(value.size * value.dtype.itemsize, 1)))
        return jax.lax.map(without, numbers, batch_size=at_once)

    return changes


def _judged(
    logits: jax.Array, label_b: jax.Array, multi_label: bool
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """(loss [b] in nats, outputs [b, c] as probabilities, what is named: [b, c] bool, or [b, 1] a class)."""
    logits = logits.astype(jnp.float32)
    if multi_label:
        cross = jax.nn.softplus(logits) - label_b * logits
        output = jax.nn.sigmoid(logits)
        return cross.mean(axis=1), output, output > 0.5
    log_p = jax.nn.log_softmax(logits)
    loss = -jnp.take_along_axis(log_p, label_b[:, None], axis=1)[:, 0]
    return loss, jnp.exp(log_p), logits.argmax(axis=1, keepdims=True)


def _summed(by_network: Sequence[tuple[np.ndarray, ...]], source: loader.Source) -> AblatedLayer:
    """Means over clips, and the 95 % interval of the loss's change over recordings."""
    loss_nb, named_nb, output_nbc = (
        np.concatenate([of_batch[i] for of_batch in by_network], axis=1) for i in range(3)
    )
    mean = loss_nb.mean(axis=1, dtype=np.float64)
    width = interval_width(loss_nb, source.recording_ids)
    return AblatedLayer(
        loss=mean,
        low=mean - width,
        high=mean + width,
        changed=named_nb.mean(axis=1, dtype=np.float64),
        outputs=output_nbc.mean(axis=1, dtype=np.float64),
    )


def interval_width(values_nb: np.ndarray, recording_ids: Sequence[str]) -> np.ndarray:
    """[n] half the 95 % interval of a mean over clips, whose recordings are drawn and not its clips.

    The error is sqrt(R / (R - 1) sum_r (sum_{b in r} v_b - mean)^2) / B, times Student's t with R - 1
    degrees.
    """
    _, number = np.unique(np.asarray(recording_ids), return_inverse=True)
    recordings = int(number.max()) + 1
    if recordings < 2:
        return np.full(len(values_nb), np.nan)
    deviation = values_nb - values_nb.mean(axis=1, keepdims=True, dtype=np.float64)
    sums = np.stack([np.bincount(number, weights=line, minlength=recordings) for line in deviation])
    error = np.sqrt(recordings / (recordings - 1) * np.square(sums).sum(axis=1)) / values_nb.shape[1]
    return t_quantile(0.975, recordings - 1) * error
