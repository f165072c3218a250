"""Three tracks in which metrics are compared: vector, binary and map.

Every part of a track is put on one scale, (raw - chance) / (oracle - chance): 0 for an answer at random,
1 for one that knows the truth. A track's total is a mean with fixed weights, and a metric that cannot take
a part is out of it. Metrics take part with their default options.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from actjax.benchmark.metrics import trials
from actjax.benchmark.metrics.label_checks import CONTINUOUS
from actjax.benchmark.metrics.plants import DEFINITION
from actjax.benchmark.metrics.trials import Part

ANCHORS = ("oracle", "always loudness", "random")
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
# Which comparison of neurons feeds a track.
PARTS = {"vector": "frame", "binary": "binary", "map": "map"}
# The plants whose claims set the level at which negatives are false positives.
JUDGED_SNR = 10
_RESAMPLES = 300


class Judged(NamedTuple):
    """What a metric's scores in one comparison are worth.

    Attributes:
      rank_p, hit_p: [plants] place of the planted cluster; chance that it is named first.
      kind_p, snr_p: [plants] as planted.
      claim_p: [plants] the best score of each plant.
      claim_m, kind_m: [negatives] likewise, barred features left out.
      chance: recall of an answer at random.
    """

    rank_p: np.ndarray
    hit_p: np.ndarray
    kind_p: np.ndarray
    snr_p: np.ndarray
    claim_p: np.ndarray
    claim_m: np.ndarray
    kind_m: np.ndarray
    chance: float


def judge(strength_nk: np.ndarray, part: Part) -> Judged:
    """Judges the scores of all neurons of a comparison."""
    plants = part.plants
    planted = plants.source_n >= 0
    rank, hit = trials.ranks(strength_nk, part)
    claim = trials.claims(strength_nk, part)
    size = np.bincount(part.cluster_k)[part.cluster_k[plants.source_n[planted]]]
    return Judged(
        rank, hit, plants.kind_n[planted], plants.snr_n[planted], claim[planted], claim[~planted],
        plants.kind_n[~planted], float(size.mean() / len(part.cluster_k)),
    )  # fmt: skip


def anchors(part: Part, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Scores [n, k] of the three rows that every metric is read against."""
    n, k = len(part.plants.source_n), len(part.cluster_k)
    source = part.plants.source_n
    own = (part.cluster_k[None, :] == part.cluster_k[source][:, None]) & (source >= 0)[:, None]
    loud = np.broadcast_to(np.arange(k) == part.loudness, (n, k))
    return {"oracle": own.astype(float), "always loudness": loud.astype(float), "random": rng.random((n, k))}


def false_positives(judged: Judged) -> float:
    """The share of negatives that score as high as nine of ten plants at 10 dB do."""
    planted = judged.claim_p[_undistorted(judged, JUDGED_SNR)]
    return (
        float((judged.claim_m >= np.quantile(planted, 0.1)).mean()) if np.isfinite(planted).all() else np.nan
    )


def board(
    judged: Mapping[tuple[str, str], Judged],
    sanity: Sequence[Mapping[str, Any]],
    causal: Mapping[str, np.ndarray],
    *,
    seed: int,
    parts: Sequence[str] = ("plants", "sanity", "causal"),
) -> list[dict[str, Any]]:
    """The leaderboard.

    Args:
      judged: (entry, comparison) -> what it is worth; anchors are entries, too.
      sanity: rows of `_sanity.run`.
      causal: entry -> how well its scores predict effects, one number a target and network.
      seed: of the resampling.
      parts: what was run: what was not is left out of the totals of all.

    Returns:
      Rows, best first in each track: track, metric, rank, total, low, high (95 % by resampling plants),
      false_positives, and the track's parts on the common scale (NaN: not taken).
    """
    rng = np.random.default_rng(seed)
    rows = []
    for track, weights in TRACKS.items():
        left = {name: w for name, w in weights.items() if _run(name) in parts}
        found = []
        for entry in sorted({entry for entry, part in judged if part == PARTS[track]}):
            sources = _sources(entry, track, judged, sanity, causal)
            values = {name: sources[name](None) if name in sources else np.nan for name in left}
            draws = np.asarray([_total({n: sources[n](rng) if n in sources else np.nan for n in left}, left)
                                for _ in range(_RESAMPLES)])  # fmt: skip
            low, high = np.quantile(draws, [0.025, 0.975]) if np.isfinite(draws).all() else (np.nan, np.nan)
            fp = false_positives(judged[entry, PARTS[track]])
            found.append(
                {"track": track, "metric": entry, "total": _total(values, left), "low": low, "high": high}
                | {"false_positives": fp}
                | values
            )
        rows += _ranked(found)
    return rows


