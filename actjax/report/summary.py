"""Summarises a table of scores for the report: the best row of each unit, the spread of each layer.

Everything is a group-by in NumPy on integer codes. A *score set* is what may be compared: one view,
part, metric and options. Dense results carry the axes [set, network, layer, feature].
"""

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from actjax import lookup
from actjax.scores.files import scores_metadata
from actjax.scores.schema import codes

if TYPE_CHECKING:
    import pyarrow

TRAINED, UNTRAINED, INPUT = "trained", "untrained", "input"


class ScoreSet(NamedTuple):
    """One way of comparing: the scores within a set are on one scale."""

    view: str
    part: str
    metric: str
    options: str

    @property
    def title(self) -> str:
        """For people: 'frame view, pearson within clips'."""
        part = {"within": "within clips", "between": "between clips", "total": "total"}[self.part]
        options = "" if self.options == "{}" else f", {self.options}"
        return f"{self.view} view, {self.metric} {part}{options}"

    @property
    def slug(self) -> str:
        """For file names: 'frame_within_pearson'."""
        raw = "_".join([self.view, self.part, self.metric] + ([self.options] if self.options != "{}" else []))
        return "".join(c if c.isalnum() or c in "_-." else "" for c in raw.replace(" ", ""))


class Spread(NamedTuple):
    """The strengths of the units of each group; every array is dense over the groups.

    Attributes:
      best, median, p90: NaN where no unit is valid.
      units, valid: how many units there are, and how many have a defined score.
      unit: the index of the best unit among `Summary.units`, -1 where there is none.
    """

    best: np.ndarray
    median: np.ndarray
    p90: np.ndarray
    units: np.ndarray
    valid: np.ndarray
    unit: np.ndarray


class Units(NamedTuple):
    """One entry per (set, network, layer, feature, neuron): its best feature row."""

    set: np.ndarray
    network: np.ndarray
    layer: np.ndarray
    feature: np.ndarray
    neuron: np.ndarray
    row: np.ndarray
    score: np.ndarray
    strength: np.ndarray
    std_error: np.ndarray
    p_maxt: np.ndarray
    null_mean: np.ndarray
    null_std: np.ndarray
    ci_low: np.ndarray
    ci_high: np.ndarray


@dataclasses.dataclass(frozen=True)
class Summary:
    """What the tables and pictures are made of.

    Attributes:
      sets: the score sets, leading ones of each view first.
      networks: trained, untrained, others, input.
      layers: by depth, of all networks.
      depths: [layers].
      features: in the order of the table.
      units: the best row of each unit.
      spread: over the units of each [set, network, layer, feature].
      signed: metric -> whether its strength is |score|.
      rows: how many rows the table has.
      scores: [sets] how many of them are defined.
      recordings: how many stand behind every score set, the fewest; None where a set does not say.
    """

    sets: tuple[ScoreSet, ...]
    networks: tuple[str, ...]
    layers: tuple[str, ...]
    depths: np.ndarray
    features: tuple[str, ...]
    units: Units
    spread: Spread
    signed: dict[str, bool]
    rows: int
    scores: np.ndarray
    recordings: int | None

    @property
    def main(self) -> str:
        """The network that the report is about: the trained one where there is one."""
        return TRAINED if TRAINED in self.networks else self.networks[0]

    def scored(self, score_set: int, name: str) -> bool:
        """Whether a network has scores in a set."""
        network = self.network(name)
        return network is not None and bool(self.spread.units[score_set, network].sum())

    def leading(self) -> list[int]:
        """The index of the first set of each view."""
        views = [s.view for s in self.sets]
        return [views.index(view) for view in ("clip", "frame", "map") if view in views]

    def network(self, name: str) -> int | None:
        """The index of a network, None where it was not scored."""
        return self.networks.index(name) if name in self.networks else None

    def layers_of(self, network: int, score_set: int | None = None) -> list[int]:
        """The layers that a network has scores in, by depth."""
        units = (
            self.spread.units[:, network] if score_set is None else self.spread.units[[score_set], network]
        )
        return [int(i) for i in np.flatnonzero(units.sum(axis=(0, 2)))]

    def features_of(self, score_set: int) -> list[int]:
        """The features that occur in a set."""
        return [int(i) for i in np.flatnonzero(self.spread.units[score_set].sum(axis=(0, 1)))]

    def best_of(self, score_set: int, network: int | None, feature: int) -> int:
        """The index of the best unit of a network in any layer, -1 where there is none."""
        if network is None:
            return -1
        strengths = self.spread.best[score_set, network, :, feature]
        if np.isnan(strengths).all():
            return -1
        return int(self.spread.unit[score_set, network, np.nanargmax(strengths), feature])


def summarise(table: "pyarrow.Table") -> Summary:
    """Groups a table from `load_scores`."""
    sets, set_code = sets_of(table)
    network_code, networks = _ordered(*codes(table, "network"), key=_network_rank)
    layer_code, layer_names = codes(table, "layer")
    depth = _first(layer_code, table["depth"].to_numpy(), len(layer_names))
    order = np.argsort(depth, kind="stable")
    layer_code, layers = np.argsort(order)[layer_code], tuple(layer_names[i] for i in order)
    feature_code, features = codes(table, "feature")
    signed = {s.metric: _is_signed(s.metric) for s in sets}
    labels = [set_code, network_code, layer_code, feature_code]
    units = _best_rows(table, labels, np.array([signed[s.metric] for s in sets]))
    shape = (len(sets), len(networks), len(layers), len(features))
    group = np.ravel_multi_index((units.set, units.network, units.layer, units.feature), shape)
    return Summary(
        sets=sets,
        networks=networks,
        layers=layers,
        depths=depth[order],
        features=tuple(features),
        units=units,
        spread=spread_of(group, units.strength, shape),
        signed=signed,
        rows=len(table),
        scores=np.bincount(set_code[table["valid"].to_numpy()], minlength=len(sets)),
        recordings=_recordings(table),
    )


