"""Measures how often nulls reject on data where nothing is to be found.

rows = calibration.table()                              # five families x three nulls
rows += calibration.mismatched(x_bon, y_bok, ...)       # real neurons against other recordings
"""

import collections
import functools
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from actjax.statistics import families, moments, nulls, permutations, simulated
from actjax.statistics.requirements import StatisticsError, check_replicates

# Replicates of each test. (R + 1) * 0.05 just above an integer: p < 0.05 has probability 0.0498.
REPLICATES = 200
# Null sets drawn and tested at a time.
BATCH = 50


class Rate(NamedTuple):
    """How often a null's max-T p over a set of pairs fell below the level.

    Attributes:
      family: what the null sets are.
      null: one of `permutations.NULLS`.
      sets: number of null sets.
      rate: share of sets with a rejection; `level` if the null is calibrated.
      low, high: the rate's 95 % interval (Wilson).
    """

    family: str
    null: str
    sets: int
    rate: float
    low: float
    high: float


class Discoveries(NamedTuple):
    """False discoveries among rejections at a q, with plants present.

    Attributes:
      sets: number of sets.
      proportion: mean over sets of false / all rejections (0 where there is none).
      std_error: of that mean.
      power: mean share of related pairs that are found.
    """

    sets: int
    proportion: float
    std_error: float
    power: float


def table(
    *,
    sets: int = 1000,
    replicates: int = REPLICATES,
    level: float = 0.05,
    seed: int = 0,
    families_of: Sequence[str] = tuple(simulated.FAMILIES),
    kinds: Sequence[str] = permutations.NULLS,
    design: simulated.Design = simulated.Design(),  # noqa: B008 (frozen)
) -> list[Rate]:
    """Rejection rates of each null on each family, on the same null sets.

    Args:
      sets: null sets in each family.
      replicates: R of each test.
      level: a set counts as rejected if its smallest max-T p is below.
      seed: fixes data and draws.
      families_of: names from `simulated.FAMILIES`.
      kinds: names from `permutations.NULLS`.
      design: the size of a null set.
    """
    check_replicates(replicates, level)
    rows = []
    for number, name in enumerate(families_of):
        rejected: collections.Counter[str] = collections.Counter()
        for batch, size in enumerate(_batches(sets)):
            rng = np.random.default_rng([seed, 5, number, batch])
            sides = simulated.draw(name, design, size, rng)
            test = _Test(replicates, level, simulated.FAMILIES[name][1])
            rejected.update(_rejected(sides, design.class_ids, kinds, test, rng))
        rows += [rate(name, kind, rejected[kind], sets) for kind in kinds]
    return rows


