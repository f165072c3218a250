"""One training run from step to step: calls of the devices, log lines, evaluations, checkpoints."""

import dataclasses
import itertools
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import jax
import numpy as np
import tqdm

from actjax import parallel
from actjax.interruption import StopRequest
from actjax.train import kept
from actjax.train.evaluation import EvalResult, evaluate
from actjax.train.imaged import imaged
from actjax.train.log import Log
from actjax.train.options import TrainOptions
from actjax.train.profile import Profile
from actjax.train.recipe import Recipe, Sums, varied
from actjax.train.saver import Saver
from actjax.train.state import TrainState
from actjax.train.supply import Supply, to_devices
from actjax.types import Batch

# (step, what an evaluation measured) -> whether training goes on.
Judge = Callable[[int, Mapping[str, float]], bool]


@dataclasses.dataclass
class Record:
    """What a checkpoint keeps beside the arrays; all of it is JSON."""

    history: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    best_step: int = 0
    since_best: int = 0
    seconds: float = 0.0
    finished: bool = False
    stopped_early: bool = False
    # Sums of the calls since the last line of the log, which an interval of saving may cut in two.
    pending: list[dict[str, list[float]]] = dataclasses.field(default_factory=list)

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

    def keeps(self, keep: str) -> bool:
        """Whether the weights of the last evaluation stay."""
        return kept.keeps(keep, len(self.history), self.finished)


class Unwritten(NamedTuple):
    """A line of the log whose numbers may still be on their way from the devices.

    Attributes:
      step: of which it is.
      sums: of each call since the line before.
    """

    step: int
    sums: list[dict[str, Any]]


@dataclasses.dataclass
class Trainer:
    """What does not change from step to step of one run, and its record.

    Attributes:
      recipe: of `fit`'s arguments.
      record: of the evaluations so far.
      best: the variables of the best of them.
      judge: asked after each evaluation whether training goes on, or None.
      profile: of some steps.
    """

    recipe: Recipe
    record: Record
    best: dict[str, Any]
    judge: Judge | None = None
    profile: Profile = dataclasses.field(default_factory=lambda: Profile(None))

    def run(
        self,
        state: TrainState,
        source: Supply,
        eval_batches: Callable[[], Iterable[Batch] | Supply],
        saver: Saver,
        stop: StopRequest,
        log: Log,
        bar: tqdm.tqdm,
    ) -> None:
        """Steps until the last one, early stopping or a request to stop; saves what it reached.

        A log line is written while the next call runs: devices do not wait for it.
        """
        pace, step = self.recipe.pace, int(state.step)
        last, replicated, call = pace.num_steps, parallel.replicate(state), self._calls(source)
        pending, unwritten, began = [], [], time.perf_counter()
        while not self.record.finished:
            count = pace.steps_from(step)
            replicated, sums = call(replicated, count, step)
            step += count
            self.profile.after_call(step, sums)
            bar.update(count)
            pending.append(sums)
            self._write(unwritten, log, bar)
            if pace.logs(step):
                unwritten, pending = [Unwritten(step, pending)], []
            if evaluating := pace.evaluates(step):
                self._write(unwritten, log, bar)
                self._evaluate(step, replicated, eval_batches, log)
                self.record.finished = step == last or self.record.stopped_early
            # Several processes may only ask each other at steps that all of them reach.
            asked = stop.asked()
            if parallel.process_count() > 1:
                asked = pace.logs(step) and any(parallel.gather_hosts(asked))
            if evaluating or asked:
                self._write(unwritten, log, bar)
                self.record.seconds += time.perf_counter() - began
                began = time.perf_counter()
                self._save(step, replicated, saver, pending, evaluating)
            if asked and not self.record.finished:
                raise KeyboardInterrupt(f"stopped at step {step} of {last}; it is saved")

    def _calls(self, source: Supply) -> Callable[[TrainState, int, int], tuple[TrainState, Sums]]:
        """(state, count, step) -> what `count` steps after `step` make of it, and their sums."""
        source = imaged(source, self.recipe.frontend)
        sent, values, programs = to_devices(source), parallel.replicate(varied(self.recipe.options)), {}

        def call(replicated: TrainState, count: int, step: int) -> tuple[TrainState, Sums]:
            if count not in programs:
                programs[count] = self.recipe.program(source.gather, count)
            batches = next_batches(sent, count, step, self.recipe.pace.num_steps)
            return programs[count](replicated, source.on_device, batches, values)

        return call

    def _write(self, unwritten: list[Unwritten], log: Log, bar: tqdm.tqdm) -> None:
        """Writes and forgets the lines that are waiting."""
        while unwritten:
            step, sums = unwritten.pop(0)
            carried, self.record.pending = self.record.pending, []
            log.write(step, "train", values := means([*carried, *map(parallel.unreplicate, sums)]))
            bar.set_postfix(loss=f"{values['loss']:.3f}", accuracy=f"{values['accuracy']:.3f}")

    def _evaluate(
        self,
        step: int,
        replicated: TrainState,
        eval_batches: Callable[[], Iterable[Batch] | Supply],
        log: Log,
    ) -> None:
        recipe, variables = self.recipe, parallel.unreplicate(replicated.variables)
        multilabel = recipe.options.multilabel
        result = evaluate(recipe.model, recipe.frontend, variables, eval_batches(), multilabel=multilabel)
        if self.record.add(step, result, recipe.options):
            self.best = variables
        measured = {"loss": result.loss, "accuracy": result.accuracy}
        log.write(step, "eval", measured)
        if self.judge is not None and step < recipe.pace.num_steps:
            asked = self.judge(step, measured) if parallel.process_index() == 0 else True
            self.record.stopped_early |= not parallel.gather_hosts(asked)[0]

    def _save(
        self,
        step: int,
        replicated: TrainState,
        saver: Saver,
        pending: list[dict[str, Any]],
        evaluated: bool,
    ) -> None:
        state = parallel.unreplicate(replicated)
        since = self.record.pending + [as_lists(parallel.unreplicate(call)) for call in pending]
        meta = dataclasses.asdict(self.record) | {"pending": since}
        keep = state.variables if evaluated and self.record.keeps(self.recipe.options.keep) else None
        saver.save(step, meta, keep=keep, state=state, best=self.best)


def next_batches(sent: Iterator[Any], count: int, step: int, last: int) -> Any:
    """What is sent for the next call: of one batch, or stacked of several, [d, count, b / d, ...]."""
    batches = list(itertools.islice(sent, count))
    if len(batches) < count:
        ended = step + len(batches)
        raise ValueError(f"expected batches for {last} steps, they ended after {ended}; repeat the data")
    return batches[0] if count == 1 else jax.tree.map(lambda *leaves: np.stack(leaves, 1), *batches)


def as_lists(sums: Mapping[str, Any]) -> dict[str, list[float]]:
    """The sums of a call as JSON can hold them."""
    return {name: np.ravel(value).tolist() for name, value in sums.items()}


def means(sums: list[dict[str, Any]]) -> dict[str, float]:
    """Loss and accuracy over the clips of all steps of some calls, and the last gradient norm."""
    loss, correct, count, norms = (
        [float(value) for call in sums for value in np.ravel(call[name])]
        for name in ("loss", "correct", "count", "grad_norm")
    )
    return {"loss": sum(loss) / sum(count), "accuracy": sum(correct) / sum(count), "grad_norm": norms[-1]}
