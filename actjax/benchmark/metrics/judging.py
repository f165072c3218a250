"""Judge the scores of a contest: who is found, who passes for a plant, and what anchors would get."""

from typing import Any, NamedTuple

import numpy as np

from actjax.benchmark.metrics import trials
from actjax.benchmark.metrics.plants import DEFINITION
from actjax.benchmark.metrics.trials import Contest

ANCHORS = ("oracle", "always loudness", "random")
# The plants whose claims set the level at which negatives are false positives.
JUDGED_SNR = 10


class Judged(NamedTuple):
    """What a metric's scores in one contest are worth.

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


def judge(strength_nk: np.ndarray, contest: Contest) -> Judged:
    """Judges the scores of all neurons of a contest."""
    plants = contest.plants
    planted = plants.source_n >= 0
    rank_p, hit_p = trials.ranks(strength_nk, contest)
    claim_n = trials.claims(strength_nk, contest)
    size_p = np.bincount(contest.cluster_k)[contest.cluster_k[plants.source_n[planted]]]
    return Judged(
        rank_p,
        hit_p,
        plants.kind_n[planted],
        plants.snr_n[planted],
        claim_n[planted],
        claim_n[~planted],
        plants.kind_n[~planted],
        float(size_p.mean() / len(contest.cluster_k)),
    )


def anchors(contest: Contest, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Scores [n, k] of the three rows that every metric is read against."""
    source_n, cluster_k = contest.plants.source_n, contest.cluster_k
    n, k = len(source_n), len(cluster_k)
    true_nk = (cluster_k[None, :] == cluster_k[source_n][:, None]) & (source_n >= 0)[:, None]
    loud_nk = np.broadcast_to(np.arange(k) == contest.loudness, (n, k))
    return {
        "oracle": true_nk.astype(float),
        "always loudness": loud_nk.astype(float),
        "random": rng.random((n, k)),
    }


def false_positives(judged: Judged) -> float:
    """The share of negatives that score as high as nine of ten plants at 10 dB do."""
    planted = judged.claim_p[undistorted(judged, JUDGED_SNR)]
    return (
        float((judged.claim_m >= np.quantile(planted, 0.1)).mean()) if np.isfinite(planted).all() else np.nan
    )


def recall_at(judged: Judged, kind: str, snr_db: float) -> tuple[float, float, int]:
    """(recall at 1, mean reciprocal rank, plants) of one kind of plant at one SNR."""
    counted = (judged.kind_p == kind) & (judged.snr_p == snr_db)
    if not counted.any():
        return np.nan, np.nan, 0
    recall, reciprocal = judged.hit_p[counted].mean(), (1 / judged.rank_p[counted]).mean()
    return float(recall), float(reciprocal), int(counted.sum())


def aurocs(judged: Judged) -> list[dict[str, Any]]:
    """Rows with the AUROC of undistorted plants at each SNR against each kind of negative."""
    return [
        {
            "negative": kind,
            "snr_db": snr,
            "auroc": trials.auroc(
                judged.claim_p[undistorted(judged, snr)], judged.claim_m[judged.kind_m == kind]
            ),
        }
        for kind in DEFINITION["negatives"]
        for snr in DEFINITION["snr_db"]
    ]


def undistorted(judged: Judged, snr_db: float) -> np.ndarray:
    """[plants] bool, those without distortion at an SNR."""
    return (judged.kind_p == "none") & (judged.snr_p == snr_db)
