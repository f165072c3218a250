"""Computes all scores of a run: makes its networks and features, lays them out, goes over the clips once."""

from pathlib import Path

import numpy as np

from actjax import costs, runs
from actjax.activations.clips import make_observer
from actjax.data import loader
from actjax.data.loader import Source
from actjax.external.layers import Activations
from actjax.scoring import checkpoints, columns, from_elsewhere, networks, nulls, one_pass, pictures, plan
from actjax.scoring.tasks import ScoredTask
from actjax.types import LeftOut
from actjax.workdir.pieces import Pieces


def compute(
    run: runs.Run, source: Source, elsewhere: Activations | None, examples: Path, pieces: Pieces
) -> tuple[list[ScoredTask], tuple[LeftOut, ...]]:
    """Scores a run's networks on the clips of `source`, with nulls and corrected p-values.

    Args:
      run: the run.
      source: the clips.
      elsewhere: activations made elsewhere, in the order of the clips, or None.
      examples: where the pairs that pictures show are written.
      pieces: where what is done is kept, and from which a stopped run goes on.

    Returns:
      The scores, of which there are none where no comparison can be made, and those that could not be made.
    """
    setup, scored = run.setup, run.setup.scored
    draws = nulls.draws(scored.null, source)
    features = from_elsewhere.features(setup.features, scored, source)
    network, weights = None, {}
    if scored.run_networks:
        network = networks.open_network(run, len(source.class_names))
        train = run.open_source("train") if "untrained" in scored.run_networks else source
        weights = {name: networks.variables(network, name, train) for name in scored.run_networks}
        weights |= {name: checkpoints.variables(run, name) for name in checkpoints.names(run)}
    planned = plan.plan(setup, features, network, weights, elsewhere, len(source))
    if not any(comparison.pairs for _, comparisons in planned.families for comparison in comparisons):
        return [], planned.left_out
    families = [family for family, _ in planned.families]
    read_layers = from_elsewhere.layer_reader(elsewhere, families, source)
    observer = make_observer(families, features, setup.frontend, read_layers)
    results = list(
        one_pass.run_pass(
            planned.families,
            planned.stacks,
            observer,
            lambda start: runs.batches(source, scored.batch_size, start_step=start),
            pieces=pieces,
            steps=loader.steps(len(source), scored.batch_size),
            folds_of_clip=np.unique(source.recording_ids, return_inverse=True)[1],
            clip_ids=source.clip_ids,
            null=nulls.make(draws, source.recording_ids, scored.part, scored.memory_bytes / 2**30),
        )
    )
    nulls.correct(results)
    results = list(columns.complete(results, source.recording_ids))
    pairs = pictures.choose(planned.families, results, run.config.report.examples)
    with costs.section("pictures"):
        pictures.write(examples, observer, pairs, source, scored.batch_size)
    return results, planned.left_out
