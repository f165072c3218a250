"""The training loop: fit, and go on after an interruption. Its neighbours' public names are here too."""

import contextlib
import dataclasses
import functools
import itertools
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import flax.linen as nn

from actjax import parallel
from actjax.train import state as states
from actjax.train import step as steps
from actjax.train.checkpoint import Checkpoints
from actjax.train.evaluation import EvalResult, evaluate, predict, recompute_batch_stats
from actjax.train.log import DivergedError, Log, StopRequest, every, progress_bar
from actjax.train.options import TrainOptions, make_optimizer
from actjax.train.state import init_variables
from actjax.types import Batch, Frontend
from actjax.workdir import checkpoint_files

__all__ = [
    "EvalResult",
    "FitResult",
    "TrainOptions",
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


def fit(
    *,
    model: nn.Module,
    frontend: Frontend,
    train_batches: Callable[[int], Iterator[Batch]],
    eval_batches: Callable[[], Iterable[Batch]],
    num_steps: int,
    steps_per_epoch: int,
    options: TrainOptions,
    workdir: Path,
    progress: bool = True,
    variables: dict[str, Any] | None = None,
) -> FitResult:
    """Trains on all devices, going on from the workdir's newest checkpoint that is whole.

    Deterministic in (options.seed, batches) for a given number of devices; over numbers of devices
    the same up to rounding, except that dropout draws its own numbers on each device.

    Args:
      model: a network as actjax.models describes, with axis_name=parallel.AXIS if it normalises.
      frontend: makes the network's image from a batch's audio, inside the step.
      train_batches: start_step -> this process's batches from that step on (see train/step.py).
      eval_batches: () -> batches that hold each evaluation clip once.
      num_steps: when to stop at the latest.
      steps_per_epoch: for schedules and the default evaluation interval.
      options: everything else.
      workdir: gets checkpoints/, events/ and metrics.jsonl.
      progress: shows a bar.
      variables: to start from instead of freshly drawn ones.

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
            optimizer = make_optimizer(options, num_steps, steps_per_epoch)
            start = saved.step if saved else 0
            batches, clip_samples = _open(train_batches, start)
            if variables is None:
                variables = init_variables(model, frontend, options.seed, clip_samples)
            state, best = states.create(variables, optimizer, options.seed), variables
            if saved:
                state, best = checkpoints.fitted(saved, "state", like=state), saved.items["best"]
            trainer = Trainer(model, frontend, optimizer, options, num_steps, checkpoints, record, best)
            interval = options.eval_every or steps_per_epoch
            with StopRequest() as stop:
                try:
                    trainer.run(state, batches, eval_batches, interval, stop, Log(workdir, start), progress)
                except DivergedError as error:
                    advice = _what_to_do(options, checkpoints.latest())
                    raise DivergedError(f"training diverged: {error}, {advice}") from None
        best, last_step = checkpoints.restore("best"), checkpoints.latest()
    finally:
        checkpoints.close()
    return FitResult(
        best, record.best_step, last_step, record.stopped_early, tuple(record.history), record.seconds
    )


@dataclasses.dataclass
class Record:
    """What a checkpoint keeps beside the arrays; all of it is JSON."""

    history: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    best_step: int = 0
    since_best: int = 0
    seconds: float = 0.0
    finished: bool = False
    stopped_early: bool = False

    def add(self, step: int, result: EvalResult, options: TrainOptions) -> bool:
        """Adds an evaluation; True if it is the best so far, which an equal later one is not."""
        sign = -1 if options.monitor == "loss" else 1
        now = sign * getattr(result, options.monitor)
        best = all(now > sign * past[options.monitor] for past in self.history)
        self.history.append({"step": step, "loss": result.loss, "accuracy": result.accuracy, "best": best})
        self.best_step = step if best else self.best_step
        self.since_best = 0 if best else self.since_best + 1
        self.stopped_early = 0 < options.patience <= self.since_best
        return best


@dataclasses.dataclass
class Trainer:
    """The parts of one run that do not change from step to step, and its record."""

    model: nn.Module
    frontend: Frontend
    optimizer: Any
    options: TrainOptions
    num_steps: int
    checkpoints: Checkpoints
    record: Record
    best: dict[str, Any]

    def run(
        self,
        state: states.TrainState,
        batches: Iterator[Batch],
        eval_batches: Callable[[], Iterable[Batch]],
        eval_interval: int,
        stop: StopRequest,
        log: Log,
        progress: bool,
    ) -> None:
        """Steps until num_steps, early stopping or a request to stop; saves what it reached."""
        train_step, step = self._compiled(), int(state.step)
        held, pending, began = parallel.replicate(state), [], time.perf_counter()
        with contextlib.closing(log), progress_bar(progress, self.num_steps, step) as bar:
            while not self.record.finished:
                held, sums = train_step(held, parallel.shard(_next(batches, step, self.num_steps)))
                step += 1
                bar.update()
                pending.append(sums)
                if logging := every(step, self.options.log_every, self.num_steps):
                    log.write(step, "train", means := _means(pending))
                    bar.set_postfix(loss=f"{means['loss']:.3f}", accuracy=f"{means['accuracy']:.3f}")
                    pending = []
                if evaluating := every(step, eval_interval, self.num_steps):
                    self._evaluate(step, held, eval_batches, log)
                    self.record.finished = step == self.num_steps or self.record.stopped_early
                # Several processes may only ask each other at steps that all of them reach.
                asked = (parallel.process_count() == 1 or logging) and stop.agreed()
                if evaluating or asked:
                    self.record.seconds += time.perf_counter() - began
                    began = time.perf_counter()
                    self._save(step, held)
                if asked and not self.record.finished:
                    raise KeyboardInterrupt(f"stopped at step {step} of {self.num_steps}; it is saved")

    def _compiled(self) -> Callable[..., Any]:
        step = functools.partial(
            steps.train_step,
            model=self.model,
            frontend=self.frontend,
            optimizer=self.optimizer,
            label_smoothing=self.options.label_smoothing,
            multilabel=self.options.multilabel,
        )
        return parallel.pmap(step, donate=(0,))

    def _evaluate(
        self,
        step: int,
        held: states.TrainState,
        eval_batches: Callable[[], Iterable[Batch]],
        log: Log,
    ) -> None:
        variables, multilabel = parallel.unreplicate(held.variables), self.options.multilabel
        result = evaluate(self.model, self.frontend, variables, eval_batches(), multilabel=multilabel)
        if self.record.add(step, result, self.options):
            self.best = variables
        log.write(step, "eval", {"loss": result.loss, "accuracy": result.accuracy})

    def _save(self, step: int, held: states.TrainState) -> None:
        state = parallel.unreplicate(held)
        self.checkpoints.save(step, dataclasses.asdict(self.record), state=state, best=self.best)


def _what_to_do(options: TrainOptions, saved: int | None) -> str:
    """After a divergence: the learning rate, what is left, and what helps."""
    kept = f"the checkpoint of step {saved} stays" if saved else "nothing was saved"
    return (
        f"with train.learning_rate = {options.learning_rate:g}; {kept}. Lower train.learning_rate or raise "
        "train.warmup_steps, in another --workdir"
    )


def _open(train_batches: Callable[[int], Iterator[Batch]], start: int) -> tuple[Iterator[Batch], int]:
    """The batches from step `start` on, and the clips' length, which only they know."""
    batches = iter(train_batches(start))
    first = next(batches, None)
    if first is None:
        raise ValueError("expected at least one training batch, got none; check the split and batch_size")
    return itertools.chain([first], batches), first.audio.shape[1]


def _next(batches: Iterator[Batch], step: int, num_steps: int) -> Batch:
    """The next batch."""
    batch = next(batches, None)
    if batch is None:
        raise ValueError(f"expected batches for {num_steps} steps, they ended after {step}; repeat the data")
    return batch


def _means(pending: list[dict[str, Any]]) -> dict[str, float]:
    """Loss and accuracy over the clips of several steps, and the last gradient norm."""
    sums = [parallel.unreplicate(one) for one in pending]
    count = sum(float(one["count"]) for one in sums)
    return {
        "loss": sum(float(one["loss"]) for one in sums) / count,
        "accuracy": sum(float(one["correct"]) for one in sums) / count,
        "grad_norm": float(sums[-1]["grad_norm"]),
    }
