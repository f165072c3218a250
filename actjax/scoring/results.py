"""Computes all scores of a run: makes its networks and features, lays them out, goes over the clips once."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from actjax import costs, runs
from actjax.activations.clips import Observer, make_observer
from actjax.data import loader
from actjax.data.loader import Source
from actjax.external.layers import Activations
from actjax.scoring import (
    checkpoints,
    columns,
    foreseen,
    from_elsewhere,
    networks,
    nulls,
    one_pass,
    pictures,
    plan,
)
from actjax.scoring.tasks import ScoredTask
from actjax.types import LeftOut
from actjax.workdir.pieces import Pieces
from actjax.workdir.score_nulls import Family, Replicates


class Passed(NamedTuple):
    """What a pass over the clips came to.

    Attributes:
      planned: the comparisons.
      observer: of their families.
      tasks: the scores of all networks; none where no comparison can be made.
    """

    planned: plan.Plan
    observer: Observer
    tasks: list[ScoredTask]


class Computed(NamedTuple):
    """The scores of a run.

    Attributes:
      tasks: the scores with all that statistics add; none where no comparison can be made.
      nulls: what the families of tests keep of their replicates.
      left_out: comparisons that could not be made.
    """

    tasks: list[ScoredTask]
    nulls: Mapping[Family, Replicates]
    left_out: tuple[LeftOut, ...]


def compute(
    run: runs.Run, source: Source, elsewhere: Activations | None, examples: Path, pieces: Pieces
) -> Computed:
    """Scores a run's networks on the clips of `source`, with nulls and corrected p-values.

    Args:
      run: the run.
      source: the clips.
      elsewhere: activations made elsewhere, in the order of the clips, or None.
      examples: where the pairs that pictures show are written.
      pieces: where what is done is kept, and from which a stopped run goes on.
    """
    network, weights = weights_of(run, source)
    return completed(run, source, pass_over(run, source, network, weights, pieces, elsewhere), examples)


def weights_of(run: runs.Run, source: Source) -> tuple[networks.Network | None, dict[str, Any]]:
    """The run's network, and name -> weights of all that are scored of it; None where none is."""
    names = run.setup.scored.run_networks
    if not names:
        return None, {}
    network = networks.open_network(run, len(source.class_names))
    train = run.open_source("train") if "untrained" in names else source
    weights = {name: networks.variables(network, name, train) for name in names}
    return network, weights | {name: checkpoints.variables(run, name) for name in checkpoints.names(run)}


def pass_over(
    run: runs.Run,
    source: Source,
    network: networks.Network | None,
    weights: Mapping[str, Any],
    pieces: Pieces,
    elsewhere: Activations | None = None,
) -> Passed:
    """Goes over the clips once with all networks of `weights` and scores what it observes; see `compute`."""
    setup, scored = run.setup, run.setup.scored
    draws = nulls.draws(scored.null, source)
    features = from_elsewhere.features(setup.features, scored, source)
    planned = plan.plan(setup, features, network, weights, elsewhere, len(source))
    families = [family for family, _ in planned.families]
    read_layers = from_elsewhere.layer_reader(elsewhere, families, source)
    program = foreseen.program_of(setup, len(source), weights)
    observer = make_observer(families, features, setup.frontend, read_layers, program)
    if not any(comparison.pairs for _, comparisons in planned.families for comparison in comparisons):
        return Passed(planned, observer, [])
    tasks = one_pass.run_pass(
        planned.families,
        planned.stacks,
        observer,
        lambda start: runs.batches(source, scored.batch_size, start_step=start),
        pieces=pieces,
        steps=loader.steps(len(source), scored.batch_size),
        folds_of_clip=np.unique(source.recording_ids, return_inverse=True)[1],
        clip_ids=source.clip_ids,
        null=nulls.make(draws, source.recording_ids, scored.part, scored.memory_bytes / 2**30),
        memory_bytes=scored.memory_bytes,
    )
    return Passed(planned, observer, list(tasks))


def completed(run: runs.Run, source: Source, passed: Passed, examples: Path) -> Computed:
    """The scores of a pass with corrected p-values, errors and controls; writes what pictures show."""
    planned, observer, tasks = passed
    if not tasks:
        return Computed([], {}, planned.left_out)
    replicates = nulls.correct(tasks)
    tasks = list(columns.complete(tasks, source.recording_ids))
    pairs = pictures.choose(planned.families, tasks, run.config.report.examples)
    with costs.section("pictures"):
        pictures.write(examples, observer, pairs, source, run.setup.scored.batch_size)
    return Computed(tasks, replicates, planned.left_out)
