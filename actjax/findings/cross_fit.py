"""Cross-fits the scores of every network of one training seed, and their nulls."""

import dataclasses
import functools
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from actjax import beside
from actjax.findings import networks
from actjax.findings.claims import CLAIMS
from actjax.findings.claims.claim import Claim, Comparison, Shared
from actjax.findings.claims.setting import Setting
from actjax.findings.claims.sides import Side, Sides
from actjax.findings.cross_fitting import clip_sums, effects, selection
from actjax.findings.observe import INPUT
from actjax.statistics import controls
from actjax.workdir.piece_log import PieceLog

ROTATED = "rotated"
KINDS = ("trained", "untrained", "shuffled", "labels", ROTATED, INPUT)


class Result(NamedTuple):
    """One claim on one training seed.

    Attributes:
      claim: which.
      scores: kind of network -> [members, 1 + r] cross-fitted score and bootstrap draws.
      chosen: of the trained network.
      halves: [s, 2, n, k] its rows' scores on the halves.
      null: [1 + r] its score under every rearrangement, the observed first.
      every: [1 + r, n, c] its candidates on all clips under every rearrangement.
      layers: the layer of each candidate [n].
      all_units: the score of ridge regression from all units; None where there is none.
    """

    claim: Claim
    scores: Mapping[str, np.ndarray]
    chosen: selection.CrossFitted
    halves: np.ndarray
    null: np.ndarray
    every: np.ndarray
    layers: np.ndarray
    all_units: float | None


def score(
    sides: Sides,
    setting: Setting,
    rotations: int,
    computed: "Computed | None" = None,
    memory_bytes: int = 2**30,
) -> tuple[list[Result], list[str]]:
    """Every claim that can be tested, and a line for each layer where one cannot.

    Args:
      sides: of all networks.
      setting: of the test.
      rotations: how many rotations of the trained network's channels there are.
      computed: see `Computed`.
      memory_bytes: what testing the claims of a comparison may hold on a device.
    """
    computed = computed or Computed()

    def of_comparison(comparison: Comparison) -> tuple[list[Result], list[str]]:
        ready, why = _prepared(comparison, sides.networks[comparison.role], setting)
        of_input, _ = _prepared(comparison, sides.input[comparison.role], setting)
        if not ready:
            return [], why
        claims = [claim for claim in CLAIMS if claim.comparison == comparison]
        members = _members(comparison, ready, of_input, setting, rotations)
        return _compared(claims, ready, members, setting, computed), why

    comparisons = dict.fromkeys(claim.comparison for claim in CLAIMS)
    works = [functools.partial(of_comparison, comparison) for comparison in comparisons]
    results, reasons = zip(*beside.in_order(works, memory_bytes), strict=True)
    in_order = sorted(itertools.chain(*results), key=lambda result: CLAIMS.index(result.claim))
    return in_order, list(itertools.chain(*reasons))


