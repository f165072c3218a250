"""Score planted neurons by every metric, and say what the scores are worth."""

import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from actjax.benchmark.metrics import plants as metrics_plants
from actjax.benchmark.metrics.memory import PeakMemory
from actjax.benchmark.metrics.plants import DEFINITION, Plants
from actjax.benchmark.metrics.rendered import Material
from actjax.similarity import api
from actjax.types import Metric

FRAME_SKIPS = ("frequency shift",)
# In the clip view there is no time to lag in, pool over or drift along.
CLIP_SKIPS = (*FRAME_SKIPS, "lag", "pooling", "gain drift")


class Contest(NamedTuple):
    """Neurons with their truth against candidate features.

    Attributes:
      name: "frame", "binary", "clip" or "map"; "units" for networks' units without a truth.
      plants: the neurons.
      cluster_k: [k] the cluster of each candidate.
      loudness: the candidate that always-loudness names.
    """

    name: str
    plants: Plants
    cluster_k: np.ndarray
    loudness: int


class Placed(NamedTuple):
    """A contest, and where its neurons and candidates stand in the scores of a trial."""

    contest: Contest
    neurons: slice
    candidates: slice


class Trial(NamedTuple):
    """Both sides of contests that are scored in one call.

    Attributes:
      name: of the call.
      contests: who stands where.
      score: metric -> [n, k], or ValueError where it cannot.
      view: metrics with this view take part.
    """

    name: str
    contests: tuple[Placed, ...]
    score: Callable[[Metric], np.ndarray]
    view: str


class Counts(NamedTuple):
    """How many neurons are drawn.

    Attributes:
      plants: for each SNR, without distortion.
      distorted: for each SNR and distortion.
      negatives: of each kind.
    """

    plants: int
    distorted: int
    negatives: int


class NetworkUnits(NamedTuple):
    """Units of networks and the target features of the causal check, on the clips that are scored.

    Attributes:
      units_bn: [b, n].
      targets_bk: [b, k].
    """

    units_bn: np.ndarray
    targets_bk: np.ndarray


_ALL = slice(None)


def of_frames(rng: np.random.Generator, material: Material, cluster_k: np.ndarray, counts: Counts) -> Trial:
    """Series against feature rows within clips, the rows as they are and thresholded."""
    rows_bkt = material.rows_bkt
    plants = _joined(
        metrics_plants.plant(
            rng, rows_bkt[:, :, None, :], cluster_k, counts.plants, counts.distorted, FRAME_SKIPS
        ),
        metrics_plants.negatives(
            rng, material, cluster_k, _shared(material), counts.negatives, as_images=False
        ),
    )
    b, k, t = rows_bkt.shape
    y_bkt = np.concatenate([rows_bkt, _largest_cells(rows_bkt)], axis=1)
    y_ok = y_bkt.transpose(0, 2, 1).reshape(b * t, 2 * k)
    x_on = plants.x_nbft[:, :, 0].transpose(1, 2, 0).reshape(b * t, -1)
    loudness = material.row_names.index(DEFINITION["loudness"])
    contests = tuple(
        Placed(Contest(name, plants, cluster_k, loudness), _ALL, candidates)
        for name, candidates in (("frame", slice(0, k)), ("binary", slice(k, 2 * k)))
    )
    score = _vector_scores(x_on, y_ok, loudness, np.repeat(np.arange(b), t))
    return Trial("frames", contests, score, "frame")


def of_clips(
    rng: np.random.Generator,
    material: Material,
    cluster_k: np.ndarray,
    counts: Counts,
    units: NetworkUnits | None = None,
) -> Trial:
    """One value a clip: plants against means of rows, and the units of networks against the targets.

    Args:
      rng, material, cluster_k, counts: as in `of_frames`.
      units: for the causal check, which judges their scores.
    """
    means_kb = material.rows_bkt.mean(-1).T
    planted = metrics_plants.plant(
        rng, means_kb[None, :, None, :], cluster_k, counts.plants, counts.distorted, CLIP_SKIPS
    )
    wrong = metrics_plants.negatives(
        rng, material, cluster_k, _shared(material), counts.negatives, as_images=False
    )
    plants = _joined(planted, wrong._replace(x_nbft=wrong.x_nbft.mean((2, 3))[:, None, None, :]))
    x_on, y_ok = plants.x_nbft[:, 0, 0].T, means_kb.T
    loudness = material.row_names.index(DEFINITION["loudness"])
    contest = Contest("clip", plants, cluster_k, loudness)
    n, k = x_on.shape[1], y_ok.shape[1]
    contests = [Placed(contest, slice(0, n), slice(0, k))]
    if units is not None:
        contests.append(Placed(contest._replace(name="units"), slice(n, None), slice(k, None)))
        x_on = np.concatenate([x_on, units.units_bn], axis=1)
        y_ok = np.concatenate([y_ok, units.targets_bk], axis=1)
    score = _vector_scores(x_on, y_ok.astype(np.float32), loudness, None)
    return Trial("clips", tuple(contests), score, "clip")


