"""Trains variants that differ in little as one population; each then finds itself trained."""

import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from actjax import experiment, failures, lookup, memory, parallel, precision, runs
from actjax.network import make_module
from actjax.options import comma_list
from actjax.scoring import members as scored_together
from actjax.train import clips, options, population, recipe
from actjax.train.log import DivergedError
from actjax.workdir import pieces, recorded_config, train_record

# What the members of a population may differ in.
FREE = ("seed", *(f"train.{name}" for name in recipe.VARIED))


def alike(
    variants: Mapping[str, runs.Run], changes: Mapping[str, Mapping[str, Any]]
) -> list[dict[str, runs.Run]]:
    """Variants in groups that differ in FREE options alone.

    Labels that are shuffled are shuffled by the seed: such networks see other labels, and are left out, as
    are those that are not trained here.
    """
    by_others: dict[str, dict[str, runs.Run]] = {}
    for name, run in variants.items():
        others = sorted((key, str(value)) for key, value in changes[name].items() if key not in FREE)
        elsewhere = run.config.weights or run.config.score.activations
        if not (elsewhere or run.config.train.shuffled_labels):
            by_others.setdefault(repr(others), {})[name] = run
    return list(by_others.values())


def groups(
    variants: Mapping[str, runs.Run], changes: Mapping[str, Mapping[str, Any]]
) -> list[dict[str, runs.Run]]:
    """Variants that are trained and scored together, at most `train.population` of them in a group."""
    chosen = []
    for of_group in alike(variants, changes):
        members = list(of_group.items())
        most = members[0][1].config.train.population
        chosen += [dict(members[i : i + most]) for i in range(0, len(members), most)]
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
            stack.enter_context(experiment.one_writer(run.workdir))
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
    for group in groups(variants, changes):
        members = [one for one in group.values() if train_record.read(one.workdir) is None]
        if len(members) < 2:
            continue
        for one in members:
            experiment.run_stages(one, ("data",))
        try:
            train_all(members)
        except DivergedError as why:
            # Each goes on from what it has saved, so that one diverging member ends itself alone.
            if parallel.process_index() == 0:
                print(f"train: {failures.said(why)}; one at a time from here")


def score_groups(
    variants: Mapping[str, runs.Run], changes: Mapping[str, Mapping[str, Any]], workdir: Path
) -> None:
    """Scores the networks of each group in one pass over the clips; their own stages then find it done.

    A network that diverges in training is left out.

    Args:
      variants, changes: as `groups` takes them.
      workdir: the sweep's, which holds what is unfinished.
    """
    for group in groups(variants, changes):
        members = {}
        for name, run in group.items():
            if run.setup.scored.run_networks and _is_trained(run):
                recorded_config.compare(run.workdir, "score", run.config.to_dict())
                lookup.module("stage", "score").stage.check(run)
                members[name] = run
        if len(members) < 2:
            continue
        config = next(iter(members.values())).config
        with contextlib.ExitStack() as stack:
            for run in members.values():
                stack.enter_context(experiment.one_writer(run.workdir))
            stack.enter_context(precision.products(config.score.precision))
            scored_together.score(members, workdir)
    pieces.clear(workdir, "score")  # those of groups that are no more


def _is_trained(run: runs.Run) -> bool:
    """Ends a network's training and tests it; False where it diverges, which its own stages say again."""
    try:
        experiment.run_stages(run, ("data", "train"))
    except DivergedError:
        return False
    return True
