"""Chooses the weights of earlier steps of training that are scored beside the trained network's."""

from collections.abc import Sequence
from typing import Any

from actjax import runs
from actjax.scores.schema import checkpoint_name, checkpoint_step
from actjax.train import checkpoint, kept


def check_options(run: runs.Run) -> None:
    """Refuses checkpoints of a network that keeps none.

    Raises:
      ValueError: one line that says what to set.
    """
    asked, config = run.setup.scored.checkpoints, run.config
    if not asked:
        return
    if config.weights or config.score.activations or "trained" not in run.setup.scored.networks:
        raise ValueError(
            f"score.checkpoints = {asked!r} wants a network that is trained here: leave it out with weights, "
            "score.activations or score.networks without trained"
        )
    if config.train.keep == "none":
        raise ValueError(
            f"score.checkpoints = {asked!r} wants the weights that training keeps: train with "
            "--config.train.keep=log (or all), in another --workdir if this one is trained"
        )


def names(run: runs.Run) -> list[str]:
    """The networks "step100" ... that score.checkpoints chooses among those that are kept.

    Raises:
      ValueError: a step that was not kept, or none was; lists those that were.
    """
    asked = run.setup.scored.checkpoints
    if not asked:
        return []
    there = _kept_steps(run)
    if not there:
        raise ValueError(
            f"score.checkpoints = {asked!r}: {run.workdir} keeps no weights of its training; train with "
            "--config.train.keep=log (or all), in another --workdir"
        )
    return [checkpoint_name(step) for step in chosen(asked, there)]


def expected_names(run: runs.Run) -> list[str]:
    """As `names`, before training too, as far as the config tells which steps will be kept."""
    asked, config = run.setup.scored.checkpoints, run.config.train
    if not asked:
        return []
    there = _kept_steps(run) or kept.expected_steps(config.keep, config.eval_every, config.steps)
    return [checkpoint_name(step) for step in chosen(asked, there)] if there else []


def chosen(asked: str, there: Sequence[int]) -> list[int]:
    """The steps that "all", "log" or a comma list chooses among those that are there, which ascend.

    "log" takes a step if it is at least twice the one taken before it, and the last.

    >>> chosen("log", [100, 200, 300, 400, 500, 600])
    [100, 200, 400, 600]

    Raises:
      ValueError: a listed step is not there.
    """
    if asked == "all":
        return list(there)
    if asked == "log":
        taken: list[int] = []
        for step in there:
            if not taken or step >= 2 * taken[-1] or step == there[-1]:
                taken.append(step)
        return taken
    listed = sorted(map(int, asked.split(",")))
    if lacking := [step for step in listed if step not in there]:
        known = ", ".join(map(str, there)) or "none"
        raise ValueError(
            f"score.checkpoints: the weights of step {lacking[0]} were not kept; kept are: {known}"
        )
    return listed


def variables(run: runs.Run, name: str) -> dict[str, Any]:
    """The weights of one of `names`."""
    return kept.read(run.workdir, checkpoint_step(name))


def fingerprint(run: runs.Run) -> list[Any]:
    """What the scores of these networks depend on beside all else: their steps and weights."""
    return [[name, checkpoint.content_hash(variables(run, name))] for name in names(run)]


def _kept_steps(run: runs.Run) -> list[int]:
    return sorted(kept.open_kept(run.workdir).steps())