def of_maps(rng: np.random.Generator, material: Material, cluster_k: np.ndarray, counts: Counts) -> Trial:
    """Activation maps against matrix features."""
    shared = {"loudness": [0], "onset": [len(material.image_names) - 1]}
    plants = _joined(
        metrics_plants.plant(rng, material.images_bjft, cluster_k, counts.plants, counts.distorted),
        metrics_plants.negatives(rng, material, cluster_k, shared, counts.negatives, as_images=True),
    )
    maps_bnft = plants.x_nbft.transpose(1, 0, 2, 3)
    return Trial(
        "maps",
        (Placed(Contest("map", plants, cluster_k, 0), _ALL, _ALL),),
        lambda metric: api.score_maps(maps_bnft, material.images_bjft, metric),
        "map",
    )


def _largest_cells(rows_bkt: np.ndarray) -> np.ndarray:
    """1 at the same number of largest frames in every clip, so that no concept is constant within one."""
    t = rows_bkt.shape[-1]
    place = rows_bkt.argsort(-1).argsort(-1)
    return (place >= t - max(1, round(DEFINITION["binary_share"] * t))).astype(np.float32)


def _vector_scores(
    x_on: np.ndarray, y_ok: np.ndarray, loudness: int, clip_ids_o: np.ndarray | None
) -> Callable[[Metric], np.ndarray]:
    """The scores of all pairs; loudness is what partial scores hold fixed."""
    return lambda metric: api.score(x_on, y_ok, metric, clip_ids_o, nuisance=y_ok[:, [loudness]])


class Scored(NamedTuple):
    """What a metric made of a trial.

    Attributes:
      strength_nk: [n, k], larger is more alike; -inf where undefined.
      undefined: share of the pairs that are.
      seconds: with compilation.
      peak_mib: memory of the process above what it was before.
    """

    strength_nk: np.ndarray
    undefined: float
    seconds: float
    peak_mib: float


def run(trial: Trial, metric: Metric) -> Scored | str:
    """Scores a trial, or says in one line why the metric cannot take part."""
    if trial.view not in metric.views:
        return f"has no {trial.view} view"
    if metric.level == "feature" and metric.observes == "vector":
        return "takes all rows as one feature"
    with PeakMemory() as memory:
        start = time.perf_counter()
        try:
            scores = trial.score(metric)
        except ValueError as error:
            return " ".join(str(error).split())
        seconds = time.perf_counter() - start
    strength = np.abs(scores) if metric.signed else scores
    undefined = float(np.isnan(scores).mean())
    return Scored(np.where(np.isnan(strength), -np.inf, strength), undefined, seconds, memory.mib)


def ranks(strength_nk: np.ndarray, contest: Contest) -> tuple[np.ndarray, np.ndarray]:
    """The places of the planted clusters among the candidates.

    Returns:
      [plants] 1 plus the number of candidates outside of the cluster that score above its best member,
      those that tie counted half; [plants] the chance that the first one named is of the cluster.
    """
    plants = contest.plants
    planted = plants.source_n >= 0
    cluster_p = contest.cluster_k[plants.source_n[planted]]
    true_pk = contest.cluster_k[None, :] == cluster_p[:, None]
    scores_pk = strength_nk[planted]
    best = np.where(true_pk, scores_pk, -np.inf).max(1, keepdims=True)
    above, tied = (~true_pk & (scores_pk > best)).sum(1), (~true_pk & (scores_pk == best)).sum(1)
    equal = (true_pk & (scores_pk == best)).sum(1)
    return 1 + above + tied / 2, np.where(above == 0, equal / np.maximum(equal + tied, 1), 0.0)


def claims(strength_nk: np.ndarray, contest: Contest) -> np.ndarray:
    """[n] how strongly a metric says that a neuron follows some feature: its best score.

    Features that share a source with a negative do not count against it.
    """
    return np.where(contest.plants.barred_nc[:, contest.cluster_k], -np.inf, strength_nk).max(1)


def auroc(positive: np.ndarray, negative: np.ndarray) -> float:
    """The chance that a positive one is larger than a negative one, ties counted half."""
    difference = np.sign(positive[:, None] - np.where(np.isfinite(negative), negative, -1e30)[None, :])
    return float((difference.mean() + 1) / 2) if len(positive) and len(negative) else np.nan


def _joined(a: Plants, b: Plants) -> Plants:
    return Plants(*(np.concatenate(pair) for pair in zip(a, b, strict=True)))


def _shared(material: Material) -> Mapping[str, list[int]]:
    return {key: [material.row_names.index(DEFINITION[key])] for key in ("loudness", "onset")}
