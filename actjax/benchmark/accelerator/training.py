"""The section of training: steps on clips that stay on the device, alone and fed as in a training run."""

import functools
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax

from actjax import lookup, parallel
from actjax.benchmark import timing
from actjax.benchmark.accelerator.rows import Build, Measured, Section
from actjax.data import resident
from actjax.data.plan import Plan
from actjax.train import state as states
from actjax.train.step import train_steps
from actjax.types import Frontend

CLASSES, CLIPS, SECONDS = 12, 4096, 3.0
# Steps of one call, as the training loop takes them between two of the defaults' log lines.
CALL_STEPS = 20
# Calls of a fed loop: whatever it waits for shows at the latest in the second.
CALLS = 8
_FRONTEND = Frontend(scale=20.0, offset=40.0)


class Case(NamedTuple):
    """A network, clips a step, and the type that it computes in."""

    model: str
    batch: int
    precision: str


# Those of the table first: what comes last is left out where the time is spent.
CASES = (
    Case("vgg", 32, "float32"),
    Case("vgg", 1024, "float32"),
    Case("resnet", 1024, "bfloat16"),
    Case("vgg", 256, "float32"),
    Case("resnet", 256, "bfloat16"),
    Case("vgg", 1024, "bfloat16"),
    Case("resnet", 1024, "float32"),
)


def rows(tiny: bool) -> Mapping[str, Build]:
    """The networks and batches of the table."""
    cases = (Case("vgg", 2, "float32"),) if tiny else CASES
    return {
        f"{case.model}, batch {case.batch:,}, {case.precision}": functools.partial(_measure, case, tiny)
        for case in cases
    }


class Training(NamedTuple):
    """A call of several steps, ready to be made.

    Attributes:
      call: (state, clips on the device, rows of all steps) -> (state, sums).
      state: before any step; a call may reuse its memory.
      on_device: all clips.
      plan: which clips each step takes.
    """

    call: Callable[..., Any]
    state: Any
    on_device: Any
    plan: Plan


def _measure(case: Case, tiny: bool) -> Measured:
    samples = round((1.0 if tiny else SECONDS) * _FRONTEND.sample_rate_hz)
    steps, calls = (2, 2) if tiny else (CALL_STEPS, CALLS)
    training = _training(case, samples, steps, clips=8 if tiny else CLIPS)
    held = [training.state]
    # On the host, as in a training run: rows of another kind would be another program.
    sent = _rows_of_call(training.plan, 0, steps)

    def work() -> Any:
        held[0], sums = training.call(held[0], training.on_device, sent)
        return held[0], sums

    taken = timing.median(work)
    step_s = taken.median_s / steps
    fed_s = _fed_seconds(training, held, steps, calls) / (steps * calls)
    image = (_FRONTEND.n_mels, 1 + samples // _FRONTEND.hop_samples)
    operations = 3 * forward_operations(_network(case.model, None), image)
    return {
        "shape": f"{case.batch:,} clips of {samples / _FRONTEND.sample_rate_hz:g} s",
        "ms": 1e3 * step_s,
        "runs": taken.runs,
        "first_s": taken.first_s,
        "operations": operations * case.batch,
        "half_products": 1,
        "clips_per_s": case.batch / step_s,
        "fed_clips_per_s": case.batch / fed_s,
    }


def _training(case: Case, samples: int, steps: int, clips: int) -> Training:
    model = _network(case.model, parallel.AXIS)
    # The chain of the configs' defaults; the training room's options need ml_collections.
    optimizer = optax.adam(optax.cosine_decay_schedule(1e-3, 10_000))
    variables = states.init_variables(model, _FRONTEND, 0, samples)
    call = functools.partial(
        train_steps,
        count=steps,
        gather=resident.gather,
        model=model,
        frontend=_FRONTEND,
        optimizer=optimizer,
        label_smoothing=0.0,
        multilabel=False,
        precision=case.precision,
    )
    rng = np.random.default_rng(0)
    audio = rng.integers(-8000, 8000, (clips, samples), dtype=np.int16)
    labels = rng.integers(0, CLASSES, clips, dtype=np.int32)
    on_device = parallel.hold(resident.Clips(audio, np.full(clips, samples, np.int32), labels))
    return Training(
        parallel.pmap(call, donate=(0,)),
        parallel.replicate(states.create(variables, optimizer, 0)),
        jax.block_until_ready(on_device),
        Plan(clips, case.batch, seed=0, epochs=None),
    )


def _network(name: str, axis_name: str | None) -> nn.Module:
    return lookup.load("model", name, num_classes=CLASSES, axis_name=axis_name)


def _rows_of_call(plan: Plan, first: int, steps: int) -> Any:
    """[d, step, b / d] rows of the steps from `first` on, stacked as the training loop does."""
    sharded = [parallel.shard(plan[step]) for step in range(first, first + steps)]
    return jax.tree.map(lambda *leaves: np.stack(leaves, 1), *sharded)


def _fed_seconds(training: Training, held: list[Any], steps: int, calls: int) -> float:
    """Calls whose rows come from the host; the sums of each are read while the next one runs."""
    started, waiting = time.perf_counter(), None
    for number in range(calls):
        sent = _rows_of_call(training.plan, number * steps, steps)
        held[0], sums = training.call(held[0], training.on_device, sent)
        if waiting is not None:
            parallel.unreplicate(waiting)
        waiting = sums
    parallel.unreplicate(waiting)
    return time.perf_counter() - started


def forward_operations(model: nn.Module, image_ft: tuple[int, int]) -> float:
    """Multiplications and additions of all convolutions and dense layers on one clip.

    A training step takes about three times as many: forward, and backward for inputs and for weights.
    """
    image = jax.ShapeDtypeStruct((1, *image_ft), jnp.float32)
    variables = jax.eval_shape(lambda x: model.init(jax.random.key(0), x, train=False), image)
    program = jax.make_jaxpr(lambda v, x: model.apply(v, x, train=False))(variables, image)
    return float(_operations(program.jaxpr))


def _operations(jaxpr: Any) -> float:
    total = 0.0
    for equation in jaxpr.eqns:
        outputs = np.prod(equation.outvars[0].aval.shape) if equation.outvars else 0
        if equation.primitive.name == "conv_general_dilated":
            kernel = equation.invars[1].aval.shape
            dimensions = equation.params["dimension_numbers"].rhs_spec
            # All axes of the kernel but that of the output channels.
            total += 2 * outputs * np.prod([kernel[axis] for axis in dimensions[1:]])
        elif equation.primitive.name == "dot_general":
            (summed, _), _ = equation.params["dimension_numbers"]
            total += 2 * outputs * np.prod([equation.invars[0].aval.shape[axis] for axis in summed])
        for value in equation.params.values():
            inner = getattr(value, "jaxpr", value)
            if hasattr(inner, "eqns"):
                total += _operations(inner)
    return total


SECTION = Section("training", "Training", rows)
