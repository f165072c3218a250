"""Can a metric find what was planted? Scores of all neurons, and what they are worth."""

import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from actjax.benchmark.metrics import plants as metrics_plants
from actjax.benchmark.metrics.plants import DEFINITION, Plants
from actjax.benchmark.metrics.rendered import Material
from actjax.similarity import api
from actjax.types import Metric

FRAME_SKIPS = ("frequency shift",)
# In the clip view there is no time to lag in, pool over or drift along.
CLIP_SKIPS = (*FRAME_SKIPS, "lag", "pooling", "gain drift")


class Part(NamedTuple):
    """One comparison: neurons with their truth against candidate features.

    Attributes:
      name: "frame", "binary", "clip" or "map".
      plants: the neurons.
      cluster_k: [k] the cluster of each candidate.
      loudness: the candidate that always-loudness names.
    """

    name: str
    plants: Plants
    cluster_k: np.ndarray
    loudness: int


class Trial(NamedTuple):
    """Both sides of parts that are scored in one call.

    Attributes:
      name: of the call.
      parts: who stands where: (part, neurons, candidates) with slices.
      score: metric -> [n, k], or ValueError where it cannot.
      view: metrics with this view take part.
    """

    name: str
    parts: tuple[tuple[Part, slice, slice], ...]
    score: Callable[[Metric], np.ndarray]
    view: str


def of_frames(rng, material: Material, cluster_k: np.ndarray, each: int, distorted: int, bad: int) -> Trial:
    """Series against feature rows within clips, the rows as they are and thresholded."""
    rows = material.rows_bkt[:, :, None, :]
    plants = _joined(
        metrics_plants.plant(rng, rows, cluster_k, each, distorted, FRAME_SKIPS),
        metrics_plants.negatives(rng, material, cluster_k, _shared(material), bad, as_images=False),
    )
    b, k, t = material.rows_bkt.shape
    # Cells that are on in every clip alike, so that a concept is never constant within one.
    place = material.rows_bkt.argsort(-1).argsort(-1)
    on = place >= t - max(1, round(DEFINITION["binary_share"] * t))
    y = np.concatenate([material.rows_bkt, on.astype(np.float32)], axis=1)
    y_ok = y.transpose(0, 2, 1).reshape(b * t, 2 * k)
    x_on = plants.x_nbft[:, :, 0].transpose(1, 2, 0).reshape(b * t, -1)
    ids = np.repeat(np.arange(b), t)
    loud = material.row_names.index(DEFINITION["loudness"])
    parts = tuple(
        (Part(name, plants, cluster_k, loud), slice(None), columns)
        for name, columns in (("frame", slice(0, k)), ("binary", slice(k, 2 * k)))
    )

    def score(metric):
        # Loudness is what partial scores hold fixed.
        return api.score(x_on, y_ok, metric, ids, nuisance=y_ok[:, [loud]])

    return Trial("frames", parts, score, "frame")


def of_clips(rng, material: Material, cluster_k, each: int, distorted: int, bad: int, units=None) -> Trial:
    """One value a clip: plants against means of rows, and the units of networks against the targets.

    Args:
      rng, material, cluster_k, each, distorted, bad: as in `of_frames`.
      units: ([b, n] units, [b, k] target features) for the causal check, which judges their scores.
    """
    means_kb = material.rows_bkt.mean(-1).T
    planted = metrics_plants.plant(rng, means_kb[None, :, None, :], cluster_k, each, distorted, CLIP_SKIPS)
    found = metrics_plants.negatives(rng, material, cluster_k, _shared(material), bad, as_images=False)
    plants = _joined(planted, found._replace(x_nbft=found.x_nbft.mean((2, 3))[:, None, None, :]))
    (n, k), b = (len(plants.source_n), len(means_kb)), len(material.label_b)
    units_bn, targets_bk = units or (np.zeros((b, 0), np.float32), np.zeros((b, 0), np.float32))
    y_ok = np.concatenate([means_kb.T, targets_bk], axis=1).astype(np.float32)
    x_on = np.concatenate([plants.x_nbft[:, 0, 0].T, units_bn], axis=1)
    loud = material.row_names.index(DEFINITION["loudness"])
    part = Part("clip", plants, cluster_k, loud)
    sides = [(part, slice(0, n), slice(0, k))]
    if units is not None:
        sides.append((part._replace(name="units"), slice(n, None), slice(k, None)))
    return Trial(
        "clips", tuple(sides), lambda metric: api.score(x_on, y_ok, metric, nuisance=y_ok[:, [loud]]), "clip"
    )


