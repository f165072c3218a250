"""The section of training: clips per second of the step alone, on a batch that is already on the device."""

import functools
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np
import optax

from actjax import lookup, parallel
from actjax.benchmark.accelerator.rows import Build, Job, Section
from actjax.train import state as states
from actjax.train.step import train_step
from actjax.types import Batch, Frontend

CLASSES, SECONDS = 12, 3.0


def rows(tiny: bool) -> Mapping[str, Build]:
    """The networks and batches of the table; rates of other lengths than 3 s are not comparable."""
    cases = [("vgg", 2)] if tiny else [("vgg", 32), ("vgg", 256), ("vgg", 1024)]
    cases += [] if tiny else [("resnet", 256), ("resnet", 1024)]
    return {
        f"{model}, step alone, batch {size}": functools.partial(_step_alone, model, size, tiny)
        for model, size in cases
    }


def _step_alone(model: str, size: int, tiny: bool) -> Job:
    """The training step as the loop compiles it, over and over on one batch."""
    frontend = Frontend()
    samples = round((1.0 if tiny else SECONDS) * frontend.sample_rate_hz)
    module = lookup.load("model", model, num_classes=CLASSES, axis_name=parallel.AXIS)
    # The chain that the configs' defaults give; `train.options` needs ml_collections.
    optimizer = optax.adam(optax.cosine_decay_schedule(1e-3, 1000))
    step = functools.partial(
        train_step,
        model=module,
        frontend=frontend,
        optimizer=optimizer,
        label_smoothing=0.0,
        multilabel=False,
    )
    variables = states.init_variables(module, frontend, 0, samples)
    # A step may reuse the memory of the state that it is given, so the newest is kept.
    held = [parallel.replicate(states.create(variables, optimizer, 0))]
    batch = jax.device_put(parallel.shard(_batch(size, samples)))
    compiled = parallel.pmap(step, donate=(0,))

    def work() -> Any:
        held[0], sums = compiled(held[0], batch)
        return held[0], sums

    operations = _operations(step, held[0], batch)
    return Job(
        work,
        f"{size} clips of {samples / frontend.sample_rate_hz:g} s",
        operations=operations,
        half_products=1,
        clips=size,
    )


def _batch(size: int, samples: int) -> Batch:
    rng = np.random.default_rng(0)
    return Batch(
        audio=0.1 * rng.standard_normal((size, samples), dtype=np.float32),
        mask=np.ones(size, bool),
        length=np.full(size, samples, np.int32),
        label=rng.integers(0, CLASSES, size, dtype=np.int32),
        index=np.arange(size, dtype=np.int32),
    )


def _operations(step: Any, held: Any, batch: Any) -> float:
    """What XLA counts in the program before it is optimised; 0 where it does not tell."""
    shapes = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype), (held, batch))
    # Lowered for the CPU, which counts in every version; the operations are the same.
    with jax.default_device(jax.devices("cpu")[0]):
        cost = jax.jit(jax.vmap(step, axis_name=parallel.AXIS)).lower(*shapes).cost_analysis()
    return float(cost.get("flops", 0.0)) if cost else 0.0


SECTION = Section("training", "Training", rows)
