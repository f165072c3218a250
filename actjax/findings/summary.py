"""Concludes answers and p-values from cross-fitted scores of one or several training seeds."""

from collections.abc import Mapping, Sequence

import numpy as np

from actjax.findings.claims import CLAIMS, TITLES
from actjax.findings.claims.claim import Claim
from actjax.findings.claims.setting import Setting
from actjax.findings.claims.sides import Side, Sides
from actjax.findings.cross_fit import KINDS, ROTATED, Result
from actjax.findings.cross_fitting import effects, half_nulls, selection
from actjax.findings.observe import INPUT
from actjax.statistics import bootstrap, controls, corrections
from actjax.workdir.findings_arrays import Arrays
from actjax.workdir.findings_table import QUESTIONS, Answer, ClaimRow, FindingRow, KindScores, UnitDetails

# question -> the kinds of control whose strongest the trained network is compared with: networks that have
# learnt nothing, the trained one with its channels mixed, and the input.
CONTROLS = {"training": ("untrained", "shuffled", "labels"), "single": (ROTATED,), "input": (INPUT,)}


def arrays_of(results: Sequence[Result]) -> dict[str, dict[str, np.ndarray]]:
    """What `conclude` takes of one training seed."""
    return {r.claim.name: {**r.scores, "null": r.null} for r in results}


def conclude(seeds: Sequence[Arrays]) -> tuple[list[ClaimRow], list[FindingRow]]:
    """Claims with their scores, and findings; both with p-values and the answers to the questions.

    Raises:
      ValueError: the seeds' arrays do not hold the same claims or replicates.
    """
    claims = [claim for claim in CLAIMS if claim.name in seeds[0]]
    if any(set(arrays) != {claim.name for claim in claims} for arrays in seeds):
        raise ValueError(
            "the seeds' findings have different claims: run --stage=findings on each with the same config"
        )
    rows = [_concluded(claim, [arrays[claim.name] for arrays in seeds]) for claim in claims]
    numbers = sorted({row["finding"] for row in rows})
    # A finding says that all its claims hold: the largest p of them is its own.
    largest = [max(_or_one(row["p"]) for row in rows if row["finding"] == n) for n in numbers]
    replicates = len(seeds[0][claims[0].name]["null"]) - 1
    holm = dict(zip(numbers, corrections.holm(largest, replicates=replicates), strict=True))
    return rows, [_finding(n, float(holm[n]), rows) for n in numbers]


def _finding(number: int, p: float, rows: Sequence[ClaimRow]) -> FindingRow:
    """A finding's row; gives each of its claims the answer on chance."""
    claims = [row for row in rows if row["finding"] == number]
    for row in claims:
        # Within a finding the claims stand or fall together, so each is judged at the finding's p.
        row["answers"] = {"chance": _chance(row, max(p, _or_one(row["p"]))), **row["answers"]}
    title, short = TITLES[number]
    answers = {}
    for question in QUESTIONS:
        asked = [row["answers"][question]["verdict"] for row in claims if question in row["answers"]]
        if asked:
            answers[question] = effects.together(asked)
    return {"finding": number, "title": title, "short": short, "p": p, "answers": answers}


def _chance(row: ClaimRow, p: float) -> Answer:
    score = row["scores"]["trained"]
    return {
        "control": "null",
        "effect": score["value"],
        "low": score["low"],
        "high": score["high"],
        "effects": score["seeds"],
        "verdict": effects.above_chance(p),
    }


def _concluded(claim: Claim, seeds: Sequence[Mapping[str, np.ndarray]]) -> ClaimRow:
    kinds = [kind for kind in KINDS if all(kind in arrays for arrays in seeds)]
    by_kind = {kind: np.stack([_over_members(arrays[kind]) for arrays in seeds]) for kind in kinds}
    null = np.mean([arrays["null"] for arrays in seeds], axis=0)
    answers = {}
    for question, controls_of_it in CONTROLS.items():
        asked = {kind: by_kind[kind] for kind in controls_of_it if kind in by_kind}
        if asked:
            answers[question] = _answer(by_kind["trained"], asked)
    return {
        "finding": claim.finding,
        "part": claim.name,
        "title": claim.title,
        "score": claim.score,
        "p": effects.permutation_p(null),
        "scores": {
            kind: _of_kind(value_sr, [arrays[kind] for arrays in seeds]) for kind, value_sr in by_kind.items()
        },
        "answers": answers,
    }


def _answer(trained_sr: np.ndarray, controls_of_it: Mapping[str, np.ndarray]) -> Answer:
    """The trained score less the strongest of some kinds of controls."""
    effect = effects.effect(trained_sr, controls_of_it)
    control = controls_of_it.get(effect.control, np.full_like(trained_sr, np.nan))
    by_seed = (trained_sr - control)[:, 0].tolist()
    return {
        "control": effect.control,
        "effect": effect.value,
        "low": effect.low,
        "high": effect.high,
        "effects": by_seed,
        "verdict": effects.verdict(effect.low, effect.high, by_seed),
    }


def _of_kind(value_sr: np.ndarray, seeds: Sequence[np.ndarray]) -> KindScores:
    """The score of a kind of network: its value, interval, and each member's."""
    low, high = bootstrap.percentile_interval(bootstrap.over_seeds(value_sr[:, 1:]))
    members = [members_mr[:, 0].tolist() for members_mr in seeds]
    return {
        "value": float(value_sr[:, 0].mean()),
        "low": float(low),
        "high": float(high),
        "seeds": value_sr[:, 0].tolist(),
        "members": members,
        "undefined": sum(int(np.isnan(one).sum()) for one in members),
    }


