"""Both sides of a comparison, kept on disk for the metrics and the nulls that need all of them at once."""

import contextlib
import math
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np

from actjax import parallel
from actjax.activations.comparisons import Problem
from actjax.scoring import rates
from actjax.scoring.tasks import spans
from actjax.similarity import sizes
from actjax.similarity.kernel import pairwise
from actjax.similarity.store import ObservationStore
from actjax.types import Context, Metric

# Bound on the observations that are read back from disk at a time.
COLUMN_BYTES = 256 * 2**20


class Place(NamedTuple):
    """How far the observations of one problem are, as `Observations.saved` tells it.

    Attributes:
      blocks: of each store, the networks' and then the rows', the lengths of its blocks.
      neuron_shape, row_shape: as Observations has them.
      clips, folds: [b] of the clips that were added.
    """

    blocks: tuple[tuple[int, ...], ...]
    neuron_shape: tuple[int, ...]
    row_shape: tuple[int, ...]
    clips: np.ndarray
    folds: np.ndarray


class Observations:
    """The neurons of each network and the feature rows of one problem, over all clips.

    Every clip keeps all its observations; a feature row is NaN where it is not valid.

    Attributes:
      problem: whose sides these are.
      clips: [b] which clip of the split each one is, once `finish` was called.
      neuron_shape, row_shape: of one clip's observations of a neuron and of a feature row: (o,), or bands x
        frames of images.
    """

    def __init__(
        self,
        problem: Problem,
        networks: int,
        folder: Path,
        stack: contextlib.ExitStack,
        place: "Place | None" = None,
    ):
        """Begins, or goes on from a `place` where earlier ones of the same problem were saved.

        Raises:
          OSError: the files lack what the place says that they hold.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self.problem = problem
        self.neuron_shape: tuple[int, ...] = ()
        self.row_shape: tuple[int, ...] = ()
        name = problem.name.replace("/", "_")
        blocks = iter(place.blocks if place else [None] * (networks + 1))

        def store(side: str, columns: int) -> ObservationStore:
            return stack.enter_context(
                ObservationStore(folder / f"{name}.{side}", columns, blocks=next(blocks))
            )

        self._neurons = [store(str(i), problem.neurons) for i in range(networks)]
        self._held = sum(f.rows for f in problem.nuisances)
        self._rows = store("rows", len(problem.rows) + self._held)
        self._clips: list[np.ndarray] = []
        self._folds: list[np.ndarray] = []
        if place is not None:
            self.neuron_shape, self.row_shape = place.neuron_shape, place.row_shape
            self._clips, self._folds = [place.clips], [place.folds]

    def saved(self) -> "Place":
        """Writes all that was added to the disk itself, and tells how to go on from there."""
        blocks = tuple(tuple(store.saved()) for store in (*self._neurons, self._rows))
        clips, folds = np.concatenate(self._clips), np.concatenate(self._folds)
        return Place(blocks, self.neuron_shape, self.row_shape, clips, folds)

    def add(
        self,
        x: jax.Array,
        y: jax.Array,
        valid: jax.Array,
        mask: jax.Array,
        context: Mapping[str, jax.Array],
    ) -> None:
        """Adds a batch: x [d, networks, b, o, n], y [d, b, o, k], valid [d, b, o], mask [d, b].

        In the map view x [d, networks, b, n, f, t], y [d, b, k, rows, t] and valid [d, b, t].
        """
        real = parallel.unshard(mask)
        rows, defined = self._columns_last(parallel.unshard(y)), parallel.unshard(valid)
        defined = defined.reshape(len(rows), *(1,) * (rows.ndim - 3), -1, 1)
        rows = np.where(defined, rows, np.float32(np.nan))[real]
        self.row_shape = rows.shape[1:-1]
        self._rows.append(rows.reshape(-1, rows.shape[-1]))
        # On the host at once: a slice on the devices would be a program.
        x_dwb = parallel.to_host(x)
        for i, store in enumerate(self._neurons):
            neurons = self._columns_last(np.concatenate(x_dwb[:, i])[real])
            self.neuron_shape = neurons.shape[1:-1]
            store.append(neurons.reshape(-1, neurons.shape[-1]))
        self._clips.append(parallel.unshard(context["clip"])[real])
        self._folds.append(parallel.unshard(context["fold"])[real])

    def _columns_last(self, values: np.ndarray) -> np.ndarray:
        return np.moveaxis(values, 1, -1) if self.problem.view == "map" else values

    @property
    def per_clip(self) -> int:
        """Observations of a clip, the same for neurons and rows wherever both are taken as vectors."""
        return math.prod(self.neuron_shape)

    def finish(self) -> None:
        """Ends the adding; brings together which clips all processes hold."""
        self.clips = _gathered(np.concatenate(self._clips))
        self.folds = _gathered(np.concatenate(self._folds))

    def rows(self) -> np.ndarray:
        """[k, b * o] the feature rows, NaN where invalid."""
        return _gathered(self._rows.read(0, len(self.problem.rows)), axis=1)

    def nuisances(self) -> np.ndarray | None:
        """[b * o, q] the rows to be held fixed, or None."""
        if not self._held:
            return None
        k = len(self.problem.rows)
        return _gathered(self._rows.read(k, k + self._held), axis=1).T

    def neurons(self, network: int, start: int, stop: int) -> np.ndarray:
        """[stop - start, b * o] some neurons of a network."""
        return _gathered(self._neurons[network].read(start, stop), axis=1)

    def groups(self, rows: np.ndarray, level: str = "row") -> list[tuple[np.ndarray, list[list[int]]]]:
        """Rows that are valid in the same places: (valid [b * o], lists of rows to be scored together)."""
        pieces = spans(self.problem) if level == "feature" else [(j, j + 1) for j in range(len(rows))]
        by_mask: dict[bytes, list[list[int]]] = {}
        for start, stop in pieces:
            valid = np.isfinite(rows[start:stop]).all(axis=0)
            by_mask.setdefault(valid.tobytes(), []).append(list(range(start, stop)))
        joined = [(np.frombuffer(mask, bool), members) for mask, members in by_mask.items()]
        if level == "feature":
            return joined
        return [(valid, [sum(members, [])]) for valid, members in joined]

    def tiles(self, bytes_at_a_time: int = COLUMN_BYTES) -> list[tuple[int, int]]:
        """(start, stop) of neurons that may be read at a time."""
        n = self.problem.neurons
        step = max(1, min(n, bytes_at_a_time // max(4 * len(self.clips) * self.per_clip, 1)))
        return [(first, min(first + step, n)) for first in range(0, n, step)]

    def score(self, metric: Metric, network: int) -> dict[str, np.ndarray]:
        """Computes the scores [n, k] of a metric over all observations."""
        rows = self.rows()
        clips, folds = (np.repeat(ids, self.per_clip) for ids in (self.clips, self.folds))
        context = Context(clip_ids_o=clips, folds_o=folds, nuisance_oq=self.nuisances())
        whole = metric.level == "feature"
        columns = len(self.problem.features) if whole else len(rows)
        starts = [start for start, _ in spans(self.problem)]
        out: dict[str, np.ndarray] = {}
        for first, stop in self.tiles():
            x = self.neurons(network, first, stop)
            for valid, calls in self.groups(rows, metric.level):
                for together in calls:
                    y = np.where(valid, rows[together], np.float32(0))
                    scores = _scores(metric, x, y, valid, context)
                    scores["n_observations"] = np.full(scores["score"].shape, valid.sum(), np.int64)
                    place = [starts.index(together[0])] if whole else together
                    _place(out, scores, (self.problem.neurons, columns), first, place)
        return out | {"valid": ~np.isnan(out["score"])}


def _scores(
    metric: Metric, x_no: np.ndarray, y_ko: np.ndarray, valid: np.ndarray, context: Context
) -> dict[str, np.ndarray]:
    """{output: [n, k]}, by a program that other numbers of neurons and rows share if that costs little."""
    n, k = len(x_no), len(y_ko)
    wide_n, wide_k = sizes.roomy(n), k if metric.level == "feature" else sizes.roomy(k)
    padding = [rates.seconds(metric, *size, x_no.shape[1]) for size in ((wide_n, wide_k), (n, k))]
    if padding[0] - padding[1] <= rates.padding_seconds():
        x_no, y_ko = sizes.widened(x_no, (wide_n,)), sizes.widened(y_ko, (wide_k,))
    scores = jax.device_get(pairwise(metric, x_no, y_ko, valid, context, neurons_first=True))
    return {name: values[:n, :k].copy() for name, values in scores.items()}


def _place(
    out: dict[str, np.ndarray],
    scores: Mapping[str, np.ndarray],
    shape: tuple[int, int],
    first: int,
    columns: list[int],
) -> None:
    """Writes a tile's scores, from neuron `first` on, into arrays of all pairs, [n, k]."""
    for name, value in scores.items():
        whole = out.setdefault(name, np.full(shape, np.nan if value.dtype.kind == "f" else 0, value.dtype))
        whole[first : first + len(value), columns] = value


def _gathered(array: np.ndarray, axis: int = 0) -> np.ndarray:
    """Joins what all processes hold, one after another."""
    return np.concatenate(parallel.gather_hosts(array), axis=axis)
