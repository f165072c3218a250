"""One step of training, evaluation and prediction: pure functions of one device's share of a batch.

A network hears the whole of a clip, silence behind a short recording included; only the dynamic range of
its image is measured on the signal alone. All results are sums and counts over every device.
"""

from collections.abc import Callable, Mapping
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax

from actjax import parallel
from actjax.nn.frontend import images
from actjax.train.state import TrainState, apply_model
from actjax.types import Batch, Frontend


def train_step(
    state: TrainState,
    batch: Batch,
    *,
    model: nn.Module,
    frontend: Frontend,
    optimizer: optax.GradientTransformation,
    label_smoothing: float,
    multilabel: bool,
    precision: str = "float32",
) -> tuple[TrainState, dict[str, jax.Array]]:
    """The state after one optimiser step, and the sums loss, correct, count and grad_norm.

    The gradient is that of the mean loss over the real clips of all devices, each counting once. With
    precision "bfloat16" the network computes in that; its image is made, and loss, gradients, parameters
    and batch statistics are kept, in float32.
    """
    image_bft = images(batch.audio, frontend, batch.length).astype(precision)
    dropout = jax.random.fold_in(jax.random.wrap_key_data(state.rng), state.step)
    dropout = jax.random.fold_in(dropout, parallel.device_index())
    count = parallel.psum(batch.mask.astype(jnp.float32).sum())

    def mean_loss(params: Any) -> tuple[jax.Array, tuple[Any, jax.Array]]:
        (logits, _), extra = apply_model(
            model,
            {"params": in_precision(params, precision), **state.extra},
            image_bft,
            batch.mask,
            train=True,
            mutable=list(state.extra),
            rngs={"dropout": dropout},
        )
        logits = logits.astype(jnp.float32)
        loss_b = clip_loss(logits, batch.label, multilabel, label_smoothing)
        return jnp.where(batch.mask, loss_b, 0).sum() / count, (extra, logits)

    (loss, (extra, logits)), grads = jax.value_and_grad(mean_loss, has_aux=True)(state.params)
    grads = parallel.psum(grads)
    # optax counts in int32 and mixes in float scalars of its own, which strict promotion refuses.
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        updates, opt_state = optimizer.update(grads, state.opt_state, state.params)
        params = optax.apply_updates(state.params, updates)
    right = jnp.where(batch.mask, correct(logits, batch.label, multilabel), 0).sum()
    sums = {
        "loss": parallel.psum(loss) * count,
        "correct": parallel.psum(right),
        "count": count,
        "grad_norm": jnp.sqrt(sum(jnp.vdot(grad, grad) for grad in jax.tree.leaves(grads))),
    }
    extra = parallel.pmean(extra)
    return TrainState(state.step + 1, params, extra, opt_state, state.rng), sums


def train_steps(
    state: TrainState,
    on_device: Any,
    sent: Any,
    *,
    count: int,
    gather: Callable[[Any, Any], Batch],
    **settings: Any,
) -> tuple[TrainState, dict[str, jax.Array]]:
    """The state after `count` steps, and the sums of each step.

    Args:
      state: before them.
      on_device, sent: from which `gather` makes a batch (see train/supply.py); sent has an axis [count]
        in front if that is not 1, and so have the sums.
      count, gather: as above.
      **settings: what train_step takes.
    """

    def one_step(state: TrainState, sent: Any) -> tuple[TrainState, dict[str, jax.Array]]:
        return train_step(state, gather(on_device, sent), **settings)

    return one_step(state, sent) if count == 1 else jax.lax.scan(one_step, state, sent)


def in_precision(params: Any, precision: str) -> Any:
    """Parameters of convolutions and dense layers in that type; those of normalisations stay as they are."""

    def layer(tree: Any) -> Any:
        if not isinstance(tree, Mapping):
            return tree
        if "kernel" in tree:
            return jax.tree.map(lambda leaf: leaf.astype(precision), tree)
        return {name: layer(inner) for name, inner in tree.items()}

    return params if precision == "float32" else layer(params)


def eval_step(
    variables: dict[str, Any], batch: Batch, *, model: nn.Module, frontend: Frontend, multilabel: bool
) -> dict[str, jax.Array]:
    """The sums loss, correct, count and confusion [true class, named class].

    With several labels a clip, confusion is [c, c] counts of pairs (label present, class at 0.5).
    """
    logits = _logits(variables, batch, model, frontend)
    mask, label = batch.mask, batch.label
    classes = logits.shape[1]
    if multilabel:
        true, named = label, (logits > 0).astype(jnp.float32)
    else:
        true, named = jax.nn.one_hot(label, classes), jax.nn.one_hot(logits.argmax(1), classes)
    confusion = jnp.dot(jnp.where(mask[:, None], true, 0).T, named, precision=jax.lax.Precision.HIGHEST)
    sums = {
        "loss": jnp.where(mask, clip_loss(logits, label, multilabel), 0).sum(),
        "correct": jnp.where(mask, correct(logits, label, multilabel), 0).sum(),
        "count": mask.astype(jnp.float32).sum(),
        "confusion": confusion,
    }
    return parallel.psum(sums)


def predict_step(
    variables: dict[str, Any], batch: Batch, *, model: nn.Module, frontend: Frontend, multilabel: bool
) -> jax.Array:
    """[b, classes] probabilities of the clips on this device."""
    logits = _logits(variables, batch, model, frontend)
    return jax.nn.sigmoid(logits) if multilabel else jax.nn.softmax(logits)


def clip_loss(
    logits_bc: jax.Array, label: jax.Array, multilabel: bool, label_smoothing: float = 0.0
) -> jax.Array:
    """[b] the cross entropy of each clip, in nats; with several labels the mean over classes."""
    classes = logits_bc.shape[1]
    if multilabel:
        target = label * (1 - label_smoothing) + label_smoothing / 2
        return optax.sigmoid_binary_cross_entropy(logits_bc, target).mean(1)
    target = jax.nn.one_hot(label, classes) * (1 - label_smoothing) + label_smoothing / classes
    return -(target * jax.nn.log_softmax(logits_bc)).sum(1)


def correct(logits_bc: jax.Array, label: jax.Array, multilabel: bool) -> jax.Array:
    """[b] 1.0 where the largest output is the label; with several, the share of classes right."""
    if multilabel:
        return ((logits_bc > 0) == (label > 0.5)).astype(jnp.float32).mean(1)
    return (logits_bc.argmax(1) == label).astype(jnp.float32)


def _logits(variables: dict[str, Any], batch: Batch, model: nn.Module, frontend: Frontend) -> jax.Array:
    image_bft = images(batch.audio, frontend, batch.length)
    return apply_model(model, variables, image_bft, batch.mask, train=False)[0]
