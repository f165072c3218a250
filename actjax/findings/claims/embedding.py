"""Compares the embedding with scalar features over clips, within classes: findings 3 and 4."""

import functools
from collections.abc import Callable

import numpy as np

from actjax.findings.claims import vectors
from actjax.findings.claims.claim import Claim, Comparison
from actjax.findings.claims.setting import Setting
from actjax.findings.claims.sides import SCALARS, Side
from actjax.findings.cross_fitting.effects import FOLLOW, SHARE

# The comparison's rows: the scalar features, and the onset rate without the loudness.
LOUDNESS, ONSET_RATE, ONSET_RATE_LEFT = 0, 1, len(SCALARS)


def within_classes(values_bov: np.ndarray, mask_bo: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Values minus their class's mean over valid observations; 0 where masked or constant."""
    member = (labels[:, None] == np.arange(labels.max() + 1)[None, :]).astype(np.float64)
    values = np.where(mask_bo[:, :, None], values_bov, 0.0).astype(np.float64)
    count = np.maximum(member.T @ mask_bo.sum(axis=1), 1.0)
    mean = (member.T @ values.sum(axis=1)) / count[:, None]
    left = np.where(mask_bo[:, :, None], values - mean[labels][:, None, :], 0.0)
    largest = np.abs(values).max(axis=(0, 1), initial=0.0)
    varies = np.abs(left).max(axis=(0, 1), initial=0.0) > 1e-6 * largest
    return np.where(varies[None, None, :], left, 0.0).astype(np.float32)


def _prepare(side: Side, setting: Setting) -> vectors.Rows:
    mask, class_b = side.mask_bo, setting.class_b
    labels = np.zeros(len(mask), int) if class_b is None else np.unique(class_b, return_inverse=True)[1]
    centred: Callable[[np.ndarray], np.ndarray] = functools.partial(
        within_classes, mask_bo=mask, labels=labels
    )
    y = centred(side.y_bok)
    left = vectors.without(y[:, :, ONSET_RATE : ONSET_RATE + 1], y[:, :, LOUDNESS], mask, "none")
    return vectors.rows_of(side, np.concatenate([y, left], axis=2), mask, centred, centre="none")


_COMPARISON = Comparison("clip", _prepare, vectors.table, vectors.rotated)
_claim = functools.partial(Claim, comparison=_COMPARISON, select=vectors.select, null=vectors.null)

CLAIMS = (
    _claim(
        finding=3,
        name="loudness",
        title="loudness",
        score="r",
        columns=SCALARS[:1],
        rows=(LOUDNESS,),
        candidates=FOLLOW,
        tested=FOLLOW,
        all_units=vectors.all_units,
        class_rows=slice(LOUDNESS, LOUDNESS + 1),
    ),
    _claim(
        finding=3,
        name="onset_rate_given_loudness",
        title="onset rate, loudness fixed",
        score="partial r",
        columns=SCALARS[1:2],
        rows=(ONSET_RATE_LEFT,),
        candidates=FOLLOW,
        tested=FOLLOW,
        all_units=vectors.all_units,
        fixed=LOUDNESS,
        class_rows=slice(ONSET_RATE, ONSET_RATE + 1),
    ),
    _claim(
        finding=4,
        name="one_unit_of_all",
        title="best unit / ridge of all",
        score="ratio",
        columns=SCALARS,
        rows=tuple(range(len(SCALARS))),
        candidates=SHARE,
        # The share is undefined under the null because ridge predicts nothing there, so its p is that of
        # the unit's plain correlation.
        tested=FOLLOW,
        all_units=lambda layers, claim, setting, shared: 1.0,
        predicted=vectors.predicted,
        stability=True,
    ),
)
