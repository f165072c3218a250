"""Compares deep maps with the chromagram by the geometry of their frames (cka): finding 2."""

import functools
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from actjax import lookup
from actjax.findings.claims.claim import Claim, Comparison, Shared
from actjax.findings.claims.setting import Setting
from actjax.findings.claims.sides import Side
from actjax.findings.cross_fitting import clip_sums, effects, half_nulls, ridge
from actjax.findings.cross_fitting.effects import DROP, RESEMBLE
from actjax.similarity.kernel import clip_scores
from actjax.statistics import controls, rescored
from actjax.types import Metric

# Ridge on frames takes every channel and band up to this many, else channels averaged over bands.
WIDEST = 1024


class Images(NamedTuple):
    """The chromagram beside its rows permuted, made ready once for all networks.

    Attributes:
      side: what it was made from.
      y: [b, 2, 12, t] the chromagram, and the same with each frame's rows in another order.
      mask: [b, t] bool.
    """

    side: Side
    y: np.ndarray
    mask: np.ndarray


def _prepare(side: Side, setting: Setting) -> Images:
    y = side.y_bok
    order = np.argsort(np.random.default_rng([setting.seed, 9]).random(y.shape), axis=2)
    both = np.stack([y, np.take_along_axis(y, order, axis=2)], axis=1)
    return Images(side, both.transpose(0, 1, 3, 2), side.mask_bo)


def _maps(ready: Images, x_bon: np.ndarray) -> np.ndarray:
    """[b, n, f, t] the neurons' maps."""
    return x_bon.reshape(len(x_bon), *ready.side.shape_ft, -1).transpose(0, 3, 1, 2)


def _table(ready: Images, x_bon: np.ndarray) -> clip_sums.Table:
    return _table_of(ready, _maps(ready, x_bon))


def _table_of(ready: Images, x_bnft: np.ndarray) -> clip_sums.Table:
    return clip_sums.clip_means(np.asarray(clip_scores(_cka(), x_bnft, ready.y, ready.mask)["score"]))


def _rotated(ready: Images, turns_qnn: np.ndarray) -> Iterator[clip_sums.Table]:
    x = ready.side.x["trained"]
    mask = np.repeat(ready.mask[:, None], ready.side.shape_ft[0], axis=1).reshape(len(x), -1)
    for turn in turns_qnn:
        yield _table(ready, np.asarray(controls.rotate_channels(x, mask, turn)))


def _select(ready: Images, every: clip_sums.Table, claim: Claim) -> clip_sums.Table:
    rows = list(claim.rows)
    return clip_sums.Table(every.xy[:, :, rows], every.xx, every.yy[:, :, rows])


@functools.cache
def _cka() -> Metric:
    """The metric of frame geometry; one object, so that it compiles once."""
    return lookup.load("metric", "cka")


def _null(ready: Images, claim: Claim, setting: Setting, shared: Shared) -> np.ndarray:
    draws, layer = setting.draws, ready.side.layer
    if layer not in shared:
        maps = _maps(ready, ready.side.x["trained"])
        sides = rescored.Sides(maps, ready.y, ready.mask, ready.mask.shape[1])
        pairs_bjnk = rescored.pair_scorer(_cka(), sides, draws)(np.arange(len(maps)))
        shared[layer] = half_nulls.from_scores(np.asarray(pairs_bjnk), draws, setting.every_half)
    return shared[layer][..., list(claim.rows)]


def _all_units(layers: list[Images], claim: Claim, setting: Setting, shared: Shared) -> float:
    """The best layer's frames predicted by ridge, compared with the chromagram as the maps are."""
    all_clips, scores = np.ones((1, setting.halves.shape[2])), []
    for ready in layers:
        key = ready.side.layer, "ridge"
        if key not in shared:
            shared[key] = _table_of(ready, _predicted_chroma(ready, setting).transpose(0, 2, 1)[:, None])
        scores.append(float(effects.candidates(shared[key], claim.candidates, all_clips)[0, 0, 0]))
    return max(scores, key=abs)


def _predicted_chroma(ready: Images, setting: Setting) -> np.ndarray:
    """[b, t, 12] chroma of each frame predicted from all channels and bands of that frame."""
    maps = _maps(ready, ready.side.x["trained"])
    if maps.shape[1] * maps.shape[2] > WIDEST:
        maps = maps.mean(axis=2, keepdims=True)
    maps = maps.reshape(len(maps), -1, maps.shape[3]).transpose(0, 2, 1)
    return ridge.out_of_fold(maps, ready.y[:, 0].transpose(0, 2, 1), ready.mask, setting.folds, centre="clip")


_COMPARISON = Comparison("chroma", _prepare, _table, _rotated)
_claim = functools.partial(
    Claim, finding=2, comparison=_COMPARISON, rows=(0, 1), select=_select, null=_null, all_units=_all_units
)

CLAIMS = (
    _claim(
        name="chroma_geometry",
        title="chroma, frame geometry",
        score="cka",
        columns=("chroma",),
        candidates=RESEMBLE,
        tested=RESEMBLE,
    ),
    _claim(
        name="chroma_rows_permuted",
        title="chroma minus permuted",
        score="cka difference",
        columns=("chroma - permuted",),
        candidates=DROP,
        tested=DROP,
    ),
)