class Computed:
    """What was computed before, by key, and what is computed now; without a log nothing is kept."""

    def __init__(self, log: PieceLog | None = None) -> None:
        self._log = log

    def get(self, key: str, make: Callable[[], dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
        """The arrays of a key, made if they are not there."""
        before = self._log.take(key) if self._log else None
        if before is not None:
            return before.arrays
        arrays = {name: np.asarray(value) for name, value in make().items()}
        if self._log:
            self._log.add(key, arrays)
        return arrays


def _prepared(comparison: Comparison, sides: Sequence[Side], setting: Setting) -> tuple[list[Any], list[str]]:
    prepared = [comparison.prepare(side, setting) for side in sides]
    return [p for p in prepared if not isinstance(p, str)], [p for p in prepared if isinstance(p, str)]


@dataclasses.dataclass(eq=False)
class _Member:
    """One network, rotation or the input: its layers' sides and, once asked for, their tables of all rows."""

    name: str
    layers: list[Any]
    make: Callable[[], list[clip_sums.Table]]

    @functools.cached_property
    def tables(self) -> list[clip_sums.Table]:
        """The sums in each clip of all rows, by layer."""
        return self.make()


def _members(
    comparison: Comparison, layers: list[Any], of_input: list[Any], setting: Setting, rotations: int
) -> Iterator[_Member]:
    def tables_of(name: str, of_member: list[Any]) -> Callable[[], list[clip_sums.Table]]:
        return lambda: [comparison.table(ready, ready.side.x[name]) for ready in of_member]

    for name in layers[0].side.x:
        yield _Member(name, layers, tables_of(name, layers))
    turns = [
        controls.rotations(setting.seed + i, ready.side.x["trained"].shape[2], rotations)
        for i, ready in enumerate(layers)
    ]
    of_layers = (comparison.rotated(*one) for one in zip(layers, turns, strict=True))
    turned = _Turned(zip(*of_layers, strict=True))
    for q in range(rotations):
        yield _Member(f"{ROTATED}-{q}", layers, functools.partial(turned.tables, q))
    if of_input:
        yield _Member(INPUT, of_input, tables_of(INPUT, of_input))


class _Turned:
    """The tables of all layers under each rotation, made in order; those nobody asks for are passed over."""

    def __init__(self, every: Iterator[tuple[clip_sums.Table, ...]]) -> None:
        self._every, self._next = every, 0

    def tables(self, q: int) -> list[clip_sums.Table]:
        """Those of rotation q; every later call asks for a later one."""
        passed, self._next = q - self._next, q + 1
        return list(next(itertools.islice(self._every, passed, None)))


def _compared(
    claims: Sequence[Claim],
    ready: list[Any],
    members: Iterator[_Member],
    setting: Setting,
    computed: Computed,
) -> list[Result]:
    """Each claim's score of every member; the trained network's beside its null."""
    lines: dict[str, dict[str, list[np.ndarray]]] = {claim.name: {} for claim in claims}
    trained: dict[str, dict[str, np.ndarray]] = {}
    predictions: dict[str, clip_sums.Table] = {}
    for member in members:
        kind = networks.kind_of(member.name)
        for claim in (c for c in claims if kind != INPUT or c.of_input):
            make = functools.partial(_line, claim, member, setting, predictions)
            arrays = computed.get(f"{claim.name}.{member.name}", make)
            lines[claim.name].setdefault(kind, []).append(arrays["line"])
            if member.name == "trained":
                trained[claim.name] = arrays
    shared: Shared = {}
    results = []
    for claim in claims:
        chosen = trained[claim.name]
        of_null = computed.get(f"{claim.name}.null", functools.partial(_null, claim, ready, setting, shared))
        result = Result(
            claim=claim,
            scores={kind: np.stack(of_kind) for kind, of_kind in lines[claim.name].items()},
            chosen=selection.CrossFitted(
                float(chosen["score"]), chosen["scores"], chosen["chosen"], chosen["sign"]
            ),
            halves=chosen["halves"],
            every=of_null["every"],
            null=of_null["null"],
            layers=np.concatenate([np.full(r.side.x["trained"].shape[2], r.side.layer) for r in ready]),
            all_units=float(of_null["all_units"][0]) if len(of_null["all_units"]) else None,
        )
        results.append(result)
    return results


def _line(
    claim: Claim, member: _Member, setting: Setting, predictions: dict[str, clip_sums.Table]
) -> dict[str, np.ndarray]:
    """A claim's score of a member and its bootstrap draws, [1 + r]; of the trained one what was chosen."""
    table = _table(claim, member, setting, predictions)
    score = effects.cross_fitted(table, claim.candidates, setting.halves, setting.weights)
    line = {"line": np.concatenate([[score.value], score.draws])}
    if member.name == "trained":
        line |= {name: np.asarray(value) for name, value in score.chosen._asdict().items()}
        line["halves"] = _on_halves(table, setting)
    return line


def _table(
    claim: Claim, member: _Member, setting: Setting, predictions: dict[str, clip_sums.Table]
) -> clip_sums.Table:
    """The claim's sums over all layers; rotations know what the trained layer knows."""
    pairs = zip(member.layers, member.tables, strict=True)
    table = clip_sums.join([claim.select(ready, every, claim) for ready, every in pairs])
    if claim.predicted is None:
        return table
    [ready] = member.layers
    name = "trained" if member.name.startswith(ROTATED) else member.name
    if name not in predictions:
        predictions[name] = claim.predicted(ready, claim, ready.side.x[name], setting)
    return table._replace(known=predictions[name])


def _on_halves(table: clip_sums.Table, setting: Setting) -> np.ndarray:
    shape = setting.halves.shape
    scores = clip_sums.scores(table, setting.halves.reshape(-1, shape[2]))
    return scores.reshape(*shape[:2], *scores.shape[1:])


def _null(claim: Claim, layers: list[Any], setting: Setting, shared: Shared) -> dict[str, np.ndarray]:
    """The claim under every rearrangement: its score "null" [1 + r], all candidates "every" [1 + r, n, c].

    Beside them "all_units" [1], the score of ridge regression from all units; [0] where there is none.
    """
    rhnk = np.concatenate([claim.null(ready, claim, setting, shared) for ready in layers], axis=2)
    candidates = claim.tested.combine(rhnk, None, effects.LEAST_KNOWN)
    shape = (len(candidates), *setting.halves.shape[:2], *candidates.shape[2:])
    null = effects.null_values(candidates[:, :-1].reshape(shape), signed=claim.tested.signed)
    all_units = claim.all_units(layers, claim, setting, shared)
    some = np.asarray([] if all_units is None else [all_units])
    return {"null": null, "every": candidates[:, -1], "all_units": some}
