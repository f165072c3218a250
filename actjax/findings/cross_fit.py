"""From the sides of one training seed to the cross-fitted scores of every network, and their nulls."""

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from actjax.data import loader
from actjax.findings import clip_sums, effects, networks, ridge, selection, trained
from actjax.findings import targets as findings_targets
from actjax.findings.observe import INPUT, Side, Sides
from actjax.findings.targets import PARTS, ROLES, Part, Target
from actjax.statistics import bootstrap, controls, permutations

ROTATED = "rotated"
KINDS = ("trained", "untrained", "shuffled", "labels", ROTATED, INPUT)


@dataclasses.dataclass(frozen=True, eq=False)
class Setting:
    """What all networks share: the same halves, weights and rearrangements of recordings.

    They depend on the data's seed alone, so that training seeds share them too.
    """

    halves: np.ndarray
    weights: np.ndarray
    draws: permutations.Draws
    folds: np.ndarray
    class_b: np.ndarray | None
    seed: int

    @property
    def every_half(self) -> np.ndarray:
        """[2 s + 1, b] all halves, and all clips last."""
        clips = self.halves.shape[2]
        return np.concatenate([self.halves.reshape(-1, clips), np.ones((1, clips), bool)])


@dataclasses.dataclass(frozen=True, eq=False)
class Found:
    """One part on one training seed.

    Attributes:
      part: which.
      scores: kind of network -> [members, 1 + r] cross-fitted score and bootstrap draws.
      chosen: of the trained network.
      null: [1 + r] the trained network's score under every rearrangement, the observed first.
      every: [1 + r, n, c] its candidates on all clips under every rearrangement.
      halves: [s, 2, n, k] its rows' scores on the halves.
      layers: the layer of each candidate [n].
      ceiling: the score of ridge regression from all units; None where there is none.
    """

    part: Part
    scores: Mapping[str, np.ndarray]
    chosen: selection.CrossFitted
    null: np.ndarray
    every: np.ndarray
    halves: np.ndarray
    layers: np.ndarray
    ceiling: float | None


def settings(options: Any, source: loader.Source, seed: int) -> Setting:
    """The shared halves, weights and rearrangements.

    Raises:
      StatisticsError: too few recordings or replicates; one line that says how many.
    """
    recordings, classes = source.recording_ids, None if source.multi_label else source.labels
    drawn = {"replicates": options.replicates, "seed": seed, "level": 0.05 / 4}
    if classes is None:
        draws = permutations.unrestricted(recordings, **drawn)
    else:
        names = source.class_names
        draws = permutations.within_class(recordings, classes.tolist(), class_names=names, **drawn)
    halves = selection.split_halves(recordings, classes, splits=options.splits, seed=seed)
    weights = bootstrap.poisson_weights(recordings, replicates=options.bootstrap, seed=seed)
    folds = ridge.recording_folds(recordings, seed=seed)
    return Setting(halves, weights, draws, folds, classes, seed)


def score(sides: Sides, setting: Setting, rotations: int) -> tuple[list[Found], list[str]]:
    """Every part that can be made, and a line for each that cannot."""
    found, reasons = [], []
    for role in ROLES:
        own, why = _targets(sides.networks, role, setting)
        theirs, _ = _targets(sides.input, role, setting)
        reasons += why
        if not own:
            continue
        parts = [part for part in PARTS if part.role == role]
        kept: dict[str, dict[str, list[np.ndarray]]] = {part.name: {} for part in parts}
        chosen, known, pairs = {}, {}, {}
        for name, targets, tables in _members(own, theirs, setting, rotations):
            kind = networks.kind_of(name)
            for part in parts:
                if kind == INPUT and part.given is not None and part.role == "parts":
                    continue  # the input is what this part holds fixed
                table = _table(part, targets, tables)
                if part.kind == "share":
                    table = table._replace(known=_known(part, targets, name, setting, known))
                result = effects.cross_fitted(table, part.kind, setting.halves, setting.weights)
                line = np.concatenate([[result.value], result.draws])
                kept[part.name].setdefault(kind, []).append(line)
                if name == "trained":
                    chosen[part.name] = result.chosen, _halves(table, setting)
        for part in parts:
            scores = {kind: np.stack(lines) for kind, lines in kept[part.name].items()}
            found.append(_found(part, own, scores, *chosen[part.name], setting, pairs))
    return sorted(found, key=lambda f: PARTS.index(f.part)), reasons