def mismatched(
    x_bon: np.ndarray,
    y_bok: np.ndarray,
    recording_ids: Sequence[Any] | np.ndarray,
    class_ids: Sequence[Any] | np.ndarray,
    *,
    sets: int = 1000,
    replicates: int = REPLICATES,
    level: float = 0.05,
    seed: int = 0,
    kinds: Sequence[str] = permutations.NULLS,
    centre: str = "clip",
) -> list[Rate]:
    """Rejection rates on real neurons against the features of other recordings of the same class.

    For every set each class is divided at random into recordings that lend their neurons and recordings
    that lend their features, paired at random: nothing in a pair belongs together but the class.

    Args:
      x_bon: [b, o, n] real neurons, all observations valid.
      y_bok: [b, o, k] real feature rows.
      recording_ids, class_ids: [b]; the first clip of each recording is used.
      sets, replicates, level, seed, kinds: as in `table`.
      centre: as in `nulls.moment_null`.
    """
    check_replicates(replicates, level)
    if lacking := too_few_recordings(recording_ids, class_ids):
        raise StatisticsError(lacking)
    members = _first_clips(recording_ids, class_ids)
    labels = np.repeat(np.arange(len(members)), [len(clips) // 2 for clips in members])
    rejected: collections.Counter[str] = collections.Counter()
    for batch, size in enumerate(_batches(sets, 10)):
        rng = np.random.default_rng([seed, 6, batch])
        of_x, of_y = _mismatched_clips(members, size, rng)
        test = _Test(replicates, level, centre)
        rejected.update(_rejected((x_bon[of_x], y_bok[of_y]), labels, kinds, test, rng))
    return [rate("mismatched clips", kind, rejected[kind], sets) for kind in kinds]


def too_few_recordings(
    recording_ids: Sequence[Any] | np.ndarray, class_ids: Sequence[Any] | np.ndarray
) -> str | None:
    """Says why the clips cannot be mismatched, or None: each class lends recordings to both sides."""
    fewest = min(map(len, _first_clips(recording_ids, class_ids)))
    if fewest >= 4:
        return None
    return f"mismatched clips need at least 4 recordings in every class, one class has {fewest}"


def false_discoveries(
    *,
    sets: int = 1000,
    replicates: int = REPLICATES,
    q: float = 0.1,
    seed: int = 0,
    design: simulated.Design = simulated.Design(neurons=16, rows=8),  # noqa: B008
) -> Discoveries:
    """False discovery proportion of the within-class null with half of the neurons planted."""
    clips = np.arange(design.clips)
    proportions, powers = [], []
    for batch, size in enumerate(_batches(sets)):
        x, y, related = simulated.plants(design, size, np.random.default_rng([seed, 7, batch]))
        for i in range(size):
            draws = permutations.within_class(
                clips, design.class_ids, replicates=replicates, seed=seed + batch * BATCH + i
            )
            null = nulls.moment_null(x[i], y[i], np.ones(x[i].shape[:2], bool), draws)
            rejected = families.correct([null])[0].q <= q
            proportions.append((rejected & ~related).sum() / max(rejected.sum(), 1))
            powers.append(rejected[related].mean())
    spread = np.std(proportions, ddof=1) / np.sqrt(sets)
    return Discoveries(sets, float(np.mean(proportions)), float(spread), float(np.mean(powers)))


def rate(family: str, null: str, rejected: int, sets: int) -> Rate:
    """A rejection rate with its Wilson interval at 95 %."""
    share, z = rejected / sets, 1.959964
    centre = (share + z**2 / (2 * sets)) / (1 + z**2 / sets)
    half = z / (1 + z**2 / sets) * np.sqrt(share * (1 - share) / sets + z**2 / (4 * sets**2))
    return Rate(family, null, sets, share, float(centre - half), float(centre + half))


def _first_clips(
    recording_ids: Sequence[Any] | np.ndarray, class_ids: Sequence[Any] | np.ndarray
) -> list[np.ndarray]:
    """For each class the first clip of each of its recordings."""
    first_b = np.unique(np.asarray(recording_ids), return_index=True)[1]
    classes = np.asarray(class_ids)[first_b]
    return [first_b[classes == label] for label in np.unique(classes)]


def _mismatched_clips(
    members: list[np.ndarray], sets: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """[s, b] clips that lend their neurons and [s, b] those that lend their features, class after class."""
    halves = []
    for clips in members:
        orders = clips[permutations.random_orders(rng, sets, len(clips))]
        halves.append(np.split(orders[:, : len(clips) // 2 * 2], 2, axis=1))
    of_x, of_y = (np.concatenate(side, axis=1) for side in zip(*halves, strict=True))
    return of_x, of_y


class _Test(NamedTuple):
    """One test of a set: its replicates, its level, and how scores are centred."""

    replicates: int
    level: float
    centre: str


def _rejected(
    sides: tuple[np.ndarray, np.ndarray],
    class_ids: np.ndarray,
    kinds: Sequence[str],
    test: _Test,
    rng: np.random.Generator,
) -> dict[str, int]:
    """Null -> how many of the sets x [s, b, t, n], y [s, b, t, k] have a smallest max-T p below the level."""
    counts = {}
    for kind in kinds:
        draws = _draws(kind, class_ids, len(sides[0]), test.replicates, sides[0].shape[2], rng)
        shifts = kind == "circular_shift"
        smallest_s = _smallest_p(*sides, *draws, centre=test.centre, shifts=shifts)
        counts[kind] = int((np.asarray(smallest_s) < test.level).sum())
    return counts


def _batches(sets: int, size: int = BATCH) -> list[int]:
    return [min(size, sets - first) for first in range(0, sets, size)]


def _draws(
    kind: str, class_ids: np.ndarray, sets: int, replicates: int, frames: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """What each clip can meet, [b, j], and which it meets, [s, 1 + r, b], the observed pairing first.

    For shifts, the j-th alternative of clip b is its own feature rotated by j frames.
    """
    clips = len(class_ids)
    if kind == "circular_shift":
        partner_bj = np.arange(clips * frames, dtype=np.int32).reshape(clips, frames)
        slot_srb = rng.integers(0, frames, (sets, replicates + 1, clips), dtype=np.int32)
        slot_srb[:, 0] = 0
        return partner_bj, slot_srb
    groups = np.zeros(clips, int) if kind == "unrestricted" else class_ids
    members = [np.flatnonzero(groups == label) for label in np.unique(groups)]
    partner_bj = np.zeros((clips, max(map(len, members))), np.int32)
    slot_srb = np.zeros((sets, replicates + 1, clips), np.int32)
    for group in members:
        partner_bj[group, : len(group)] = group
        orders = permutations.random_orders(rng, sets * replicates, len(group))
        slot_srb[:, 1:, group] = orders.reshape(sets, replicates, len(group))
        slot_srb[:, 0, group] = np.arange(len(group))
    return partner_bj, slot_srb


@functools.partial(jax.jit, static_argnames=("centre", "shifts"))
def _smallest_p(
    x_sbon: jax.Array,
    y_sbok: jax.Array,
    partner_bj: jax.Array,
    slot_srb: jax.Array,
    *,
    centre: str,
    shifts: bool,
) -> jax.Array:
    """[s] the smallest max-T p of each set."""

    def of_set(arguments: tuple[jax.Array, jax.Array, jax.Array]) -> jax.Array:
        x, y, slot = arguments
        mask = jnp.ones(x.shape[:2], bool)
        x, y = moments.centred(x, mask, centre), moments.centred(y, mask, centre)
        if shifts:
            turns = jnp.arange(y.shape[1])
            frame = (turns[None, :] - turns[:, None]) % y.shape[1]
            y = y[:, frame].reshape(-1, *y.shape[1:])
            mask = jnp.ones(y.shape[:2], bool)
        weights = jax.nn.one_hot(slot, partner_bj.shape[1], dtype=x.dtype)
        sums = moments.by_clip_pairs(
            x, y, mask, partner_bj, weights, centre=centre, joint=False, block=len(x)
        )
        statistics = families.studentise(moments.correlation(sums), signed=True)
        return jnp.nanmin(families.max_t_p(statistics))

    return jax.lax.map(of_set, (x_sbon, y_sbok, slot_srb))
