"""Goes on with a score run that was stopped: the state of its pass over the clips, tasks scored after it."""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from actjax import costs, parallel
from actjax.interruption import StopRequest
from actjax.scoring.observations import Place
from actjax.statistics import families
from actjax.workdir.piece_log import PieceLog
from actjax.workdir.pieces import Pace, Piece, Pieces

# A state is written beside the one before it: not all processes may have written the newest.
_GENERATIONS = ("pass-0", "pass-1")


class Stand(NamedTuple):
    """How far a stack of comparisons is, or the observations of one.

    Attributes:
      state: the leaves of a stack's accumulators, [d, items, ...] each; none of observations.
      place: how far the observations are; None of a stack.
    """

    state: list[np.ndarray]
    place: Place | None


class PassPieces:
    """The states of a pass over the clips, of this process."""

    def __init__(self, pieces: Pieces) -> None:
        """Those among the pieces of a run."""
        self._pieces, self._pace, self._newest = pieces, Pace(), 0

    @property
    def folder(self) -> Path:
        """Where the observations lie that the states go with."""
        return self._pieces.folder / "observations"

    def newest(self) -> tuple[int, list[Stand]]:
        """Batches done and the stands, by the newest state of all processes; or (0, [])."""
        states = [self._pieces.read(name) for name in _GENERATIONS]
        steps = [-1 if state is None else int(state.note["step"]) for state in states]
        of_all = json_of_all(steps)
        common = set.intersection(*map(set, of_all)) - {-1}
        if not common:
            return 0, []
        step = max(common)
        self._newest = steps.index(step)
        state = states[self._newest]
        return step, [] if state is None else _stands(state)

    def after_batch(self, step: int, last: int, stop: StopRequest, stands: Callable[[], list[Stand]]) -> None:
        """Writes the state if it is time to; every process calls it after every batch.

        Args:
          step: batches done.
          last: batches in all.
          stop: asked to, it writes the state and stops.
          stands: () -> every comparison's Stand.

        Raises:
          KeyboardInterrupt: this process or another was asked to stop.
        """
        due, asked = step == last or self._pace.due(), stop.asked()
        if parallel.process_count() > 1:
            due, asked = (any(of_all) for of_all in zip(*json_of_all([due, asked]), strict=True))
        if not (due or asked):
            return
        began = time.monotonic()
        self._newest = 1 - self._newest
        with costs.section("keeping"):
            arrays, note = _flat(stands())
            self._pieces.write(_GENERATIONS[self._newest], arrays, {"step": step, "stands": note})
        self._pace.took(time.monotonic() - began)
        if asked:
            raise KeyboardInterrupt(f"stopped after {step} of {last} batches; it is saved")


class TaskPieces:
    """The outputs of scored tasks by key, of this process."""

    def __init__(self, pieces: Pieces) -> None:
        """Those that all processes have, of an earlier call of the program."""
        self._log = PieceLog(pieces, "tasks")
        self._log.retain(set.intersection(*map(set, json_of_all(self._log.keys()))))

    def take(self, key: str) -> dict[str, Any] | None:
        """The outputs of a task that was scored before; None of one that was not."""
        piece = self._log.take(key)
        if piece is None:
            return None
        outputs: dict[str, Any] = {k: v for k, v in piece.arrays.items() if not k.startswith("null.")}
        if piece.note["null"] is not None:
            members = enumerate(piece.note["null"])
            outputs["null"] = [(at, _dense(piece.arrays, f"null.{i}.")) for i, at in members]
        return outputs

    def add(self, key: str, outputs: Mapping[str, Any]) -> None:
        """Keeps the outputs of a task; on disk in a while."""
        arrays = {name: np.asarray(value) for name, value in outputs.items() if name != "null"}
        columns = None
        if "null" in outputs:
            columns = [[int(column) for column in at] for at, _ in outputs["null"]]
            for i, (_, null) in enumerate(outputs["null"]):
                arrays |= {f"null.{i}.{name}": value for name, value in _sparse(null).items()}
        with costs.section("keeping"):
            self._log.add(key, arrays, {"null": columns})

    def flush(self) -> None:
        """Writes what waits."""
        with costs.section("keeping"):
            self._log.flush()


def json_of_all(value: Any) -> list[Any]:
    """What JSON can hold, of every process."""
    return [json.loads(one) for one in parallel.gather_bytes(json.dumps(value).encode())]


def _flat(stands: Sequence[Stand]) -> tuple[dict[str, np.ndarray], list[Any]]:
    arrays: dict[str, np.ndarray] = {}
    note: list[Any] = []
    for i, (state, place) in enumerate(stands):
        arrays |= {f"{i}.state.{j}": leaf for j, leaf in enumerate(state)}
        if place is not None:
            arrays |= {f"{i}.clips": place.clips, f"{i}.folds": place.folds}
        note.append({"leaves": len(state), "place": place and place[:3]})
    return arrays, note


def _stands(piece: Piece) -> list[Stand]:
    stands = []
    for i, one in enumerate(piece.note["stands"]):
        state, place = [piece.arrays[f"{i}.state.{j}"] for j in range(one["leaves"])], None
        if one["place"] is not None:
            blocks, neuron_shape, row_shape = one["place"]
            of_clips = piece.arrays[f"{i}.clips"], piece.arrays[f"{i}.folds"]
            place = Place(tuple(map(tuple, blocks)), tuple(neuron_shape), tuple(row_shape), *of_clips)
        stands.append(Stand(state, place))
    return stands


def _sparse(null: families.Null) -> dict[str, np.ndarray]:
    """A null's arrays; of its histogram, most of which is empty, the bins that are not."""
    arrays = {name: np.asarray(value) for name, value in null._asdict().items() if name != "counts"}
    bins = np.flatnonzero(null.counts)
    return arrays | {"bins": bins, "in_bins": np.asarray(null.counts)[bins]}


def _dense(values: Mapping[str, np.ndarray], start: str) -> families.Null:
    arrays = {name: values[f"{start}{name}"] for name in families.Null._fields if name != "counts"}
    in_bins = values[f"{start}in_bins"]
    counts = np.zeros(families.BINS, in_bins.dtype)
    counts[values[f"{start}bins"]] = in_bins
    return families.Null(**arrays, counts=counts)
