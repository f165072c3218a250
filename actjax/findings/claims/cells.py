"""Compares shallow maps with the harmonic and the percussive sound, cell by cell, within clips: finding 1."""

import functools

import numpy as np

from actjax.findings.claims import vectors
from actjax.findings.claims.claim import Claim, Comparison
from actjax.findings.claims.setting import Setting
from actjax.findings.claims.sides import Side
from actjax.findings.cross_fitting.effects import CONTRAST, FOLLOW

# The comparison's rows: harmonic and percussive sound in dB, the mask without local energy, local energy.
HARMONIC, PERCUSSIVE, MASK, ENERGY = range(4)


def _prepare(side: Side, setting: Setting) -> vectors.Rows:
    y, mask = side.y_bok, side.mask_bo
    # h / (h + p) of powers, from decibels.
    share = 1.0 / (1.0 + 10.0 ** ((y[:, :, 1:2] - y[:, :, :1]) / 10.0))
    rows = [y[:, :, :2], vectors.without(share, y[:, :, 2], mask, "clip"), y[:, :, 2:]]
    return vectors.rows_of(side, np.concatenate(rows, axis=2), mask, lambda x_bon: x_bon)


def _difference_of_units(y_bok: np.ndarray) -> np.ndarray:
    """[b, o, 1] what predicts |r_H| - |r_P|: the difference of both rows on unit length."""
    unit = y_bok / np.sqrt((y_bok**2).sum(axis=(0, 1)))[None, None, :]
    return unit[:, :, :1] - unit[:, :, 1:2]


_COMPARISON = Comparison("cells", _prepare, vectors.table, vectors.rotated)
_claim = functools.partial(Claim, finding=1, comparison=_COMPARISON, select=vectors.select, null=vectors.null)

CLAIMS = (
    _claim(
        name="harmonic_or_percussive",
        title="harmonic or percussive",
        score="|r_H| - |r_P|",
        columns=("harmonic - percussive",),
        rows=(HARMONIC, PERCUSSIVE),
        candidates=CONTRAST,
        tested=CONTRAST,
        all_units=functools.partial(vectors.all_units, wanted=_difference_of_units),
        stability=True,
    ),
    _claim(
        name="mask_given_energy",
        title="mask, energy fixed",
        score="partial r",
        columns=("harmonic mask",),
        rows=(MASK,),
        candidates=FOLLOW,
        tested=FOLLOW,
        all_units=vectors.all_units,
        fixed=ENERGY,
        # The input's own cells are the energy that is held fixed.
        of_input=False,
    ),
)
