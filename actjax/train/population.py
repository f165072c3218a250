"""Trains several networks of one architecture in one compiled program, each as it would be trained alone.

Members differ in their seed, and in what of VARIED they are given; each has its own order of the clips,
dropout, early stopping, checkpoints and curve. How the members take a step stands in member_steps.py.
"""

import contextlib
import dataclasses
import time
from collections.abc import Mapping, Sequence

import flax.linen as nn
import tqdm

from actjax import parallel
from actjax.interruption import StopRequest
from actjax.train import kept
from actjax.train import state as states
from actjax.train.evaluation import evaluate
from actjax.train.log import Log, progress_bar
from actjax.train.member_steps import InTurn, Vmapped
from actjax.train.members import (
    Member,
    UnderWay,
    at_common_step,
    check_alike,
    initial_state,
    open_member,
    peeked,
)
from actjax.train.recipe import Recipe, Sums, recipe_of, varied
from actjax.train.saver import Saver
from actjax.train.supply import Supply, supply
from actjax.train.trainer import as_lists, means, next_batches
from actjax.types import Frontend


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
        on_device = bool(sources[0].on_device)
        for one in under_way:
            one.pending = list(one.record.pending)
            one.log = stack.enter_context(
                contextlib.closing(Log(one.member.workdir, start, one.member.trackers))
            )
            one.saver = stack.enter_context(Saver(one.checkpoints, kept.open_kept(one.member.workdir)))
        stop = stack.enter_context(StopRequest())
        bar = stack.enter_context(progress_bar(progress, num_steps, start))
        recipe = recipe_of(model, frontend, options, num_steps, steps_per_epoch, on_device)
        _Population(recipe, under_way).run(sources, stop, bar)


@dataclasses.dataclass
class _Population:
    """What does not change from step to step, and the members."""

    recipe: Recipe
    members: Sequence[UnderWay]

    def run(self, sources: Sequence[Supply], stop: StopRequest, bar: tqdm.tqdm) -> None:
        """Steps until every member has finished, or a request to stop."""
        firsts, sent = zip(*map(peeked, sources), strict=True)
        states_w = self._initial(sources[0].clip_samples(firsts[0]))
        pace, step = self.recipe.pace, int(states_w[0].step)
        last, began = pace.num_steps, time.perf_counter()
        stepping = (InTurn if parallel.on_cpu() else Vmapped)(
            self.recipe, states_w, [varied(one.member.options) for one in self.members], sources[0]
        )
        while active := [i for i, one in enumerate(self.members) if not one.record.finished]:
            count = pace.steps_from(step)
            sums_w = stepping.steps(count, [next_batches(one, count, step, last) for one in sent], active)
            step += count
            bar.update(count)
            self._log(step, sums_w)
            evaluating = pace.evaluates(step)
            asked = stop.asked()
            if parallel.process_count() > 1:
                asked = pace.logs(step) and any(parallel.gather_hosts(asked))
            if evaluating or asked:
                seconds = (time.perf_counter() - began) / len(active)
                for i in active:
                    self._keep(step, self.members[i], stepping.state(i), evaluating, seconds)
                began = time.perf_counter()
            if asked:
                raise KeyboardInterrupt(f"stopped at step {step} of {last}; it is saved")

    def _initial(self, clip_samples: int) -> list[states.TrainState]:
        """Every member's state, as it was saved or before the first step."""
        recipe, length = self.recipe, (self.recipe.pace.num_steps, self.recipe.steps_per_epoch)
        return [
            initial_state(one, recipe.model, recipe.frontend, length, clip_samples) for one in self.members
        ]

    def _log(self, step: int, sums_w: Mapping[int, Sums]) -> None:
        """Notes the sums of the members that took a call, and writes a line for each, if it is time to."""
        for i, sums in sums_w.items():
            one = self.members[i]
            one.pending.append(sums)
            if self.recipe.pace.logs(step) and one.log is not None:
                one.log.write(step, "train", means(one.pending))
                one.pending = []

    def _keep(
        self, step: int, one: UnderWay, state: states.TrainState, evaluating: bool, seconds: float
    ) -> None:
        """Evaluates a member, if it is time to, and saves it."""
        options, record, recipe = one.member.options, one.record, self.recipe
        if evaluating:
            batches = one.member.eval_batches()
            result = evaluate(
                recipe.model, recipe.frontend, state.variables, batches, multilabel=options.multilabel
            )
            if record.add(step, result, options):
                one.best = state.variables
            if one.log is not None:
                one.log.write(step, "eval", {"loss": result.loss, "accuracy": result.accuracy})
            record.finished = step == recipe.pace.num_steps or record.stopped_early
        record.seconds += seconds
        record.pending = [as_lists(sums) for sums in one.pending]
        if one.saver is not None:
            keep = state.variables if evaluating and record.keeps(options.keep) else None
            one.saver.save(step, dataclasses.asdict(record), keep=keep, state=state, best=one.best)
