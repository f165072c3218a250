"""How a network is trained: what is compiled into the program of its steps, and what are arguments of it."""

import functools
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import numpy as np
import optax

from actjax import parallel
from actjax.train import pace as paces
from actjax.train import step
from actjax.train.options import TrainOptions, make_optimizer
from actjax.train.pace import Pace
from actjax.train.state import TrainState
from actjax.types import Batch, Frontend

# What one program trains with any value of, beside the seed, which is in the state.
VARIED = ("learning_rate", "weight_decay", "label_smoothing")
# What the steps of a call add up to (see train/step.py).
Sums = dict[str, Any]


class Recipe(NamedTuple):
    """What the program of a call of steps is made from.

    Options of VARIED are arguments of the program: networks that differ in them alone share it, and one
    trained in turn with others comes out as it does alone, to the last bit.

    Attributes:
      model, frontend: the network, and what makes its image.
      options: everything else.
      pace: which steps are logged, which evaluated, which taken in one call.
      steps_per_epoch: for schedules.
    """

    model: nn.Module
    frontend: Frontend
    options: TrainOptions
    pace: Pace
    steps_per_epoch: int

    def optimizer(self, varied: Mapping[str, jax.Array] | None = None) -> optax.GradientTransformation:
        """With the learning rate and the weight decay of `varied`, or of the options."""
        return make_optimizer(self.options, self.pace.num_steps, self.steps_per_epoch, varied)

    def steps(
        self,
        state: TrainState,
        on_device: Any,
        sent: Any,
        varied: Mapping[str, jax.Array],
        *,
        gather: Callable[[Any, Any], Batch],
        count: int,
    ) -> tuple[TrainState, Sums]:
        """`count` steps of one network on one device; `varied` holds its values of VARIED."""
        return step.train_steps(
            state,
            on_device,
            sent,
            count=count,
            gather=gather,
            model=self.model,
            frontend=self.frontend,
            optimizer=self.optimizer(varied),
            label_smoothing=varied["label_smoothing"],
            multilabel=self.options.multilabel,
            precision=self.options.precision,
        )

    def program(self, gather: Callable[[Any, Any], Batch], count: int) -> Callable[..., Any]:
        """`steps` on every device; the state is donated."""
        return parallel.pmap(functools.partial(self.steps, gather=gather, count=count), donate=(0,))


def recipe_of(
    model: nn.Module,
    frontend: Frontend,
    options: TrainOptions,
    num_steps: int,
    steps_per_epoch: int,
    clips_on_device: bool,
) -> Recipe:
    """The recipe of a run of `num_steps`, evaluated once an epoch if `options` do not say otherwise."""
    interval = options.eval_every or steps_per_epoch
    pace = paces.pace(options.log_every, interval, num_steps, clips_on_device)
    return Recipe(model, frontend, options, pace, steps_per_epoch)


def varied(options: TrainOptions) -> dict[str, np.ndarray]:
    """A network's values of VARIED, as its program takes them."""
    return {name: np.asarray(getattr(options, name), np.float32) for name in VARIED}
