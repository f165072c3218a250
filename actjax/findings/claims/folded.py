"""Compares deep maps folded into pitch classes with the chromagram, cell by cell: finding 2."""

import numpy as np

from actjax.findings.claims import sides, vectors
from actjax.findings.claims.claim import Claim, Comparison
from actjax.findings.claims.setting import Setting
from actjax.findings.claims.sides import Side
from actjax.findings.cross_fitting.effects import FOLLOW

# A fold into pitch classes needs bands no wider than a semitone, on this many octaves at least.
SEMITONE, OCTAVES = 1.0, 1.0


def fold_weights(side: Side) -> np.ndarray | str:
    """[12, f] means over a map's bands of each pitch class, C first, or why there are none."""
    apart = sides.bands_apart(side)
    narrow = apart <= SEMITONE
    if narrow.sum() * np.median(apart[narrow]) < 12 * OCTAVES if narrow.any() else True:
        return (
            f"{side.layer}: its bands lie {np.median(apart):.1f} semitones apart (median), too wide to be "
            "folded into pitch classes"
        )
    pitch = np.round(69 + 12 * np.log2(sides.usable_hz(side) / 440.0)).astype(int) % 12
    member = (pitch[None, :] == np.arange(12)[:, None]) & narrow[None, :]
    return (member / np.maximum(member.sum(axis=1, keepdims=True), 1)).astype(np.float32)


def _prepare(side: Side, setting: Setting) -> vectors.Rows | str:
    fold_gf = fold_weights(side)
    if isinstance(fold_gf, str):
        return fold_gf

    def neurons(x_bon: np.ndarray) -> np.ndarray:
        maps = x_bon.reshape(len(x_bon), *side.shape_ft, -1)
        return np.einsum("gf,bftn->bgtn", fold_gf, maps).reshape(len(x_bon), -1, x_bon.shape[2])

    cells = side.y_bok.transpose(0, 2, 1).reshape(len(side.y_bok), -1, 1)
    return vectors.rows_of(side, cells, np.tile(side.mask_bo, (1, 12)), neurons)


CLAIMS = (
    Claim(
        finding=2,
        name="chroma_folded",
        title="chroma, folded",
        score="r",
        columns=("chroma",),
        comparison=Comparison("chroma", _prepare, vectors.table, vectors.rotated),
        rows=(0,),
        candidates=FOLLOW,
        tested=FOLLOW,
        select=vectors.select,
        null=vectors.null,
        all_units=vectors.all_units,
    ),
)
