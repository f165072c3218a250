"""Three tracks in which metrics are compared: vector, binary and map.

Every task of a track is put on one scale, (raw - chance) / (oracle - chance): 0 for an answer at random,
1 for one that knows the truth. A track's total is a mean with fixed weights, and a metric that cannot do
a task is out of the track. Metrics take part with their default options.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from actjax.benchmark.metrics import judging, trials
from actjax.benchmark.metrics.judging import ANCHORS, Judged
from actjax.benchmark.metrics.label_checks import CHECKS, CONTINUOUS
from actjax.benchmark.metrics.plants import DEFINITION

TRACKS: Mapping[str, Mapping[str, float]] = {
    "vector": {
        "recall": 0.25,
        "distorted": 0.2,
        "negatives": 0.15,
        "clip recall": 0.1,
        "clip negatives": 0.1,
        "label checks": 0.1,
        "causal": 0.1,
    },
    "binary": {"recall": 0.25, "distorted": 0.15, "negatives": 0.2, "missing": 0.2, "extra": 0.2},
    "map": {"recall": 0.4, "distorted": 0.3, "negatives": 0.3},
}
# Which contest of neurons feeds a track.
CONTESTS = {"vector": "frame", "binary": "binary", "map": "map"}
_RESAMPLES = 300
# What the anchors would get for the tasks that they do not take.
_FIXED = {"oracle": 1.0, "always loudness": -1.0, "random": 0.0}

Row = Mapping[str, Any]


def board(
    judged: Mapping[tuple[str, str], Judged],
    sanity: Sequence[Row],
    causal: Mapping[str, np.ndarray],
    *,
    seed: int,
    parts: Sequence[str] = ("plants", "sanity", "causal"),
) -> list[dict[str, Any]]:
    """The leaderboard.

    Args:
      judged: (entry, contest) -> what it is worth; anchors are entries, too.
      sanity: rows of `label_checks.run`.
      causal: entry -> how well its scores predict effects, one number a target and network.
      seed: of the resampling.
      parts: what was run: what was not is left out of the totals of all.

    Returns:
      Rows, best first in each track: track, metric, rank, total, low, high (95 % by resampling plants),
      false_positives, and the track's tasks on the common scale (NaN: not taken).
    """
    rng = np.random.default_rng(seed)
    rows: list[dict[str, Any]] = []
    for track, weights in TRACKS.items():
        run_weights = {name: weight for name, weight in weights.items() if _run(name) in parts}
        entries = sorted({entry for entry, contest in judged if contest == CONTESTS[track]})
        track_rows = []
        for entry in entries:
            main = judged[entry, CONTESTS[track]]
            tasks = _tasks(entry, main, judged.get((entry, "clip")), sanity, causal)
            row: dict[str, Any] = {"track": track, "metric": entry} | _totals(tasks, run_weights, rng)
            row |= {"false_positives": judging.false_positives(main)} | _values(tasks, run_weights, None)
            track_rows.append(row)
        rows += _ranked(track_rows)
    return rows


# A task's value on the common scale; resampled by a generator, or as it is for None.
_Task = Callable[[np.random.Generator | None], float]


def _totals(
    tasks: Mapping[str, _Task], weights: Mapping[str, float], rng: np.random.Generator
) -> dict[str, float]:
    """The weighted mean and its interval; NaN where a task is not taken."""
    draws = [_mean(_values(tasks, weights, rng), weights) for _ in range(_RESAMPLES)]
    low, high = np.quantile(draws, [0.025, 0.975]) if np.isfinite(draws).all() else (np.nan, np.nan)
    return {"total": _mean(_values(tasks, weights, None), weights), "low": low, "high": high}


def _values(
    tasks: Mapping[str, _Task], names: Iterable[str], rng: np.random.Generator | None
) -> dict[str, float]:
    return {name: tasks[name](rng) if name in tasks else np.nan for name in names}


def _ranked(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """1 plus the number of entries that are better for sure: whose interval lies above."""
    for row in rows:
        better = sum(other["low"] > row["high"] for other in rows if other["metric"] not in ANCHORS)
        unranked = row["metric"] in ANCHORS or not np.isfinite(row["total"])
        row["rank"] = None if unranked else better + 1
    return sorted(rows, key=lambda row: (not np.isfinite(row["total"]), -np.nan_to_num(row["total"])))


def _tasks(
    entry: str,
    main: Judged,
    clip: Judged | None,
    sanity: Sequence[Row],
    causal: Mapping[str, np.ndarray],
) -> dict[str, _Task]:
    """Name -> value of every task that the entry takes, from its track's contest and that of clips."""
    tasks: dict[str, _Task] = {
        "recall": lambda rng: _recall(main, rng, "none"),
        "distorted": lambda rng: _recall(main, rng, None),
        "negatives": lambda rng: _separation(main, rng),
    }
    if clip is not None:
        tasks["clip recall"] = lambda rng: _recall(clip, rng, "none")
        tasks["clip negatives"] = lambda rng: _separation(clip, rng)
    if entry in _FIXED:
        value = _FIXED[entry]
        tasks |= {name: lambda rng: value for name in ("label checks", "missing", "extra")}
        tasks["causal"] = lambda rng: max(value, 0.0)
        return tasks
    tasks |= _check_tasks([row for row in sanity if row["metric"] == entry])
    if entry in causal:
        tasks["causal"] = lambda rng: float(np.mean(_resampled(causal[entry], rng)))
    return tasks


def _check_tasks(rows: Sequence[Row]) -> dict[str, _Task]:
    """How often a metric falls, on a scale on which a coin, which falls half of the time, is 0."""
    continuous = [row["decrease"] for row in rows if row["gamma"] == CONTINUOUS]
    falls = {"label checks": continuous} | {
        check: [row["decrease"] for row in rows if row["gamma"] != CONTINUOUS and row["check"] == check]
        for check in CHECKS
    }
    means = {
        name: float(np.mean([2 * share - 1 for share in shares])) for name, shares in falls.items() if shares
    }
    return {name: lambda rng, mean=mean: mean for name, mean in means.items()}


def _recall(judged: Judged, rng: np.random.Generator | None, kind: str | None) -> float:
    """Of undistorted plants ("none") or of distorted ones (None)."""
    counted = judged.kind_p == "none" if kind else judged.kind_p != "none"
    raw = _resampled(judged.hit_p[counted], rng).mean()
    return float((raw - judged.chance) / (1 - judged.chance))


def _separation(judged: Judged, rng: np.random.Generator | None) -> float:
    """How well claims tell plants from negatives, -1 to 1."""
    negative = _resampled(judged.claim_m, rng)
    areas = [
        trials.auroc(_resampled(judged.claim_p[judging.undistorted(judged, snr)], rng), negative)
        for snr in DEFINITION["snr_db"]
    ]
    return 2 * float(np.mean(areas)) - 1


def _resampled(values: np.ndarray, rng: np.random.Generator | None) -> np.ndarray:
    return values if rng is None else values[rng.integers(len(values), size=len(values))]


def _mean(values: Mapping[str, float], weights: Mapping[str, float]) -> float:
    return float(sum(values[name] * w for name, w in weights.items()) / sum(weights.values()))


def _run(task: str) -> str:
    """The run that a task comes from."""
    runs = {"label checks": "sanity", "missing": "sanity", "extra": "sanity", "causal": "causal"}
    return runs.get(task, "plants")
