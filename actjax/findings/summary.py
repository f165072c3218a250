"""From cross-fitted scores of one or several training seeds to effects, p-values and verdicts."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from actjax import files
from actjax.findings import effects as findings_effects
from actjax.findings import half_nulls, selection
from actjax.findings.cross_fit import KINDS, Found, Setting
from actjax.findings.observe import Side, Sides
from actjax.findings.targets import PARTS, Part
from actjax.statistics import bootstrap, controls, corrections

TITLES = {
    1: "Shallow maps resemble the harmonic or the percussive part",
    2: "Deep maps resemble chromagrams",
    3: "The embedding follows loudness and onset rate",
    4: "Single units stand for one feature",
}
# part -> [1 + r] or [members, 1 + r] arrays, by kind of network; "null" is the trained network's.
Arrays = Mapping[str, Mapping[str, np.ndarray]]


def arrays_of(found: Sequence[Found]) -> dict[str, dict[str, np.ndarray]]:
    """What `conclude` takes of one training seed."""
    return {f.part.name: {**f.scores, "null": f.null} for f in found}


def write_arrays(path: Path, arrays: Arrays) -> Path:
    """Keeps them, float32, for later tables over seeds."""
    flat = {
        f"{part}.{kind}": v.astype(np.float32) for part, kinds in arrays.items() for kind, v in kinds.items()
    }
    with files.written_whole(path) as aside, open(aside, "wb") as file:
        np.savez_compressed(file, **flat)
    return path


def read_arrays(path: Path) -> dict[str, dict[str, np.ndarray]]:
    """What `write_arrays` wrote."""
    out: dict[str, dict[str, np.ndarray]] = {}
    files.regular_file(path)
    # Compressed members are read to their ends, where the archive's checksums are compared.
    with files.reading(path, "the findings' arrays"), np.load(path, allow_pickle=False) as file:
        for key in file.files:
            part, kind = key.split(".")
            out.setdefault(part, {})[kind] = file[key].astype(np.float64)
    return out


def conclude(seeds: Sequence[Arrays]) -> dict[str, Any]:
    """{"parts": [...], "findings": [...]}: effects, intervals, Holm p-values and verdicts.

    Raises:
      ValueError: the seeds' arrays do not hold the same parts or replicates.
    """
    names = [part.name for part in PARTS if part.name in seeds[0]]
    if any(set(arrays) != set(names) for arrays in seeds):
        raise ValueError(
            "the seeds' findings have different parts: run --stage=findings on each with the same config"
        )
    parts = [
        _part(next(p for p in PARTS if p.name == name), [arrays[name] for arrays in seeds]) for name in names
    ]
    numbers = sorted({p["finding"] for p in parts})
    # A finding says that all its parts are so: the largest p of them is its own.
    largest = [max(_or_one(p["p"]) for p in parts if p["finding"] == n) for n in numbers]
    replicates = len(seeds[0][names[0]]["null"]) - 1
    holm = dict(zip(numbers, corrections.holm(largest, replicates=replicates), strict=True))
    rows = []
    for number in numbers:
        own = [p for p in parts if p["finding"] == number]
        for p in own:
            # Within a finding the parts stand or fall together, so each is judged at the finding's p.
            worst = max(float(holm[number]), _or_one(p["p"]))
            p["verdict"] = findings_effects.verdict(p["low"], p["high"], worst, p["effects"])
        word = findings_effects.together([p["verdict"] for p in own])
        rows.append({"finding": number, "title": TITLES[number], "p": float(holm[number]), "verdict": word})
    return {"parts": parts, "findings": rows}


def _part(part: Part, seeds: Sequence[Mapping[str, np.ndarray]]) -> dict[str, Any]:
    kinds = [kind for kind in KINDS if all(kind in arrays for arrays in seeds)]
    by_kind = {kind: np.stack([_over_members(arrays[kind]) for arrays in seeds]) for kind in kinds}
    trained = by_kind["trained"]
    effect = findings_effects.effect(trained, {k: v for k, v in by_kind.items() if k != "trained"})
    effects = (
        (trained - by_kind[effect.control])[:, 0] if effect.control in by_kind else trained[:, 0] * np.nan
    )
    null = np.mean([arrays["null"] for arrays in seeds], axis=0)
    scores = {}
    for kind, value_sr in by_kind.items():
        low, high = bootstrap.percentile_interval(bootstrap.over_seeds(value_sr[:, 1:]))
        members = [arrays[kind][:, 0].tolist() for arrays in seeds]
        scores[kind] = {
            "value": float(value_sr[:, 0].mean()),
            "low": float(low),
            "high": float(high),
            "seeds": value_sr[:, 0].tolist(),
            "members": members,
            "undefined": int(np.isnan(members).sum()),
        }
    return {
        "finding": part.finding,
        "part": part.name,
        "effect": effect.value,
        "low": effect.low,
        "high": effect.high,
        "control": effect.control,
        "effects": effects.tolist(),
        "p": findings_effects.permutation_p(null),
        "scores": scores,
    }


def _over_members(values_mr: np.ndarray) -> np.ndarray:
    """[r] the mean over the members of a kind that have a score.

    A network whose ridge finds nothing has no best unit / ridge; it must not take its kind out of the
    comparison with it.
    """
    defined = values_mr[~np.isnan(values_mr[:, 0])]
    return defined.mean(axis=0) if len(defined) else np.full(values_mr.shape[1], np.nan)


def details(found: Sequence[Found], sides: Sides, setting: Setting) -> dict[str, dict[str, Any]]:
    """Part -> what is known of the trained network's units beside the effect."""
    return {f.part.name: _details(f, sides, setting) for f in found}


