"""The members of a population: what each is trained with, and where each stands when training begins."""

import contextlib
import dataclasses
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import flax.linen as nn

from actjax import parallel
from actjax.train import state as states
from actjax.train.checkpoint import Checkpoints, Saved
from actjax.train.log import Log
from actjax.train.options import TrainOptions, make_optimizer
from actjax.train.recipe import VARIED
from actjax.train.saver import Saver
from actjax.train.supply import Supply
from actjax.train.trainer import Record
from actjax.types import Batch, Frontend
from actjax.workdir import checkpoint_files


class Member(NamedTuple):
    """One network of a population, with what `loop.fit` takes of it.

    Attributes:
      workdir: its own.
      options: its own; they differ from the other members' in `seed` and VARIED alone.
      train_batches, eval_batches: its own; their clips on the devices are the same for all.
      trackers: who is told of its curve.
    """

    workdir: Path
    options: TrainOptions
    train_batches: Callable[[int], Iterable[Batch] | Supply]
    eval_batches: Callable[[], Iterable[Batch] | Supply]
    trackers: Sequence[str] = ()


@dataclasses.dataclass
class UnderWay:
    """A member that has not finished: where it stands, and what it writes to."""

    member: Member
    checkpoints: Checkpoints
    saved: Saved | None
    record: Record = dataclasses.field(default_factory=Record)
    best: dict[str, Any] = dataclasses.field(default_factory=dict)
    log: Log | None = None
    saver: Saver | None = None
    pending: list[dict[str, Any]] = dataclasses.field(default_factory=list)


def check_alike(options: Sequence[TrainOptions]) -> None:
    """Raises ValueError where members of a population would differ in more than their seed and VARIED."""
    first = dataclasses.asdict(options[0])
    for other in map(dataclasses.asdict, options[1:]):
        differing = [name for name in first if first[name] != other[name] and name not in ("seed", *VARIED)]
        if differing:
            raise ValueError(
                f"expected members of a population to differ in seed, {', '.join(VARIED)} alone, "
                f"got others in train.{differing[0]}: {first[differing[0]]} and {other[differing[0]]}"
            )


def open_member(member: Member, stack: contextlib.ExitStack) -> UnderWay:
    """The member where its newest whole checkpoint is; closed with the stack."""
    checkpoints = Checkpoints(checkpoint_files.path_of(member.workdir))
    stack.callback(checkpoints.close)
    saved = checkpoints.newest_whole("state", "best")
    return UnderWay(member, checkpoints, saved, Record(**(saved.meta if saved else {})))


def at_common_step(under_way: Sequence[UnderWay]) -> int:
    """Puts all members where the slowest was saved; killed between two saves they are one apart."""
    start = min(one.saved.step if one.saved else 0 for one in under_way)
    if any(start not in (0, *one.checkpoints.steps()) for one in under_way):
        start = 0
    for one in under_way:
        if one.saved and one.saved.step != start:
            one.saved = one.checkpoints.read(start, "state", "best") if start else None
            one.record = Record(**(one.saved.meta if one.saved else {}))
    return start


def peeked(source: Supply) -> tuple[Any, Iterator[Any]]:
    """The first of what a supply sends, whose shapes tell the clips' length, and everything that it sends."""
    sent = iter(source.sent)
    first = next(sent)
    return first, map(parallel.shard, itertools.chain([first], sent))


def initial_state(
    one: UnderWay, model: nn.Module, frontend: Frontend, length: tuple[int, int], clip_samples: int
) -> states.TrainState:
    """The member's state, and its best variables, as they were saved or before the first step."""
    options = one.member.options
    variables = states.init_variables(model, frontend, options.seed, clip_samples)
    state = states.create(variables, make_optimizer(options, *length), options.seed)
    one.best = one.saved.items["best"] if one.saved else variables
    return one.checkpoints.fitted(one.saved, "state", like=state) if one.saved else state
