"""Chooses what is shown of each neuron: clips, neurons alike, and the class that it prefers."""

from collections.abc import Mapping, Sequence

import numpy as np

# Which clips of a neuron are shown, by how strongly they drive it.
ROLES = (
    ("strongest", 1.0),
    ("2nd", None),
    ("3rd", None),
    ("4th", None),
    ("three quarters", 0.75),
    ("median", 0.5),
    ("one quarter", 0.25),
    ("weakest", 0.0),
)
# Clips that have sounds and pictures, over all neurons.
MOST_CLIPS = 400
NEAREST = 6
BLOCK = 1024


def clips_of(means_bn: np.ndarray, pool: np.ndarray | None = None) -> np.ndarray:
    """[n, roles] the clips that drive each neuron most, least and between, of those in `pool`."""
    among = np.arange(len(means_bn)) if pool is None else pool
    order = among[np.argsort(-means_bn[among], axis=0, kind="stable")]
    last, ranks = len(order) - 1, []
    for place, (_, quantile) in enumerate(ROLES):
        ranks.append(min(place, last) if quantile is None else round((1.0 - quantile) * last))
    return order[ranks].T


def pool_of(means: Sequence[np.ndarray]) -> np.ndarray:
    """The clips that have sounds: those that most neurons want, if all are too many."""
    wanted = np.bincount(np.concatenate([clips_of(means_bn).ravel() for means_bn in means]))
    there = np.flatnonzero(wanted)
    if len(there) <= MOST_CLIPS:
        return there
    return np.sort(there[np.argsort(-wanted[there], kind="stable")[:MOST_CLIPS]])


def nearest(means: Mapping[str, np.ndarray]) -> dict[str, list[list[tuple[str, int, float]]]]:
    """Layer -> [n] the neurons of all layers whose means over clips correlate most with its own."""
    names = [(layer, n) for layer, means_bn in means.items() for n in range(means_bn.shape[1])]
    units = np.concatenate([_unit(means_bn) for means_bn in means.values()], axis=1)
    live = np.flatnonzero(np.square(units).sum(axis=0) > 0.5)
    alike: dict[str, list[list[tuple[str, int, float]]]] = {
        layer: [[] for _ in range(means_bn.shape[1])] for layer, means_bn in means.items()
    }
    for start in range(0, len(live), BLOCK):
        mine = live[start : start + BLOCK]
        r = units[:, mine].T @ units[:, live]
        r[np.arange(len(mine)), start + np.arange(len(mine))] = -np.inf
        best = np.argsort(-r, axis=1, kind="stable")[:, : min(NEAREST, len(live) - 1)]
        for row, i in enumerate(mine):
            layer, n = names[i]
            alike[layer][n] = [(*names[live[j]], float(r[row, j])) for j in best[row]]
    return alike


def class_effects(means_bn: np.ndarray, member_bc: np.ndarray) -> np.ndarray:
    """[n, c] how far a neuron's mean on a class lies above that on other clips, in deviations between clips.

    NaN for neurons that are constant, classes without clips, and classes that all clips have.
    """
    member = member_bc.astype(np.float64)
    inside, outside = member.sum(axis=0), (1 - member).sum(axis=0)
    deviation = means_bn.std(axis=0, dtype=np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        above = means_bn.T @ member / inside - means_bn.T @ (1 - member) / outside
        effects = above / deviation[:, None]
    return np.where(np.isfinite(effects), effects, np.nan)


def membership(labels: np.ndarray, classes: int) -> np.ndarray:
    """[b, c] bool of labels [b], or of several labels a clip [b, c]."""
    return labels.astype(bool) if labels.ndim == 2 else labels[:, None] == np.arange(classes)[None, :]


def _unit(means_bn: np.ndarray) -> np.ndarray:
    """Columns centred and of norm 1; zero where constant."""
    centred = means_bn - means_bn.mean(axis=0, dtype=np.float64)
    norm = np.sqrt(np.square(centred).sum(axis=0))
    varies = norm > 1e-6 * np.maximum(np.abs(means_bn).max(axis=0), 1e-30)
    return np.where(varies, centred / np.where(varies, norm, 1.0), 0.0).astype(np.float32)
