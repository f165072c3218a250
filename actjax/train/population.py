"""Trains several networks of one architecture in one compiled program, each as it would be trained alone.

Members differ in their seed, and in what of VARIED they are given; each has its own order of the clips,
dropout, early stopping, checkpoints and curve. On accelerators the members of a step are vmapped inside pmap.
A CPU takes them in turn inside the program: vmapped convolutions are grouped, which it computes slowly.
"""

import contextlib
import dataclasses
import functools
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import tqdm

from actjax import parallel
from actjax.interruption import StopRequest
from actjax.train import pace as paces
from actjax.train import state as states
from actjax.train import step as steps
from actjax.train.evaluation import evaluate
from actjax.train.log import Log, progress_bar
from actjax.train.members import (
    VARIED,
    Member,
    UnderWay,
    at_common_step,
    check_alike,
    initial_state,
    open_member,
    peeked,
)
from actjax.train.options import TrainOptions, make_optimizer
from actjax.train.saver import Saver
from actjax.train.supply import Supply, supply
from actjax.train.trainer import as_lists, means, next_batches
from actjax.types import Batch, Frontend


def fit(
    members: Sequence[Member],
    *,
    model: nn.Module,
    frontend: Frontend,
    num_steps: int,
    steps_per_epoch: int,
    progress: bool = True,
) -> None:
    """Trains all members to their ends, going on from the last step that all unfinished ones have saved.

    Each workdir then holds what `loop.fit` of that member alone leaves, which finds it finished.

    Args:
      members: at least one.
      model, frontend, num_steps, steps_per_epoch, progress: as `loop.fit` takes them.

    Raises:
      ValueError: the members' options differ in more than they may.
      KeyboardInterrupt: asked to stop, after the step reached has been saved.
      DivergedError: a member's loss is no longer finite; what was saved before stays.
    """
    check_alike([member.options for member in members])
    options = members[0].options
    if options.dropout is not None and hasattr(model, "dropout"):
        model = model.clone(dropout=options.dropout)
    with contextlib.ExitStack() as stack:
        opened = [open_member(member, stack) for member in members]
        under_way = [one for one in opened if not one.record.finished]
        if not under_way:
            return
        start = at_common_step(under_way)
        sources = [supply(one.member.train_batches(start)) for one in under_way]
        on_device, interval = bool(sources[0].on_device), options.eval_every or steps_per_epoch
        pace = paces.pace(options.log_every, interval, num_steps, on_device)
        for one in under_way:
            one.pending = list(one.record.pending)
            one.log = stack.enter_context(contextlib.closing(Log(one.member.workdir, start)))
            one.saver = stack.enter_context(Saver(one.checkpoints))
        stop = stack.enter_context(StopRequest())
        bar = stack.enter_context(progress_bar(progress, num_steps, start))
        _Population(model, frontend, options, pace, steps_per_epoch, under_way).run(sources, stop, bar)


