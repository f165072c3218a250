"""The state of a training run: parameters, optimiser, step, random key."""

import functools
import inspect
from collections.abc import Callable
from typing import Any

import flax.linen as nn
import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
import optax

from actjax.nn.frontend import images
from actjax.types import Frontend


@flax.struct.dataclass
class TrainState:
    """One device's copy of everything a step reads and writes.

    Attributes:
      step: int32, steps done.
      params: trained variables.
      extra: the model's other collections, such as batch_stats.
      opt_state: of the optax chain.
      rng: the PRNG key data from which each step's key is folded.
    """

    step: Any
    params: Any
    extra: Any
    opt_state: Any
    rng: Any

    @property
    def variables(self) -> dict[str, Any]:
        """As `model.apply` takes them."""
        return {"params": self.params, **self.extra}


def init_variables(model: nn.Module, frontend: Frontend, seed: int, clip_samples: int) -> dict[str, Any]:
    """The untrained variables of `model` for clips of `clip_samples`, a function of the seed."""
    return dict(_init(model, _image_shape(frontend, clip_samples))(jax.random.key(seed)))


def variable_shapes(model: nn.Module, frontend: Frontend, clip_samples: int) -> dict[str, Any]:
    """What `init_variables` returns, as shapes and types."""
    return jax.eval_shape(_initialiser(model, _image_shape(frontend, clip_samples)), jax.random.key(0))


def create(variables: dict[str, Any], optimizer: optax.GradientTransformation, seed: int) -> TrainState:
    """The state before the first step, unreplicated."""
    params = variables["params"]
    return TrainState(
        step=np.int32(0),
        params=params,
        extra={name: collection for name, collection in variables.items() if name != "params"},
        opt_state=optimizer.init(params),
        rng=np.asarray(jax.random.key_data(jax.random.key(seed))),
    )


def apply_model(
    model: nn.Module, variables: dict[str, Any], image_bft: jax.Array, mask_b: jax.Array, **kwargs: Any
) -> Any:
    """`model.apply`, telling it which clips are padding if it asks."""
    if "mask_b" in inspect.signature(type(model).__call__).parameters:
        kwargs["mask_b"] = mask_b
    return model.apply(variables, image_bft, **kwargs)


@functools.lru_cache(maxsize=16)
def _init(model: nn.Module, shape: tuple[int, ...]) -> Callable[[jax.Array], Any]:
    """The compiled initialisation, one for all seeds."""
    # It runs rarely, so optimising its machine code, four times as long to compile, does not pay. The
    # values are the same to the bit; level 0 is not to be trusted (it makes a training step diverge).
    return jax.jit(_initialiser(model, shape), compiler_options={"xla_backend_optimization_level": 1})


def _initialiser(model: nn.Module, shape: tuple[int, ...]) -> Callable[[jax.Array], Any]:
    return lambda key: model.init(key, jnp.zeros(shape, jnp.float32), train=False)


def _image_shape(frontend: Frontend, clip_samples: int) -> tuple[int, ...]:
    wave = jax.ShapeDtypeStruct((1, clip_samples), np.float32)
    return jax.eval_shape(lambda w: images(w, frontend), wave).shape
