"""Scores the networks of several runs of one architecture in one pass: members of a population."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path

from actjax import files, parallel, runs
from actjax.data.loader import Source
from actjax.scoring import results, score_set, unscored
from actjax.workdir import examples, pieces


def score(members: Mapping[str, runs.Run], workdir: Path) -> None:
    """Scores those members of which nothing is scored yet; each workdir then holds what it would alone.

    Scores are alike to float32's rounding, 4e-7, and p-values the same. Features are computed once, and the
    input is scored once, for all of them. Whoever was stopped goes on with the same members; those that have
    some scores are left to their stages.

    Args:
      members: name -> its run, trained; they differ in nothing that scoring reads but seed and weights.
      workdir: of the sweep, which holds what is unfinished.
    """
    source = _first(members).open_source(_first(members).setup.scored.split)
    wanted = {name: unscored.made_from(run, source) for name, run in members.items()}
    stage, keys = f"score-{files.digest(list(members))}", {name: one.key() for name, one in wanted.items()}
    chosen = {name: run for name, run in members.items() if _is_new(run, wanted[name])}
    if chosen and score_set.is_unfinished(workdir, keys, stage):
        # Stopped between two of their tables.
        chosen = dict(members)
    if len(chosen) < 2:
        pieces.clear(workdir, stage)
        return
    if parallel.process_index() == 0:
        print(f"score: {len(chosen)} networks at once, {', '.join(chosen)}")
    unfinished = score_set.unfinished(workdir, {name: keys[name] for name in chosen}, stage)
    passed = _pass_over(chosen, source, unfinished)
    for name, run in chosen.items():
        path = examples.path_of(score_set.path_of(run.workdir, wanted[name]))
        computed = results.completed(run, source, _of_member(passed, name), path)
        score_set.keep(run, wanted[name], source, computed)
    unfinished.close()
    parallel.gather_bytes(b"")  # the other processes read what the first one has written


def _first(members: Mapping[str, runs.Run]) -> runs.Run:
    return next(iter(members.values()))


def _is_new(run: runs.Run, wanted: unscored.MadeFrom) -> bool:
    """Whether all that is wanted of a run is still to be scored."""
    return unscored.missing(run, wanted, score_set.whole_sets(run)) == [run]


def _pass_over(members: Mapping[str, runs.Run], source: Source, unfinished: pieces.Pieces) -> results.Passed:
    """One pass with the networks of all members, called by the member's name, a stroke, and theirs."""
    opened = {name: results.weights_of(run, source) for name, run in members.items()}
    weights = {
        f"{name}/{of}": one for name, (_, of_member) in opened.items() for of, one in of_member.items()
    }
    network, _ = next(iter(opened.values()))
    return results.pass_over(_first(members), source, network, weights, unfinished)


def _of_member(passed: results.Passed, member: str) -> results.Passed:
    """The pass as if the networks of one member had been alone in it, with the input that all share."""
    before, start = passed.planned.families, f"{member}/"
    every = before[0][0].networks
    names = {name: name.removeprefix(start) for name in every if name.startswith(start)}
    tasks = [
        task._replace(network=names.get(task.network, task.network), outputs=dict(task.outputs))
        for task in passed.tasks
        if task.network in names or task.network not in every
    ]
    shared = [family for family, _ in before[1:]]
    renamed = dataclasses.replace(before[0][0], networks=tuple(names.get(name, name) for name in every))
    return passed._replace(tasks=tasks, observer=passed.observer._replace(families=(renamed, *shared)))