@dataclasses.dataclass
class _Population:
    """What does not change from step to step, and the members."""

    model: nn.Module
    frontend: Frontend
    options: TrainOptions
    pace: paces.Pace
    steps_per_epoch: int
    members: Sequence[UnderWay]
    _programs: dict[int, Callable[..., Any]] = dataclasses.field(default_factory=dict)

    def run(self, sources: Sequence[Supply], stop: StopRequest, bar: tqdm.tqdm) -> None:
        """Steps until every member has finished, or a request to stop; the arrays' leading axis is [w]."""
        firsts, sent = zip(*map(peeked, sources), strict=True)
        state = self._initial(sources[0].clip_samples(firsts[0]))
        step, last, began = int(np.ravel(state.step)[0]), self.pace.num_steps, time.perf_counter()
        replicated, varied_w = parallel.replicate(state), parallel.replicate(self._varied())
        while active := [i for i, one in enumerate(self.members) if not one.record.finished]:
            count = self.pace.steps_from(step)
            batches = [next_batches(one, count, step, last) for one in sent]
            replicated, sums = self._compiled(sources[0].gather, count)(
                replicated,
                sources[0].on_device,
                jax.tree.map(lambda *leaves: np.stack(leaves, 1), *batches),
                parallel.replicate(np.isin(np.arange(len(self.members)), active)),
                varied_w,
            )
            step += count
            bar.update(count)
            self._log(step, parallel.unreplicate(sums), active)
            evaluating = self.pace.evaluates(step)
            asked = stop.asked()
            if parallel.process_count() > 1:
                asked = self.pace.logs(step) and any(parallel.gather_hosts(asked))
            if evaluating or asked:
                seconds = (time.perf_counter() - began) / len(active)
                self._keep(step, replicated, active, seconds, evaluating)
                began = time.perf_counter()
            if asked:
                raise KeyboardInterrupt(f"stopped at step {step} of {last}; it is saved")

    def _initial(self, clip_samples: int) -> states.TrainState:
        """All members' states, stacked [w]."""
        length = self.pace.num_steps, self.steps_per_epoch
        of_each = [
            initial_state(one, self.model, self.frontend, length, clip_samples) for one in self.members
        ]
        return jax.tree.map(lambda *leaves: np.stack(leaves), *of_each)

    def _log(self, step: int, sums_w: Mapping[str, np.ndarray], active: Sequence[int]) -> None:
        """Notes the sums of a call, and writes a line for each member, if it is time to."""
        for i in active:
            one = self.members[i]
            one.pending.append({name: value[i] for name, value in sums_w.items()})
            if self.pace.logs(step) and one.log is not None:
                one.log.write(step, "train", means(one.pending))
                one.pending = []

    def _keep(
        self,
        step: int,
        replicated: states.TrainState,
        active: Sequence[int],
        seconds: float,
        evaluating: bool,
    ) -> None:
        """Evaluates the members, if it is time to, and saves them."""
        state_w = parallel.unreplicate(replicated)
        for i in active:
            one, state = self.members[i], jax.tree.map(lambda leaf, i=i: leaf[i], state_w)
            options, record = one.member.options, one.record
            if evaluating:
                batches = one.member.eval_batches()
                result = evaluate(
                    self.model, self.frontend, state.variables, batches, multilabel=options.multilabel
                )
                if record.add(step, result, options):
                    one.best = state.variables
                if one.log is not None:
                    one.log.write(step, "eval", {"loss": result.loss, "accuracy": result.accuracy})
                record.finished = step == self.pace.num_steps or record.stopped_early
            record.seconds += seconds
            record.pending = [as_lists(sums) for sums in one.pending]
            if one.saver is not None:
                one.saver.save(step, dataclasses.asdict(record), state=state, best=one.best)

    def _varied(self) -> dict[str, np.ndarray]:
        """[w] of each of VARIED in which members differ; the others are compiled in, as for one network."""
        values = {name: [getattr(one.member.options, name) for one in self.members] for name in VARIED}
        return {name: np.asarray(of, np.float32) for name, of in values.items() if len(set(of)) > 1}

    def _compiled(self, gather: Callable[[Any, Any], Batch], count: int) -> Callable[..., Any]:
        if count not in self._programs:
            one_member = functools.partial(self._steps, gather=gather, count=count)
            self._programs[count] = parallel.pmap(
                functools.partial(_every_member, one_member, parallel.on_cpu()), donate=(0,)
            )
        return self._programs[count]

    def _steps(
        self,
        state: states.TrainState,
        on_device: Any,
        sent: Any,
        varied: Mapping[str, jax.Array],
        *,
        gather: Callable[[Any, Any], Batch],
        count: int,
    ) -> tuple[states.TrainState, dict[str, jax.Array]]:
        """One member's steps of a call."""
        smoothing = varied.get("label_smoothing", self.options.label_smoothing)
        return steps.train_steps(
            state,
            on_device,
            sent,
            count=count,
            gather=gather,
            model=self.model,
            frontend=self.frontend,
            optimizer=make_optimizer(self.options, self.pace.num_steps, self.steps_per_epoch, varied),
            label_smoothing=smoothing,
            multilabel=self.options.multilabel,
            precision=self.options.precision,
        )


def _every_member(
    one_member: Callable[..., Any],
    in_turn: bool,
    state_w: states.TrainState,
    on_device: Any,
    sent_w: Any,
    active_w: jax.Array,
    varied_w: Mapping[str, jax.Array],
) -> tuple[states.TrainState, dict[str, jax.Array]]:
    """The members' steps on one device; one that has finished stays as it is."""

    def step(one: tuple[Any, Any, jax.Array, Any]) -> tuple[states.TrainState, dict[str, jax.Array]]:
        state, sent, active, varied = one
        new, sums = one_member(state, on_device, sent, varied)
        return jax.tree.map(lambda after, before: jnp.where(active, after, before), new, state), sums

    members = state_w, sent_w, active_w, varied_w
    return jax.lax.map(step, members) if in_turn else jax.vmap(step)(members)
