"""Compiles the pass of a score run from shapes alone, while its networks are still being trained."""

from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from actjax import parallel, precision, runs
from actjax.activations import capture
from actjax.activations.clips import Observer
from actjax.data.loader import Source
from actjax.scoring import ahead, networks, plan
from actjax.scoring.running import Running
from actjax.scoring.stacked import Accumulating
from actjax.setup import Setup
from actjax.train.state import variable_shapes
from actjax.types import Batch
from actjax.workdir import train_record


class _Foreseen(NamedTuple):
    """A program that observes batches, and what it is of; all else of a pass JAX finds by itself."""

    setup: Setup
    clips: int
    names: tuple[str, ...]
    program: jax.stages.Wrapped


# A run takes each once.
_waiting: list[_Foreseen] = []


def foresee(run: runs.Run) -> None:
    """Compiles the programs of the run's pass over the clips of its split.

    Passes with networks or features from files, or with weights that training will have kept, are left out.
    """
    setup, scored = run.setup, run.setup.scored
    from_files = scored.activations or scored.external_features or run.config.weights
    if from_files or scored.checkpoints or any(f.host for f in setup.computed_features):
        return
    if len(setup.computed_features) < len(setup.features) or not scored.run_networks:
        return
    if train_record.read(run.workdir) is not None:
        return  # the pass comes at once
    source, names = run.open_source(scored.split), scored.run_networks
    network = networks.open_network(run, len(source.class_names))
    with precision.products(run.config.score.precision):
        planned = plan.plan(setup, setup.computed_features, network, dict.fromkeys(names), clips=len(source))
        families = [family for family, _ in planned.families]
        program = capture.make_observe(families, setup.computed_features, setup.frontend)
        compile_pass(run, source, network, families, program, Running(planned.stacks).stacks)


def compile_pass(
    run: runs.Run,
    source: Source,
    network: networks.Network,
    families: Sequence[capture.Family],
    program: jax.stages.Wrapped,
    stacks: Sequence[Accumulating] = (),
) -> None:
    """Compiles a pass over the clips of `source`, and keeps its program until `program_of` asks for it.

    Args:
      run: whose pass it is.
      source: the clips.
      network: the run's, whose weights the first family will have.
      families: the networks, the variables of the first unknown.
      program: observes them.
      stacks: that its batches are added to.
    """
    shapes = variable_shapes(network.synchronised, network.frontend, source.clip_samples)
    of_run, others = families[0], families[1:]
    variables = _replicated(shapes, len(of_run.networks)), *(parallel.replicate(f.variables) for f in others)
    observer = Observer(tuple(families), program, variables, lambda batch: capture.Supplied())
    b = run.setup.scored.batch_size
    ahead.compile_pass(observer, stacks, _silence(b, source), {"clip": _no(b), "fold": _no(b)})
    _waiting.append(_Foreseen(run.setup, len(source), of_run.networks, program))


def program_of(setup: Setup, clips: int, names: Collection[str]) -> jax.stages.Wrapped | None:
    """The program that observes the clips of a run under these networks, if it was foreseen."""
    for one in _waiting:
        if one.setup is setup and (one.clips, one.names) == (clips, tuple(names)):
            _waiting.remove(one)
            return one.program
    return None


def _replicated(shapes: Any, networks: int) -> Any:
    """The stacked variables of so many networks on the devices, as shapes alone."""
    layout = jax.tree.leaves(parallel.replicate(np.zeros(())))[0].sharding
    lead = parallel.local_device_count(), networks
    return jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct((*lead, *leaf.shape), leaf.dtype, sharding=layout), shapes
    )


def _silence(b: int, source: Source) -> Batch:
    """A batch as the loader gives them."""
    return Batch(np.zeros((b, source.clip_samples), np.float32), np.ones(b, bool), _no(b), _no(b), _no(b))


def _no(b: int) -> np.ndarray:
    return np.zeros(b, np.int32)