def _ranked(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """1 plus the number of entries that are better for sure: whose interval lies above."""
    for row in rows:
        better = sum(other["low"] > row["high"] for other in rows if other["metric"] not in ANCHORS)
        out = row["metric"] in ANCHORS or not np.isfinite(row["total"])
        row["rank"] = None if out else better + 1
    return sorted(rows, key=lambda row: (not np.isfinite(row["total"]), -np.nan_to_num(row["total"])))


def _sources(entry, track, judged, sanity, causal):
    """Part -> function of a generator (None: no resampling) to the part's value on the common scale."""
    main = judged[entry, PARTS[track]]
    found = {
        "recall": lambda rng: _recall(main, rng, "none"),
        "distorted": lambda rng: _recall(main, rng, None),
        "negatives": lambda rng: _separation(main, rng),
    }
    if (entry, "clip") in judged:
        clip = judged[entry, "clip"]
        found["clip recall"] = lambda rng: _recall(clip, rng, "none")
        found["clip negatives"] = lambda rng: _separation(clip, rng)
    checks = [r for r in sanity if r["metric"] == entry]
    for name, chosen in (
        ("label checks", [r for r in checks if r["gamma"] == CONTINUOUS]),
        ("missing", [r for r in checks if r["gamma"] != CONTINUOUS and r["check"] == "missing"]),
        ("extra", [r for r in checks if r["gamma"] != CONTINUOUS and r["check"] == "extra"]),
    ):
        if chosen and sanity:
            # A coin falls half of the time.
            found[name] = lambda rng, c=chosen: float(np.mean([2 * r["decrease"] - 1 for r in c]))
    fixed = {"oracle": 1.0, "always loudness": -1.0, "random": 0.0}
    if entry in fixed:
        names = ("label checks", "missing", "extra")
        found |= {name: (lambda rng: fixed[entry]) for name in names}
        found["causal"] = lambda rng: max(fixed[entry], 0.0)
    elif entry in causal:
        found["causal"] = lambda rng: float(np.mean(_resampled(causal[entry], rng)))
    return found


def _recall(judged: Judged, rng, kind: str | None) -> float:
    chosen = judged.kind_p == "none" if kind else judged.kind_p != "none"
    raw = _resampled(judged.hit_p[chosen], rng).mean()
    return float((raw - judged.chance) / (1 - judged.chance))


def _separation(judged: Judged, rng) -> float:
    negative = _resampled(judged.claim_m, rng)
    areas = [
        trials.auroc(_resampled(judged.claim_p[_undistorted(judged, snr)], rng), negative)
        for snr in DEFINITION["snr_db"]
    ]
    return 2 * float(np.mean(areas)) - 1


def _undistorted(judged: Judged, snr_db: float) -> np.ndarray:
    return (judged.kind_p == "none") & (judged.snr_p == snr_db)


def _resampled(values: np.ndarray, rng) -> np.ndarray:
    return values if rng is None else values[rng.integers(len(values), size=len(values))]


def _total(values: Mapping[str, float], weights: Mapping[str, float]) -> float:
    return float(sum(values[name] * w for name, w in weights.items()) / sum(weights.values()))


def _run(part: str) -> str:
    """The run that a part comes from."""
    return {"label checks": "sanity", "missing": "sanity", "extra": "sanity", "causal": "causal"}.get(
        part, "plants"
    )


def recall_at(judged: Judged, kind: str, snr_db: float) -> tuple[float, float, int]:
    """(recall at 1, mean reciprocal rank, plants) of one kind of plant at one SNR."""
    chosen = (judged.kind_p == kind) & (judged.snr_p == snr_db)
    if not chosen.any():
        return np.nan, np.nan, 0
    return float(judged.hit_p[chosen].mean()), float((1 / judged.rank_p[chosen]).mean()), int(chosen.sum())


def aurocs(judged: Judged) -> list[dict[str, Any]]:
    """Rows with the AUROC of undistorted plants at each SNR against each kind of negative."""
    return [
        {
            "negative": kind,
            "snr_db": snr,
            "auroc": trials.auroc(
                judged.claim_p[_undistorted(judged, snr)], judged.claim_m[judged.kind_m == kind]
            ),
        }
        for kind in DEFINITION["negatives"]
        for snr in DEFINITION["snr_db"]
    ]