def _over_members(values_mr: np.ndarray) -> np.ndarray:
    """[r] the mean over the members of a kind that have a score.

    A network whose ridge finds nothing has no best unit / ridge; it must not take its kind out of the
    comparison with it.
    """
    defined = values_mr[~np.isnan(values_mr[:, 0])]
    return defined.mean(axis=0) if len(defined) else np.full(values_mr.shape[1], np.nan)


def details(results: Sequence[Result], sides: Sides, setting: Setting) -> dict[str, UnitDetails]:
    """Claim -> what is known of the trained network's units beside the effect."""
    return {r.claim.name: _details(r, sides, setting) for r in results}


def _details(result: Result, sides: Sides, setting: Setting) -> UnitDetails:
    claim, layers = result.claim, result.layers
    # Of all splits and halves, the candidate that was chosen most often.
    picks, counts = np.unique(result.chosen.chosen.reshape(-1, 2), axis=0, return_counts=True)
    n, c = picks[counts.argmax()]
    layer = str(layers[n])
    neuron = int(n - np.flatnonzero(layers == layer)[0])
    side = next(s for s in sides.networks[claim.comparison.role] if s.layer == layer)
    out: UnitDetails = {
        "layer": layer,
        "neuron": neuron,
        "row": claim.columns[int(c)],
        "chosen_in": float(counts.max() / counts.sum()),
        "ridge": result.all_units,
        "units": len(layers),
        "share_above": {
            str(name): half_nulls.share_above(result.every[:, layers == name], signed=claim.tested.signed)
            for name in dict.fromkeys(layers)
        },
    }
    if setting.class_b is not None:
        out["eta2_neuron"], out["eta2_feature"] = _class_shares(
            side, neuron, claim.class_rows, setting.class_b
        )
    if claim.stability:
        stable = selection.stability(result.halves, np.arange(result.halves.shape[3]), signed=True)
        out["stability"] = {str(name): _mean(stable[layers == name]) for name in dict.fromkeys(layers)}
    return out


def _class_shares(side: Side, neuron: int, rows: slice, class_b: np.ndarray) -> tuple[float, float]:
    """Eta squared by class of the chosen neuron and of the feature's rows (their mean), over clips."""
    count = np.maximum(side.mask_bo.sum(axis=1), 1)[:, None]
    y = np.where(side.mask_bo[:, :, None], side.y_bok, 0.0).sum(axis=1) / count
    neurons = side.x["trained"][:, :, neuron].mean(axis=1)[:, None]
    return (
        _mean(controls.eta_squared(neurons, class_b)),
        _mean(controls.eta_squared(y[:, rows], class_b)),
    )


def grid_shares(sides: Sides) -> dict[str, dict[str, float]]:
    """Layer -> {"harmonic", "percussive"}: the feature itself seen through the layer's grid.

    The root of the share of its variance within clips that the layer's cells leave, by which its own
    correlation with what a unit of these cells can show is bounded.
    """
    if not sides.input["cells"]:
        return {}
    native = _variance(sides.input["cells"][0])
    return {
        side.layer: {
            name: float(np.sqrt(min(left / all_, 1.0)))
            for name, left, all_ in zip(("harmonic", "percussive"), _variance(side), native, strict=False)
        }
        for side in sides.networks["cells"]
    }


def units(results: Sequence[Result]) -> dict[str, np.ndarray]:
    """A long table of the trained network's candidates: score on all clips, null mean and deviation, p."""
    blocks = [_units(result) for result in results]
    return {name: np.concatenate([block[name] for block in blocks]) for name in blocks[0]}


def _units(result: Result) -> dict[str, np.ndarray]:
    claim, layers = result.claim, result.layers
    _, n, c = result.every.shape
    first = {name: np.flatnonzero(layers == name)[0] for name in set(layers)}
    neuron = np.arange(n) - np.asarray([first[name] for name in layers])
    score, null = result.every[0], result.every[1:]
    reached = (np.abs(null) >= np.abs(score)) if claim.candidates.signed else null >= score
    p_value = np.where(np.isnan(score), np.nan, (1 + reached.sum(axis=0)) / len(result.every))
    return {
        "part": np.full(n * c, claim.name),
        "layer": np.repeat(layers, c),
        "neuron": np.repeat(neuron, c).astype(np.int32),
        "row": np.tile(np.asarray(claim.columns[:c]), n),
        "score": score.ravel(),
        "null_mean": null.mean(axis=0).ravel(),
        "null_std": null.std(axis=0).ravel(),
        "p_value": p_value.ravel(),
    }


def _variance(side: Side) -> np.ndarray:
    """[k] mean square of the rows about each clip's own mean."""
    weight = side.mask_bo[:, :, None].astype(np.float32)
    count = np.maximum(weight.sum(axis=1, keepdims=True), 1)
    deviation = (side.y_bok - (side.y_bok * weight).sum(axis=1, keepdims=True) / count) * weight
    return (deviation.astype(np.float64) ** 2).sum(axis=(0, 1)) / weight.sum()


def _mean(values: np.ndarray) -> float:
    values = np.asarray(values, np.float64)
    return float(np.nanmean(values)) if np.isfinite(values).any() else float("nan")


def _or_one(p: float) -> float:
    return 1.0 if np.isnan(p) else p
