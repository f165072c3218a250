"""What launch.py runs, one file a stage: commands that claim the workdir, call a room, write and print."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from actjax.runs import Run


def refuse_nothing(run: Run) -> None:
    """Refuses nothing: a stage with this check takes whatever a valid config says."""


def foresee_nothing(run: Run) -> None:
    """Compiles nothing beforehand."""


class Stage(NamedTuple):
    """What `--stage=` names; every module of a stage exports one as `stage`.

    Attributes:
      name: as on the command line.
      check_options: run -> None; refuses options in one line, before any stage of the command works.
      check: run -> None; refuses what the prepared data cannot support, before anything is computed.
      run: run -> the files written.
      foresee: run -> None; compiles, once the data are prepared, what `run` will need after other stages. It
        may be called in a thread, and is called for its effect on JAX alone: what it raises, `run` raises.
    """

    name: str
    check_options: Callable[[Run], None]
    check: Callable[[Run], None]
    run: Callable[[Run], list[Path]]
    foresee: Callable[[Run], None] = foresee_nothing