def _details(found: Found, sides: Sides, setting: Setting) -> dict[str, Any]:
    signed = findings_effects.SIGNED[found.part.kind] or found.part.kind == "share"
    # Of all splits and halves, the candidate that was chosen most often.
    picks, counts = np.unique(found.chosen.chosen.reshape(-1, 2), axis=0, return_counts=True)
    n, c = picks[counts.argmax()]
    layer = str(found.layers[n])
    neuron = int(n - np.flatnonzero(found.layers == layer)[0])
    role = "chroma" if found.part.role == "folded" else found.part.role
    side = next(s for s in sides.networks[role] if s.layer == layer)
    out = {
        "layer": layer,
        "neuron": neuron,
        "row": found.part.names[int(c)],
        "chosen_in": float(counts.max() / counts.sum()),
        "ridge": found.ceiling,
        "units": len(found.layers),
        "share_above": {
            str(name): half_nulls.share_above(found.every[:, found.layers == name], signed=signed)
            for name in dict.fromkeys(found.layers)
        },
    }
    out |= _class_shares(side, neuron, found.part, setting)
    if len(found.part.rows) > 1 and found.part.kind in ("contrast", "share"):
        stable = selection.stability(found.halves, np.arange(found.halves.shape[3]), signed=True)
        out["stability"] = {
            str(name): _mean(stable[found.layers == name]) for name in dict.fromkeys(found.layers)
        }
    return out


def _class_shares(side: Side, neuron: int, part: Part, setting: Setting) -> dict[str, float]:
    """Eta squared by class of the chosen neuron and of the feature's rows (their mean), over clips."""
    if setting.class_b is None:
        return {}
    count = np.maximum(side.mask_bo.sum(axis=1), 1)[:, None]
    y = np.where(side.mask_bo[:, :, None], side.y_bok, 0.0).sum(axis=1) / count
    rows = {"loudness": [0], "onset_rate_given_loudness": [1]}.get(part.name, slice(None))
    neurons = side.x["trained"][:, :, neuron].mean(axis=1)[:, None]
    return {
        "eta2_neuron": _mean(controls.eta_squared(neurons, setting.class_b)),
        "eta2_feature": _mean(controls.eta_squared(y[:, rows], setting.class_b)),
    }


def grid_ceilings(sides: Sides) -> dict[str, dict[str, float]]:
    """Layer -> {"harmonic", "percussive"}: the feature itself seen through the layer's grid.

    The root of the share of its variance within clips that the layer's cells leave, by which its own
    correlation with what a unit of these cells can show is bounded.
    """
    if not sides.input["parts"]:
        return {}
    native = _variance(sides.input["parts"][0])
    return {
        side.layer: {
            name: float(np.sqrt(min(left / all_, 1.0)))
            for name, left, all_ in zip(("harmonic", "percussive"), _variance(side), native, strict=False)
        }
        for side in sides.networks["parts"]
    }


def units(found: Sequence[Found]) -> dict[str, np.ndarray]:
    """A long table of the trained network's candidates: score on all clips, null mean and deviation, p."""
    columns: dict[str, list[np.ndarray]] = {}
    for f in found:
        _, n, c = f.every.shape
        first = {name: np.flatnonzero(f.layers == name)[0] for name in set(f.layers)}
        neuron = np.arange(n) - np.asarray([first[name] for name in f.layers])
        score, null = f.every[0], f.every[1:]
        reached = (np.abs(null) >= np.abs(score)) if findings_effects.SIGNED[f.part.kind] else null >= score
        block = {
            "part": np.full(n * c, f.part.name),
            "layer": np.repeat(f.layers, c),
            "neuron": np.repeat(neuron, c).astype(np.int32),
            "row": np.tile(np.asarray(f.part.names[:c]), n),
            "score": score.ravel(),
            "null_mean": null.mean(axis=0).ravel(),
            "null_std": null.std(axis=0).ravel(),
            "p_value": np.where(np.isnan(score), np.nan, (1 + reached.sum(axis=0)) / len(f.every)).ravel(),
        }
        for name, value in block.items():
            columns.setdefault(name, []).append(value)
    return {name: np.concatenate(parts) for name, parts in columns.items()}


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
