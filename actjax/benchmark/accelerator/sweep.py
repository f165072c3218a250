"""The section of the sweep: a million neurons streamed clip by clip, and how its cost grows."""

import functools
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from actjax.benchmark.accelerator.rows import Build, Measured, Section
from actjax.similarity.api import make_metric
from actjax.similarity.stream import PairStream


class Size(NamedTuple):
    """Of a sweep: clips in all, and in a batch; frames of a clip; neurons and feature rows."""

    clips: int
    neurons: int
    rows: int
    frames: int = 40
    batch: int = 4

    def __str__(self) -> str:
        """As the table says it."""
        return f"{self.neurons:,} x {self.rows:,}, {self.clips:,} clips of {self.frames} frames"


MIDDLE, TINY = Size(clips=100, neurons=100_000, rows=40), Size(clips=8, neurons=30, rows=4, frames=5)
# Each axis over two decades, with the middle of the others.
CLIPS, NEURONS, ROWS = (10, 100, 1000), (10_000, 100_000, 1_000_000), (4, 40, 400)
LARGEST = Size(clips=100, neurons=1_000_000, rows=300)


def rows(tiny: bool) -> Mapping[str, Build]:
    """Pearson's r of neurons and rows within clips, batch by batch, as a scoring run accumulates it."""
    if tiny:
        sizes = {"middle": TINY, "clips x 2": TINY._replace(clips=16)}
    else:
        sizes = {f"clips {c:,}": MIDDLE._replace(clips=c) for c in CLIPS}
        sizes |= {f"neurons {n:,}": MIDDLE._replace(neurons=n) for n in NEURONS}
        sizes |= {f"rows {k:,}": MIDDLE._replace(rows=k) for k in ROWS}
        sizes |= {"a million neurons, 300 rows": LARGEST}
    return {name: functools.partial(_sweep, size) for name, size in sizes.items()}


def _sweep(size: Size) -> Measured:
    """End to end: every batch is made on the device, added, and the scores come to the host."""
    stream = PairStream((make_metric("pearson"),), size.neurons, size.rows, std_error=False)
    shape_bon = (size.batch, size.frames, size.neurons)

    def add(state: Any, number: jax.Array) -> Any:
        keys = jax.random.split(jax.random.fold_in(jax.random.key(0), number), 2)
        x_bon = jax.random.uniform(keys[0], shape_bon)
        y_bok = jax.random.uniform(keys[1], (*shape_bon[:2], size.rows))
        return stream.update(state, x_bon, y_bok, jnp.ones(shape_bon[:2], bool), jnp.ones(size.batch, bool))

    # Made by a program, every leaf has memory of its own, which the updates may reuse.
    init = jax.jit(stream.init)
    started = time.perf_counter()
    update = jax.jit(add, donate_argnums=0).lower(jax.eval_shape(stream.init), jnp.int32(0)).compile()
    finish = jax.jit(lambda state: stream.finalize(state)["pearson"]["score"])
    jax.block_until_ready(finish(update(init(), jnp.int32(0))))
    first_s = time.perf_counter() - started
    started = time.perf_counter()
    state, held_bytes = init(), []
    batches = -(-size.clips // size.batch)
    for number in range(batches):
        state = update(state, jnp.int32(number))
        if number in (batches // 2, batches - 1):
            jax.block_until_ready(state)
            held_bytes.append(_bytes_in_use())
    scores_nk = jax.device_get(finish(state))
    seconds = time.perf_counter() - started
    memory = update.memory_analysis()
    operations = 2.0 * batches * size.batch * size.frames * size.neurons * size.rows
    return {
        "shape": str(size),
        "ms": 1e3 * seconds,
        "runs": 1,
        "first_s": first_s,
        "operations": operations,
        "bus_bytes": (0.0, float(scores_nk.nbytes)),
        "pairs_per_s": size.neurons * size.rows / seconds,
        "clips_per_s": batches * size.batch / seconds,
        "held_gib": [held / 2**30 for held in held_bytes],
        "working_gib": memory.temp_size_in_bytes / 2**30 if memory else float("nan"),
    }


def _bytes_in_use() -> float:
    """What arrays take on the device; NaN where it does not tell."""
    statistics = jax.local_devices()[0].memory_stats()
    return float(statistics["bytes_in_use"]) if statistics else float("nan")


SECTION = Section("sweep", "A million neurons", rows, alone=True)
