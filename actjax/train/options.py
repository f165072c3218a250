"""Settings of a training run, and the optimiser that is made from them."""

import dataclasses
from collections.abc import Mapping

import jax
import jax.numpy as jnp
import ml_collections
import optax

from actjax import defaults
from actjax.options import RANGES, SEED, Flag, Maybe, Number

# Of the settings that the command line does not have; it has the others.
RULES = {
    "clip_norm": Maybe(Number(above=0)),
    "dropout": Maybe(RANGES["dropout"]),
    "multilabel": Flag(),
    "seed": SEED,
}


# Entries of the config's section `train` that the stage reads for itself.
OF_STAGE = ("steps", "shuffled_labels", "population")


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainOptions:
    """The config's section `train` but for OF_STAGE, whose defaults are there, and what is not in it.

    Attributes:
      batch_size: clips a step over all devices of all processes.
      learning_rate: the largest one.
      optimizer: "adam", "adamw", or "sgd" (momentum 0.9, Nesterov).
      schedule: "constant", "cosine" (to 0 over all steps) or "halving" (every `halve_epochs`).
      warmup_steps: of linear increase from 0 at the start.
      halve_epochs: epochs between halvings.
      weight_decay: of kernels only; decoupled for adamw, an L2 penalty of half of it otherwise.
      label_smoothing: probability spread evenly over all classes.
      precision: "float32", or "bfloat16" for the network's products and activations (see train/step.py).
      eval_every: steps between evaluations, 0 for once an epoch.
      log_every: steps between log lines.
      patience: evaluations without a better one before stopping, 0 never stops early.
      monitor: what "better" means in evaluation: "loss" or "accuracy".
      keep: the weights of which evaluations stay: "none", "log" (after 1, 2, 4, 8 ... of them, and the
        last) or "all".
      multilabel: sigmoid outputs and labels [b, classes], else softmax and labels [b].
      clip_norm: largest global norm of the gradient, None without bound.
      dropout: replaces the model's own rate where it has one, None keeps that.
      seed: of initial weights and dropout.
    """

    batch_size: int
    learning_rate: float
    optimizer: str
    schedule: str
    warmup_steps: int
    halve_epochs: int
    weight_decay: float
    label_smoothing: float
    precision: str
    eval_every: int
    log_every: int
    patience: int
    monitor: str
    keep: str
    multilabel: bool = False
    clip_norm: float | None = None
    dropout: float | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        """Raises ValueError, one line, on a value that cannot be; see `defaults.RULES`."""
        for field in dataclasses.fields(self):
            rule = RULES.get(field.name) or defaults.RULES.get(f"train.{field.name}")
            if rule is not None:
                rule(f"train.{field.name}", getattr(self, field.name))


def of_config(section: ml_collections.FrozenConfigDict, seed: int, multilabel: bool) -> TrainOptions:
    """`config.train` as the loop takes it."""
    options = {name: value for name, value in section.to_dict().items() if name not in OF_STAGE}
    return TrainOptions(**options, seed=seed, multilabel=multilabel)


def learning_rate(
    options: TrainOptions, num_steps: int, steps_per_epoch: int, peak: jax.Array | float | None = None
) -> optax.Schedule:
    """step -> learning rate, with warm-up and schedule of `options`; `peak` in place of theirs, if given."""
    peak = options.learning_rate if peak is None else peak
    warmup = options.warmup_steps
    if options.schedule == "constant":
        main = optax.constant_schedule(peak)
    elif options.schedule == "cosine":
        main = optax.cosine_decay_schedule(peak, max(num_steps - warmup, 1))
    else:
        every = options.halve_epochs * steps_per_epoch
        main = optax.exponential_decay(peak, every, 0.5, staircase=True)
    if not warmup:
        return main
    return optax.join_schedules([optax.linear_schedule(0.0, peak, warmup), main], [warmup])


def make_optimizer(
    options: TrainOptions,
    num_steps: int,
    steps_per_epoch: int,
    varied: Mapping[str, jax.Array] | None = None,
) -> optax.GradientTransformation:
    """The optax chain of `options`; `varied` may hold traced values of learning_rate and weight_decay."""
    varied = varied or {}
    rate = learning_rate(options, num_steps, steps_per_epoch, varied.get("learning_rate"))
    decay = optax.add_decayed_weights(varied.get("weight_decay", options.weight_decay), mask=_kernels)
    transforms = [] if options.clip_norm is None else [optax.clip_by_global_norm(options.clip_norm)]
    if options.optimizer == "sgd":
        transforms += [decay, optax.trace(decay=0.9, nesterov=True)]
    elif options.optimizer == "adam":
        transforms += [decay, optax.scale_by_adam()]
    else:
        transforms += [optax.scale_by_adam(), decay]
    return optax.chain(*transforms, optax.scale_by_learning_rate(rate))


def _kernels(params: dict) -> dict:
    """True for kernels, False for biases and batch-norm parameters."""
    return jax.tree.map(lambda leaf: jnp.ndim(leaf) > 1, params)