def _targets(sides: Mapping[str, list[Side]], role: str, setting: Setting) -> tuple[list[Target], list[str]]:
    made = [
        findings_targets.target(role, side, setting.class_b, setting.seed)
        for side in sides["chroma" if role == "folded" else role]
    ]
    return [t for t in made if not isinstance(t, str)], [t for t in made if isinstance(t, str)]


def _members(
    own: list[Target], theirs: list[Target], setting: Setting, rotations: int
) -> Iterator[tuple[str, list[Target], list[clip_sums.Table]]]:
    """(name, targets, the layers' tables of all rows) of networks, rotations and the input."""
    for name in own[0].side.x:
        yield name, own, [t.table(t.side.x[name]) for t in own]
    turned = [_rotated(t, setting.seed + i, rotations) for i, t in enumerate(own)]
    for q, tables in enumerate(zip(*turned, strict=True)):
        yield f"{ROTATED}-{q}", own, list(tables)
    if theirs:
        yield INPUT, theirs, [t.table(t.side.x[INPUT]) for t in theirs]


def _rotated(target: Target, seed: int, count: int) -> Iterator[clip_sums.Table]:
    x = target.side.x["trained"]
    turns = controls.rotations(seed, x.shape[2], count)
    if not target.image:
        x = target.neurons(x)
        yield from clip_sums.rotated_sums(x, target.y, target.mask, turns, centre=target.centre)
        return
    mask = np.repeat(target.mask[:, None], target.side.shape_ft[0], axis=1).reshape(len(x), -1)
    for turn in turns:
        yield target.table(np.asarray(controls.rotate_channels(x, mask, turn)))


def _table(part: Part, targets: list[Target], tables: list[clip_sums.Table]) -> clip_sums.Table:
    return clip_sums.join([t.select(table, part) for t, table in zip(targets, tables, strict=True)])


def _halves(table: clip_sums.Table, setting: Setting) -> np.ndarray:
    shape = setting.halves.shape
    found = clip_sums.scores(table, setting.halves.reshape(-1, shape[2]))
    return found.reshape(*shape[:2], *found.shape[1:])


def _known(part: Part, targets: list[Target], name: str, setting: Setting, held: dict) -> clip_sums.Table:
    """What all units of the layer together predict; rotations know what the trained layer knows."""
    [target] = targets
    name = "trained" if name.startswith(ROTATED) else name
    if name not in held:
        held[name] = trained.predicted(target, part, target.side.x[name], setting)
    return held[name]


def _found(part, targets, scores, chosen, halves, setting: Setting, pairs: dict) -> Found:
    """The trained network's null beside the scores of all; `pairs` is shared by a role's parts."""
    layers = np.concatenate([np.full(t.side.x["trained"].shape[2], t.side.layer) for t in targets])
    rhnk = np.concatenate([trained.null(part, t, setting, pairs) for t in targets], axis=2)
    # The share has no null of its own, where nothing is known: its unit's score has.
    kind = "follow" if part.kind == "share" else part.kind
    candidates = effects.combine(rhnk, kind)
    shape = (len(candidates), *setting.halves.shape[:2], *candidates.shape[2:])
    null = effects.null_values(candidates[:, :-1].reshape(shape), signed=effects.SIGNED[kind])
    ceiling = trained.ceiling(part, targets, setting, pairs)
    return Found(part, scores, chosen, null, candidates[:, -1], halves, layers, ceiling)