def of_maps(rng, material: Material, cluster_k, each: int, distorted: int, bad: int) -> Trial:
    """Activation maps against matrix features."""
    shared = {"loudness": [0], "onset": [len(material.image_names) - 1]}
    plants = _joined(
        metrics_plants.plant(rng, material.images_bjft, cluster_k, each, distorted),
        metrics_plants.negatives(rng, material, cluster_k, shared, bad, as_images=True),
    )
    maps = plants.x_nbft.transpose(1, 0, 2, 3)
    part = Part("map", plants, cluster_k, 0)
    return Trial(
        "maps",
        ((part, slice(None), slice(None)),),
        lambda metric: api.score_maps(maps, material.images_bjft, metric),
        "map",
    )


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
    with _PeakMemory() as memory:
        start = time.perf_counter()
        try:
            scores = trial.score(metric)
        except ValueError as error:
            return " ".join(str(error).split())
        seconds = time.perf_counter() - start
    strength = np.abs(scores) if metric.signed else scores
    undefined = float(np.isnan(scores).mean())
    return Scored(np.where(np.isnan(strength), -np.inf, strength), undefined, seconds, memory.mib)


def ranks(strength_nk: np.ndarray, part: Part) -> tuple[np.ndarray, np.ndarray]:
    """The places of the planted clusters among the candidates.

    Returns:
      [plants] 1 plus the number of candidates outside of the cluster that score above its best member,
      those that tie counted half; [plants] the chance that the first one named is of the cluster.
    """
    plants = part.plants
    planted = plants.source_n >= 0
    own_nk = part.cluster_k[None, :] == part.cluster_k[plants.source_n[planted]][:, None]
    scores = strength_nk[planted]
    best = np.where(own_nk, scores, -np.inf).max(1, keepdims=True)
    above, tied = (~own_nk & (scores > best)).sum(1), (~own_nk & (scores == best)).sum(1)
    equal = (own_nk & (scores == best)).sum(1)
    return 1 + above + tied / 2, np.where(above == 0, equal / np.maximum(equal + tied, 1), 0.0)


def claims(strength_nk: np.ndarray, part: Part) -> np.ndarray:
    """[n] how strongly a metric says that a neuron follows some feature: its best score.

    Features that share a source with a negative do not count against it.
    """
    return np.where(part.plants.barred_nc[:, part.cluster_k], -np.inf, strength_nk).max(1)


def auroc(positive: np.ndarray, negative: np.ndarray) -> float:
    """The chance that a positive one is larger than a negative one, ties counted half."""
    difference = np.sign(positive[:, None] - np.where(np.isfinite(negative), negative, -1e30)[None, :])
    return float((difference.mean() + 1) / 2) if len(positive) and len(negative) else np.nan


def _joined(a: Plants, b: Plants) -> Plants:
    return Plants(*(np.concatenate(pair) for pair in zip(a, b, strict=True)))


def _shared(material: Material) -> Mapping[str, list[int]]:
    return {key: [material.row_names.index(DEFINITION[key])] for key in ("loudness", "onset")}


class _PeakMemory:
    """The process's largest resident size within a `with` block, above that at its start."""

    mib = float("nan")

    def __enter__(self):
        self._stop, self._start = threading.Event(), _resident()
        self._most = self._start
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: Any):
        self._stop.set()
        self._thread.join()
        self.mib = (max(self._most, _resident()) - self._start) / 2**20

    def _watch(self):
        while not self._stop.wait(0.01):
            self._most = max(self._most, _resident())


def _resident() -> float:
    """Bytes of memory in use; NaN where the system does not tell."""
    try:
        return float(Path("/proc/self/statm").read_text().split()[1]) * 4096
    except OSError:
        return float("nan")
