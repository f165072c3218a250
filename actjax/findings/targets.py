"""The parts of the four findings: which layers and features each compares, and how both sides are made ready.

| finding | part | compared | score |
|---|---|---|---|
| 1 | harmonic_or_percussive | shallow maps with H and P in dB, cell by cell, within clips | |r_H| - |r_P| |
| 1 | mask_given_energy | the same with the mask h / (h + p), the local energy (log mel) held fixed | r |
| 2 | chroma_geometry | deep maps with the chromagram, by the geometry of their frames | cka |
| 2 | chroma_rows_permuted | the same | cka - cka with each frame's rows in another order |
| 2 | chroma_folded | deep maps folded into pitch classes, cell by cell; bands within a semitone | r |
| 3 | loudness | embedding with loudness over clips, within classes | r |
| 3 | onset_rate_given_loudness | the same with onset rate, loudness held fixed | r |
| 4 | one_unit_of_all | embedding with each well-known feature | |r| of a unit / r of ridge on all units |
"""

import dataclasses
import functools
from typing import Any

import jax.numpy as jnp
import numpy as np

from actjax import lookup
from actjax.findings import clip_sums, fast_cka, observe
from actjax.findings.compiled import compiled
from actjax.findings.observe import SCALARS, Side
from actjax.statistics import moments


@dataclasses.dataclass(frozen=True)
class Part:
    """One part of a finding.

    Attributes:
      finding: 1 to 4.
      name: as in the table above.
      kind: how scores become candidates, a name of `statistics.findings.SIGNED`.
      role: whose target it takes: "parts", "chroma", "folded" or "clip".
      rows: which rows of that target.
      given: the row that is held fixed, or None.
      names: what the candidates' columns are.
    """

    finding: int
    name: str
    kind: str
    role: str
    rows: tuple[int, ...]
    given: int | None
    names: tuple[str, ...]


PARTS = (
    Part(1, "harmonic_or_percussive", "contrast", "parts", (0, 1), None, ("harmonic - percussive",)),
    Part(1, "mask_given_energy", "follow", "parts", (2,), 3, ("harmonic mask",)),
    Part(2, "chroma_geometry", "resemble", "chroma", (0, 1), None, ("chroma",)),
    Part(2, "chroma_rows_permuted", "drop", "chroma", (0, 1), None, ("chroma - permuted",)),
    Part(2, "chroma_folded", "follow", "folded", (0,), None, ("chroma",)),
    Part(3, "loudness", "follow", "clip", (0,), None, SCALARS[:1]),
    Part(3, "onset_rate_given_loudness", "follow", "clip", (len(SCALARS),), 0, SCALARS[1:2]),
    Part(4, "one_unit_of_all", "share", "clip", tuple(range(len(SCALARS))), None, SCALARS),
)
ROLES = ("parts", "chroma", "folded", "clip")
# A fold into pitch classes needs bands no wider than a semitone, on this many octaves at least.
SEMITONE, OCTAVES = 1.0, 1.0


@dataclasses.dataclass(frozen=True, eq=False)
class Target:
    """The features' side of one layer, made ready once for all networks.

    Attributes:
      side: what it was made from.
      y: [b, o, k] the rows compared; for images [b, k, 12, t].
      mask: [b, o] bool; for images [b, t].
      cross_bkk: [b, k, k] sums of products of the rows with each other, in each clip.
      centre: "clip", or "none" where classes' means are removed already.
      image: compared by the geometry of frames.
      fold_gf: [12, f] weights that fold a map's bands into pitch classes, or None.
      class_b: [b] the class of each clip, for the clip view.
    """

    side: Side
    y: np.ndarray
    mask: np.ndarray
    cross_bkk: Any = None
    centre: str = "clip"
    image: bool = False
    fold_gf: Any = None
    class_b: Any = None

    def neurons(self, x_bon: np.ndarray) -> np.ndarray:
        """A network's side, made ready like the features' one: [b, o, n], or [b, n, f, t] for images."""
        if self.image or self.fold_gf is not None:
            maps = x_bon.reshape(len(x_bon), *self.side.shape_ft, -1)
            if self.image:
                return maps.transpose(0, 3, 1, 2)
            folded = np.einsum("gf,bftn->bgtn", self.fold_gf, maps)
            return folded.reshape(len(x_bon), -1, x_bon.shape[2])
        return x_bon if self.class_b is None else within_classes(x_bon, self.mask, self.class_b)

    def table(self, x_bon: np.ndarray) -> clip_sums.Table:
        """The sums in each clip of a network's neurons with all rows."""
        x = self.neurons(x_bon)
        if not self.image:
            return clip_sums.clip_sums(x, self.y, self.mask, centre=self.centre)
        return self.table_of(x)

    def table_of(self, x_bnft: np.ndarray) -> clip_sums.Table:
        """The table of images, by the geometry of their frames."""
        return clip_sums.clip_means(fast_cka.cka_scores(x_bnft, self.y, self.mask))

    def rows_of(self, part: Part) -> np.ndarray:
        """The rows that a part compares, on the observations' side: [b, o, k] or [b, k, 12, t]."""
        return self.y[:, list(part.rows)] if self.image else self.y[:, :, list(part.rows)]

    def neurons_of(self, part: Part, x_bon: np.ndarray) -> np.ndarray:
        """A network's side without what the part holds fixed."""
        x = self.neurons(x_bon)
        return x if part.given is None else without(x, self.y[:, :, part.given], self.mask, self.centre)

    def select(self, table: clip_sums.Table, part: Part) -> clip_sums.Table:
        """A part's table from that of all rows: its rows, the neurons without what is held fixed.

        Of neurons x - slope e every sum follows from those of x and of the row e.
        """
        rows = list(part.rows)
        if part.given is None:
            return clip_sums.Table(table.xy[:, :, rows], table.xx, table.yy[:, :, rows])
        xe, ee = table.xy[:, :, part.given], self.cross_bkk[:, part.given, part.given][:, None]
        slope = self.slope(table, part.given)
        xx = table.xx - 2 * slope * xe + slope**2 * ee
        xy = table.xy[:, :, rows] - slope[None, :, None] * self.cross_bkk[:, part.given, rows][:, None, :]
        # What a neuron that is the fixed row itself has left is rounding.
        left = (xx.sum(axis=0) > 1e-5 * table.xx.sum(axis=0)).astype(np.float64)
        return clip_sums.Table(xy, np.maximum(xx, 0.0) * left, table.yy[:, :, rows])

    def slope(self, table: clip_sums.Table, given: int) -> np.ndarray:
        """[n] of the regression of each neuron on the row `given`, over all clips."""
        square = self.cross_bkk[:, given, given].sum()
        return table.xy[:, :, given].sum(axis=0) / max(square, np.finfo(np.float64).tiny)


