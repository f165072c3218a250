"""The training loop: fit, and go on after an interruption. Its neighbours' public names are here too."""

import contextlib
import itertools
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import flax.linen as nn

from actjax import parallel
from actjax.interruption import StopRequest
from actjax.train import kept, supply
from actjax.train import state as states
from actjax.train.checkpoint import Checkpoints
from actjax.train.evaluation import EvalResult, evaluate, predict, recompute_batch_stats
from actjax.train.log import DivergedError, Log, progress_bar
from actjax.train.options import TrainOptions
from actjax.train.profile import Profile
from actjax.train.recipe import recipe_of
from actjax.train.saver import Saver
from actjax.train.state import init_variables
from actjax.train.supply import Supply
from actjax.train.trainer import Judge, Record, Trainer
from actjax.types import Batch, Frontend
from actjax.workdir import checkpoint_files

__all__ = [
    "EvalResult",
    "FitResult",
    "TrainOptions",
    "Watch",
    "evaluate",
    "fit",
    "init_variables",
    "predict",
    "recompute_batch_stats",
]


class FitResult(NamedTuple):
    """What training came to.

    Attributes:
      variables: of the best evaluation, host arrays.
      best_step: when that was.
      last_step: steps done.
      stopped_early: True if `patience` ended the run.
      history: one dict for each evaluation: step, loss, accuracy, best.
      seconds: of training in all, over restarts.
    """

    variables: dict[str, Any]
    best_step: int
    last_step: int
    stopped_early: bool
    history: tuple[dict[str, Any], ...]
    seconds: float


class Watch(NamedTuple):
    """Who looks on while a network is trained.

    Attributes:
      judge: asked after each evaluation whether training goes on; the first process's answer holds.
      profile: a folder for a trace of some steps.
      trackers: who is told of the curve beside TensorBoard (see `tracking`).
    """

    judge: Judge | None = None
    profile: Path | None = None
    trackers: Sequence[str] = ()


NOBODY = Watch()


def fit(
    *,
    model: nn.Module,
    frontend: Frontend,
    train_batches: Callable[[int], Iterable[Batch] | Supply],
    eval_batches: Callable[[], Iterable[Batch] | Supply],
    num_steps: int,
    steps_per_epoch: int,
    options: TrainOptions,
    workdir: Path,
    progress: bool = True,
    variables: dict[str, Any] | None = None,
    watch: Watch = NOBODY,
) -> FitResult:
    """Trains on all devices, going on from the workdir's newest checkpoint that is whole.

    Deterministic in (options.seed, batches) for a given number of devices; over numbers of devices
    the same up to rounding, except that dropout draws its own numbers on each device.

    Args:
      model: a network as actjax.models describes, with axis_name=parallel.AXIS if it normalises.
      frontend: makes the network's image from a batch's audio, inside the step.
      train_batches: start_step -> this process's batches from that step on (see train/step.py), or a
        supply of clips that are on the devices already (see train/supply.py).
      eval_batches: () -> batches or a supply that hold each evaluation clip once.
      num_steps: when to stop at the latest.
      steps_per_epoch: for schedules and the default evaluation interval.
      options: everything else.
      workdir: gets checkpoints/, events/ and metrics.jsonl.
      progress: shows a bar.
      variables: to start from instead of freshly drawn ones.
      watch: who looks on; nobody by default.

    Raises:
      ValueError: a batch that the devices do not divide, or a checkpoint of another model.
      KeyboardInterrupt: asked to stop, after the step reached has been saved.
      DivergedError: the loss is no longer finite; what was saved before stays.
    """
    if num_steps < 1:
        raise ValueError(f"expected at least one training step, got num_steps = {num_steps}")
    parallel.check_divisible(options.batch_size, "train.batch_size", parallel.device_count())
    if options.dropout is not None and hasattr(model, "dropout"):
        model = model.clone(dropout=options.dropout)
    checkpoints = Checkpoints(checkpoint_files.path_of(Path(workdir)))
    try:
        saved = checkpoints.newest_whole("state", "best")
        record = Record(**(saved.meta if saved else {}))
        if not record.finished:
            source, clip_samples = _open(train_batches, saved.step if saved else 0)
            recipe = recipe_of(model, frontend, options, num_steps, steps_per_epoch, bool(source.on_device))
            if variables is None:
                variables = init_variables(model, frontend, options.seed, clip_samples)
            state = states.create(variables, recipe.optimizer(), options.seed)
            if saved:
                state = checkpoints.fitted(saved, "state", like=state)
            best = saved.items["best"] if saved else variables
            trainer = Trainer(recipe, record, best, watch.judge, Profile(watch.profile))
            _run(trainer, state, source, eval_batches, checkpoints, Path(workdir), progress, watch.trackers)
        return FitResult(
            checkpoints.restore("best"),
            record.best_step,
            checkpoints.newest(),
            record.stopped_early,
            tuple(record.history),
            record.seconds,
        )
    finally:
        checkpoints.close()


def _run(
    trainer: Trainer,
    state: states.TrainState,
    source: Supply,
    eval_batches: Callable[[], Iterable[Batch] | Supply],
    checkpoints: Checkpoints,
    workdir: Path,
    progress: bool,
    trackers: Sequence[str],
) -> None:
    """Runs with a log, a bar and checkpoints; a run that diverges says what helps."""
    first = int(state.step)
    try:
        with (
            StopRequest() as stop,
            Saver(checkpoints, kept.open_kept(workdir)) as saver,
            contextlib.closing(Log(workdir, first, trackers)) as log,
            progress_bar(progress, trainer.recipe.pace.num_steps, first) as bar,
        ):
            try:
                trainer.run(state, source, eval_batches, saver, stop, log, bar)
            finally:
                trainer.profile.close()
    except DivergedError as error:
        advice = _what_to_do(trainer.recipe.options, checkpoints.latest())
        raise DivergedError(f"training diverged: {error}, {advice}") from None


def _what_to_do(options: TrainOptions, saved: int | None) -> str:
    """After a divergence: the learning rate, what is left, and what helps."""
    left = f"the checkpoint of step {saved} stays" if saved else "nothing was saved"
    return (
        f"with train.learning_rate = {options.learning_rate:g}; {left}. Lower train.learning_rate or raise "
        "train.warmup_steps, in another --workdir"
    )


def _open(train_batches: Callable[[int], Iterable[Batch] | Supply], start: int) -> tuple[Supply, int]:
    """The batches from step `start` on, and the clips' length, which only they know."""
    source = supply.supply(train_batches(start))
    sent = iter(source.sent)
    first = next(sent, None)
    if first is None:
        raise ValueError("expected at least one training batch, got none; check the split and batch_size")
    return source._replace(sent=itertools.chain([first], sent)), source.clip_samples(first)
