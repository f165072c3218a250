"""Estimates what a training step holds, from shapes alone."""

from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from actjax.nn.frontend import images
from actjax.train.state import apply_model
from actjax.types import Frontend


class StepBytes(NamedTuple):
    """Bytes of a training step on one device: fixed + clips * per_clip."""

    fixed: int
    per_clip: int


def step_bytes(model: nn.Module, frontend: Frontend, clip_samples: int) -> StepBytes:
    """Weights, their gradients and two moments, and what the forward pass keeps for the backward one.

    XLA fuses and recomputes, so that a step takes less: 0.57 (vgg) to 0.81 (xception_audio) of it, measured
    on CPUs. Nothing is allocated.

    Args:
      model: a network as actjax.models describes, without axis_name.
      frontend: makes its image.
      clip_samples: of each clip.
    """
    wave = jax.ShapeDtypeStruct((1, clip_samples), np.float32)
    bands, frames = jax.eval_shape(lambda w: images(w, frontend), wave).shape[1:]

    def image(clips: int) -> jax.ShapeDtypeStruct:
        return jax.ShapeDtypeStruct((clips, bands, frames), np.float32)

    def init(key: jax.Array, image_bft: jax.Array) -> Any:
        return model.init(key, image_bft, train=False)

    variables = dict(jax.eval_shape(init, jax.random.key(0), image(1)))
    params = variables.pop("params")

    def residuals(params: Any, extra: Any, image_bft: jax.Array) -> Any:
        def logits(params: Any) -> jax.Array:
            outputs, _ = apply_model(
                model,
                {"params": params, **extra},
                image_bft,
                jnp.ones(image_bft.shape[0], bool),
                train=True,
                mutable=list(extra),
                rngs={"dropout": jax.random.key(0)},
            )
            return outputs[0]

        return jax.vjp(logits, params)[1]

    two, four = (_bytes(jax.eval_shape(residuals, params, variables, image(clips))) for clips in (2, 4))
    per_clip = (four - two) // 2
    return StepBytes(4 * _bytes(params) + two - 2 * per_clip, per_clip + 4 * clip_samples)


def _bytes(tree: Any) -> int:
    """Of all leaves, which may be shapes alone."""
    return sum(int(np.prod(leaf.shape, dtype=object)) * leaf.dtype.itemsize for leaf in jax.tree.leaves(tree))
