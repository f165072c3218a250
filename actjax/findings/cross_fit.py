"""Cross-fits the scores of every network of one training seed, and their nulls."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from actjax.findings import networks
from actjax.findings.claims import CLAIMS
from actjax.findings.claims.claim import Claim, Comparison, Shared
from actjax.findings.claims.setting import Setting
from actjax.findings.claims.sides import Side, Sides
from actjax.findings.cross_fitting import clip_sums, effects, selection
from actjax.findings.observe import INPUT
from actjax.statistics import controls

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


def score(sides: Sides, setting: Setting, rotations: int) -> tuple[list[Result], list[str]]:
    """Every claim that can be tested, and a line for each layer where one cannot."""
    results, reasons = [], []
    for comparison in dict.fromkeys(claim.comparison for claim in CLAIMS):
        ready, why = _prepared(comparison, sides.networks[comparison.role], setting)
        of_input, _ = _prepared(comparison, sides.input[comparison.role], setting)
        reasons += why
        if ready:
            claims = [claim for claim in CLAIMS if claim.comparison == comparison]
            members = _members(comparison, ready, of_input, setting, rotations)
            results += _compared(claims, ready, members, setting)
    return sorted(results, key=lambda result: CLAIMS.index(result.claim)), reasons


def _prepared(comparison: Comparison, sides: Sequence[Side], setting: Setting) -> tuple[list[Any], list[str]]:
    prepared = [comparison.prepare(side, setting) for side in sides]
    return [p for p in prepared if not isinstance(p, str)], [p for p in prepared if isinstance(p, str)]


class _Member(NamedTuple):
    """One network, rotation or the input: its layers' sides and their tables of all rows."""

    name: str
    layers: list[Any]
    tables: list[clip_sums.Table]


def _members(
    comparison: Comparison, layers: list[Any], of_input: list[Any], setting: Setting, rotations: int
) -> Iterator[_Member]:
    for name in layers[0].side.x:
        yield _Member(name, layers, [comparison.table(ready, ready.side.x[name]) for ready in layers])
    turned = []
    for i, ready in enumerate(layers):
        channels = ready.side.x["trained"].shape[2]
        turned.append(comparison.rotated(ready, controls.rotations(setting.seed + i, channels, rotations)))
    for q, tables in enumerate(zip(*turned, strict=True)):
        yield _Member(f"{ROTATED}-{q}", layers, list(tables))
    if of_input:
        yield _Member(INPUT, of_input, [comparison.table(ready, ready.side.x[INPUT]) for ready in of_input])


def _compared(
    claims: Sequence[Claim], ready: list[Any], members: Iterator[_Member], setting: Setting
) -> list[Result]:
    """Each claim's score of every member; the trained network's beside its null."""
    lines: dict[str, dict[str, list[np.ndarray]]] = {claim.name: {} for claim in claims}
    trained, predictions = {}, {}
    for member in members:
        kind = networks.kind_of(member.name)
        for claim in (c for c in claims if kind != INPUT or c.of_input):
            table = _table(claim, member, setting, predictions)
            score = effects.cross_fitted(table, claim.candidates, setting.halves, setting.weights)
            line = np.concatenate([[score.value], score.draws])
            lines[claim.name].setdefault(kind, []).append(line)
            if member.name == "trained":
                trained[claim.name] = score.chosen, _on_halves(table, setting)
    layers = np.concatenate([np.full(r.side.x["trained"].shape[2], r.side.layer) for r in ready])
    shared: Shared = {}
    nulls = [(claim, _null(claim, ready, setting, shared)) for claim in claims]
    return [
        Result(
            claim=claim,
            scores={kind: np.stack(of_kind) for kind, of_kind in lines[claim.name].items()},
            chosen=trained[claim.name][0],
            halves=trained[claim.name][1],
            every=every,
            null=null,
            layers=layers,
            all_units=claim.all_units(ready, claim, setting, shared),
        )
        for claim, (null, every) in nulls
    ]


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


def _null(claim: Claim, layers: list[Any], setting: Setting, shared: Shared) -> tuple[np.ndarray, np.ndarray]:
    """[1 + r] the cross-fitted score and [1 + r, n, c] all candidates under every rearrangement."""
    rhnk = np.concatenate([claim.null(ready, claim, setting, shared) for ready in layers], axis=2)
    candidates = claim.tested.combine(rhnk, None, effects.LEAST_KNOWN)
    shape = (len(candidates), *setting.halves.shape[:2], *candidates.shape[2:])
    null = effects.null_values(candidates[:, :-1].reshape(shape), signed=claim.tested.signed)
    return null, candidates[:, -1]
