"""Computes all scores of a run: makes its networks and features, lays them out, goes over the clips once."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from actjax import parallel
from actjax import run as runs
from actjax.activations.clips import Observer, make_observer
from actjax.activations.comparisons import LeftOut
from actjax.data import loader
from actjax.external.layers import Activations
from actjax.scoring import columns, from_elsewhere, nulls, one_pass, pictures, plan
from actjax.scoring import networks as scoring_networks
from actjax.workdir import observations_folder


def compute(
    run: runs.Run, source: loader.Source, elsewhere: Activations | None, examples: Path
) -> tuple[list[one_pass.Result], tuple[LeftOut, ...]]:
    """Scores a run's networks on the clips of `source`, with nulls and corrected p-values.

    Args:
      run: the run.
      source: the clips.
      elsewhere: activations made elsewhere, in the order of the clips, or None.
      examples: where the pairs that pictures show are written.

    Returns:
      The results, and the comparisons that could not be made.
    """
    draws = nulls.draws(run.config, source)
    networks = from_elsewhere.networks(run.config)
    train_split = loader.open_source(runs.builder(run), "train") if "untrained" in networks else source
    own = [name for name in networks if name not in ("input", from_elsewhere.NETWORK)]
    weights = {name: scoring_networks.variables(run, name, train_split) for name in own}
    features = from_elsewhere.features(run.config, source)
    classes = len(source.class_names)
    made = plan.plan(run, source.clip_samples, classes, features, weights, elsewhere, len(source))
    families = [family for family, _ in made.families]
    read_layers = from_elsewhere.layer_reader(elsewhere, families, source)
    observer = make_observer(families, made.features, runs.frontend(run.config), read_layers)
    found = list(_pass_over_clips(run, made, source, observer, draws))
    nulls.correct(found)
    found = list(columns.complete(found, source.recording_ids, runs.metrics(run.config)))
    pictures.write(examples, observer, made.families, found, source, run.config)
    return found, made.left_out


def _pass_over_clips(
    run: runs.Run, made: plan.Plan, source: loader.Source, observer: Observer, draws: Any
) -> Iterator[one_pass.Result]:
    batches = loader.batches(
        source,
        batch_size=run.config.score.batch_size,
        process_index=parallel.process_index(),
        process_count=parallel.process_count(),
    )
    recordings = np.unique(source.recording_ids, return_inverse=True)[1]
    return one_pass.run_pass(
        made.families,
        observer,
        batches,
        folder=observations_folder.path_of(run.workdir, parallel.process_index()),
        folds_of_clip=recordings,
        clip_ids=source.clip_ids,
        null=nulls.make(draws, source.recording_ids, run.config.score.part, run.config.score.memory_gib),
    )