@functools.cache
def cka() -> Any:
    """The metric of frame geometry; one object, so that it compiles once."""
    return lookup.load("metric", "cka")


def target(role: str, side: Side, class_b: np.ndarray | None, seed: int) -> Target | str:
    """Makes a feature side ready; a line that says why where that is impossible."""
    y, mask = side.y_bok, side.mask_bo
    if role == "chroma":
        order = np.argsort(np.random.default_rng([seed, 9]).random(y.shape), axis=2)
        both = np.stack([y, np.take_along_axis(y, order, axis=2)], axis=1)
        return Target(side, both.transpose(0, 1, 3, 2), mask, image=True)
    if role == "folded":
        fold = fold_weights(side)
        cells = y.transpose(0, 2, 1).reshape(len(y), -1, 1)
        return fold if isinstance(fold, str) else Target(side, cells, np.tile(mask, (1, 12)), fold_gf=fold)
    if role == "parts":
        masks = 1.0 / (1.0 + 10.0 ** ((y[:, :, 1:2] - y[:, :, :1]) / 10.0))
        rows = [y[:, :, :2], without(masks, y[:, :, 2], mask, "clip"), y[:, :, 2:]]
        rest = {"centre": "clip"}
    else:
        classes = _classes(class_b, mask)
        y = within_classes(y, mask, classes)
        rows = [y, without(y[:, :, 1:2], y[:, :, 0], mask, "none")]
        rest = {"centre": "none", "class_b": classes}
    rows = np.concatenate(rows, axis=2)
    cross = clip_sums.clip_sums(rows, rows, mask, centre=rest["centre"]).xy
    return Target(side, rows, mask, cross, **rest)


def fold_weights(side: Side) -> np.ndarray | str:
    """[12, f] means over a map's bands of each pitch class, C first, or why there are none."""
    apart = observe.bands_apart(side)
    narrow = apart <= SEMITONE
    if narrow.sum() * np.median(apart[narrow]) < 12 * OCTAVES if narrow.any() else True:
        return (
            f"{side.layer}: its bands lie {np.median(apart):.1f} semitones apart (median), too wide to be "
            "folded into pitch classes"
        )
    hz = side.problem.layer_hz[np.flatnonzero(side.problem.layer_usable_f)]
    pitch = np.round(69 + 12 * np.log2(np.maximum(hz, 1e-3) / 440.0)).astype(int) % 12
    member = (pitch[None, :] == np.arange(12)[:, None]) & narrow[None, :]
    return (member / np.maximum(member.sum(axis=1, keepdims=True), 1)).astype(np.float32)


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


def without(values_bov: Any, nuisance_bo: Any, mask_bo: Any, centre: str) -> np.ndarray:
    """Values minus what one nuisance row explains linearly over all clips, after centring both."""
    sides = (jnp.asarray(values_bov), jnp.asarray(nuisance_bo)[:, :, None], jnp.asarray(mask_bo))
    return np.asarray(_without(*sides, centre=centre))


@functools.partial(compiled, static_argnames="centre")
def _without(values, nuisance, mask, *, centre):
    x, e = moments.centred(values, mask, centre), moments.centred(nuisance, mask, centre)
    before = (x**2).sum(axis=(0, 1))
    square = (e**2).sum()
    # Twice: where little is left, the second pass removes the first one's rounding.
    for _ in range(2):
        x = x - e * ((x * e).sum(axis=(0, 1)) / jnp.where(square > 0, square, 1.0))[None, None, :]
    left = (x**2).sum(axis=(0, 1))
    return jnp.where((left > 1e-8 * before)[None, None, :], x, 0.0)


def _classes(class_b: np.ndarray | None, mask_bo: np.ndarray) -> np.ndarray:
    if class_b is None:
        return np.zeros(len(mask_bo), int)
    return np.unique(class_b, return_inverse=True)[1]