def spread_of(group: np.ndarray, strength: np.ndarray, shape: Sequence[int]) -> Spread:
    """The spread of `strength` in each group: codes [units] into a dense array of `shape`.

    Percentiles are interpolated linearly, as numpy.percentile does; NaN strengths are left out.
    """
    size = int(np.prod(shape))
    order = np.lexsort((strength, group))  # NaN sorts last within its group
    units = np.bincount(group, minlength=size)
    valid = np.bincount(group[~np.isnan(strength)], minlength=size)
    start = np.concatenate([[0], np.cumsum(units)[:-1]])
    ordered = strength[order]

    def at(quantile: float) -> np.ndarray:
        place = start + quantile * np.maximum(valid - 1, 0)
        low, high = np.floor(place).astype(int), np.ceil(place).astype(int)
        result = np.full(size, np.nan)
        some = valid > 0
        low, high, share = low[some], high[some], (place - np.floor(place))[some]
        result[some] = ordered[low] * (1 - share) + ordered[high] * share
        return result.reshape(shape)

    unit = np.full(size, -1)
    unit[valid > 0] = order[(start + valid - 1)[valid > 0]]
    whole = (units.reshape(shape), valid.reshape(shape), unit.reshape(shape))
    return Spread(at(1.0), at(0.5), at(0.9), *whole)


def _best_rows(table: "pyarrow.Table", labels: list[np.ndarray], signed: np.ndarray) -> Units:
    names = ("neuron", "row", "score", "std_error", "p_maxt", "null_mean", "null_std", "ci_low", "ci_high")
    numbers = {name: table[name].to_numpy() for name in names}
    neuron, score = numbers["neuron"], numbers["score"]
    strength = np.where(signed[labels[0]], np.abs(score), score).astype(np.float32)
    strength = np.where(table["valid"].to_numpy(), strength, np.nan)
    key = np.zeros(len(score), np.int64)
    for digit in (*labels, neuron):
        key = key * (int(digit.max(initial=0)) + 1) + digit
    order = np.argsort(key, kind="stable")
    columns = dict(zip(("set", "network", "layer", "feature"), labels, strict=True))
    columns |= numbers | {"strength": strength}
    if not len(order):
        return Units(**columns)
    ordered, level = key[order], np.nan_to_num(strength[order], nan=-np.inf)
    begin = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
    best = np.repeat(np.maximum.reduceat(level, begin), np.diff(np.append(begin, len(order))))
    at_best = np.flatnonzero(level == best)
    segment = np.searchsorted(begin, at_best, side="right")
    pick = order[at_best[np.concatenate([[True], segment[1:] != segment[:-1]])]]
    return Units(**{name: column[pick] for name, column in columns.items()})


def _recordings(table: "pyarrow.Table") -> int | None:
    counts = [of_set.get("recordings") for of_set in scores_metadata(table).values()]
    known = [count for count in counts if isinstance(count, int)]
    return min(known) if known and len(known) == len(counts) else None


def sets_of(table: "pyarrow.Table") -> tuple[tuple[ScoreSet, ...], np.ndarray]:
    """The score sets, leading ones first, and each row's set."""
    columns = [codes(table, name) for name in ScoreSet._fields]
    shape = [len(names) for _, names in columns]
    joint = np.ravel_multi_index([code for code, _ in columns], shape)
    present = np.flatnonzero(np.bincount(joint, minlength=int(np.prod(shape))))
    present_sets = [
        ScoreSet(*(names[i] for (_, names), i in zip(columns, digits, strict=True)))
        for digits in zip(*np.unravel_index(present, shape), strict=True)
    ]
    sets = tuple(sorted(present_sets, key=_set_rank))
    code = np.zeros(int(np.prod(shape)), int)
    code[present] = [sets.index(s) for s in present_sets]
    return sets, code[joint]


def _set_rank(s: ScoreSet) -> tuple:
    place = _declared(s.metric, "order", math.inf)
    return ("clip", "frame", "map").index(s.view), s.part == "total", s.options != "{}", place, s


def _network_rank(name: str) -> tuple:
    known = {TRAINED: 0, UNTRAINED: 1, INPUT: 3}
    return known.get(name, 2), name


def _ordered(
    code: np.ndarray, names: list[str], key: Callable[[str], Any]
) -> tuple[np.ndarray, tuple[str, ...]]:
    ordered = tuple(sorted(names, key=key))
    return np.array([ordered.index(name) for name in names] or [0])[code], ordered


def _first(code: np.ndarray, values: np.ndarray, size: int) -> np.ndarray:
    result = np.full(size, np.nan)
    result[code[::-1]] = values[::-1]
    return result


def _is_signed(metric: str) -> bool:
    """Whether a metric's sign means direction; one that is not installed here counts as signed."""
    return bool(_declared(metric, "signed", True))


def _declared(metric: str, field: str, otherwise: Any) -> Any:
    """What a metric declares of itself; `otherwise` for one that is not installed here."""
    return getattr(lookup.load("metric", metric), field) if metric in lookup.names("metric") else otherwise
