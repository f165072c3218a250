"""Trains variants that differ in little as one population; each then finds itself trained."""

import contextlib
from collections.abc import Mapping, Sequence
from typing import Any

from actjax import experiment, failures, memory, parallel, runs
from actjax.network import make_module
from actjax.options import comma_list
from actjax.train import clips, options, population, recipe
from actjax.train.log import DivergedError
from actjax.workdir import recorded_config, train_record, writer

# What the members of a population may differ in.
FREE = ("seed", *(f"train.{name}" for name in recipe.VARIED))


def groups(
    variants: Mapping[str, runs.Run], changes: Mapping[str, Mapping[str, Any]]
) -> list[list[runs.Run]]:
    """Variants that can be trained together, at most `train.population` of them in a group.

    Labels that are shuffled are shuffled by the seed: such networks see other labels, and are left out.
    """
    alike: dict[str, list[runs.Run]] = {}
    for name, run in variants.items():
        others = sorted((key, str(value)) for key, value in changes[name].items() if key not in FREE)
        trained = (
            train_record.path_of(run.workdir).exists() or run.config.weights or run.config.score.activations
        )
        if not (trained or run.config.train.shuffled_labels):
            alike.setdefault(repr(others), []).append(run)
    chosen = []
    for members in alike.values():
        most = members[0].config.train.population
        chosen += [members[i : i + most] for i in range(0, len(members), most)]
    return [members for members in chosen if len(members) > 1]


def train_all(members: Sequence[runs.Run]) -> None:
    """Trains the networks of several runs at once, whose data are prepared; their stages go on from there."""
    first, config = members[0], members[0].config.train
    at_once = 1 if parallel.on_cpu() else len(members)
    memory.check_training(first.setup, at_once * config.batch_size)
    clips_of_train, validation = (first.open_source(split) for split in ("train", "validation"))
    shared, trained = None, []
    with contextlib.ExitStack() as stack:
        for run in members:
            stack.enter_context(writer.one_writer(run.workdir))
            recorded_config.write(run.workdir, "train", run.config.to_dict())
            seed = run.config.seed
            batches = clips.TrainingClips(
                clips_of_train, validation, config.batch_size, seed, config.steps, shared
            )
            shared = shared or batches
            trackers = comma_list(run.config.tracking)
            of_run = options.of_config(run.config.train, seed, clips_of_train.labels.ndim == 2)
            trained.append(
                population.Member(run.workdir, of_run, batches.train_batches, batches.eval_batches, trackers)
            )
        if parallel.process_index() == 0:
            print(f"train: {len(members)} networks at once")
        population.fit(
            trained,
            model=make_module(first.setup.model, len(clips_of_train.class_names), axis_name=parallel.AXIS),
            frontend=first.setup.frontend,
            num_steps=config.steps,
            steps_per_epoch=-(-len(clips_of_train) // config.batch_size),
        )


def train_groups(variants: Mapping[str, runs.Run], changes: Mapping[str, Mapping[str, Any]]) -> None:
    """Prepares the data of all groups and trains each; the runs' own stages then find themselves trained.

    A group of which a network diverges is left: its runs' own stages go on from what is saved.
    """
    for members in groups(variants, changes):
        for one in members:
            experiment.run_stages(one, ("data",))
        try:
            train_all(members)
        except DivergedError as why:
            # Each goes on from what it has saved, so that one diverging member ends itself alone.
            if parallel.process_index() == 0:
                print(f"train: {failures.said(why)}; one at a time from here")
