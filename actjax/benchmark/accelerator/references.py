"""The metrics of the table in float64 and NumPy, pair by pair: what their errors are measured against.

Each takes neurons x [n, o] and rows y [k, o] and returns [n, k]. Ranks of ties are averaged, as are the
memberships of soft_wpmi: of 20,000 normal float32 some tie. Elsewhere values are taken to be without ties.
"""

import math
from collections.abc import Callable

import numpy as np

# What the metrics take by default: the share that is active, bins, CLIP-Dissect's numbers of inputs.
ALPHA, BINS, TOP, SOFT_TOP, TOP_SHARE = 0.05, 8, 28, 100, 0.05
# Smaller probabilities count as this.
SMALLEST = 1e-7

Reference = Callable[[np.ndarray, np.ndarray], np.ndarray]


def pearson(x_no: np.ndarray, y_ko: np.ndarray) -> np.ndarray:
    """Pearson's r."""
    x_no, y_ko = (side - side.mean(1, keepdims=True) for side in (x_no, y_ko))
    return cosine(x_no, y_ko)


def cosine(x_no: np.ndarray, y_ko: np.ndarray) -> np.ndarray:
    """The cosine of the sides as they are."""
    x_no, y_ko = (side / np.linalg.norm(side, axis=1, keepdims=True) for side in (x_no, y_ko))
    return x_no @ y_ko.T


def cosine_cubed(x_no: np.ndarray, y_ko: np.ndarray) -> np.ndarray:
    """The cosine of the centred sides' cubes."""
    return cosine(*((side - side.mean(1, keepdims=True)) ** 3 for side in (x_no, y_ko)))


def spearman(x_no: np.ndarray, y_ko: np.ndarray) -> np.ndarray:
    """Pearson's r of the ranks."""
    return pearson(_places(x_no), _places(y_ko))


def auc(x_no: np.ndarray, y_ko: np.ndarray) -> np.ndarray:
    """The area under the ROC curve: the neurons' sets, the rows' ranks."""
    hot_no, places_ko = _active(x_no).astype(np.float64), _places(y_ko)
    inside = hot_no.sum(1, keepdims=True)
    below = hot_no @ places_ko.T - inside * (inside - 1) / 2
    return below / (inside * (x_no.shape[1] - inside))


def inverse_auc(x_no: np.ndarray, y_ko: np.ndarray) -> np.ndarray:
    """The same: the rows' sets, the neurons' ranks."""
    return auc(y_ko, x_no).T


def iou(x_no: np.ndarray, y_ko: np.ndarray) -> np.ndarray:
    """Intersection over union of the sets."""
    both, x, y = _table(x_no, y_ko)
    return both / (x + y - both)


def f1(x_no: np.ndarray, y_ko: np.ndarray) -> np.ndarray:
    """Twice the intersection over the sum of the sets' sizes."""
    both, x, y = _table(x_no, y_ko)
    return 2 * both / (x + y)


def recall(x_no: np.ndarray, y_ko: np.ndarray) -> np.ndarray:
    """The share of the neuron's set that the row's covers."""
    both, x, _ = _table(x_no, y_ko)
    return both / x


def balanced_accuracy(x_no: np.ndarray, y_ko: np.ndarray) -> np.ndarray:
    """The mean of the shares of the neuron's set, and of what is outside of it, on which the row agrees."""
    both, x, y = _table(x_no, y_ko)
    off = x_no.shape[1] - x
    return (both / x + (off - y + both) / off) / 2


def mutual_information(x_no: np.ndarray, y_ko: np.ndarray) -> np.ndarray:
    """Mutual information of eight bins of each side, in nats."""
    x, y = _bins(x_no), _bins(y_ko)
    count = x_no.shape[1]
    out = np.empty((len(x), len(y)))
    for i, j in np.ndindex(*out.shape):
        table = np.bincount(BINS * x[i] + y[j], minlength=BINS**2).reshape(BINS, BINS) / count
        expected = table.sum(1, keepdims=True) * table.sum(0, keepdims=True)
        some = table > 0
        out[i, j] = (table[some] * np.log(table[some] / expected[some])).sum()
    return out


def auprc(x_no: np.ndarray, y_ko: np.ndarray) -> np.ndarray:
    """Average precision of the rows' values in finding the neurons' sets."""
    hot = _active(x_no)
    order = np.argsort(-y_ko, axis=1)
    hits = np.cumsum(hot[:, order], axis=2)
    precision = hits / np.arange(1, x_no.shape[1] + 1)
    return (precision * hot[:, order]).sum(2) / hot.sum(1)[:, None]


def wpmi(x_no: np.ndarray, p_ko: np.ndarray) -> np.ndarray:
    """Mean log probability on the strongest inputs, less 0.6 of the log of its mean."""
    likely = np.log(np.maximum(p_ko, SMALLEST))[:, _strongest(x_no, TOP)].mean(2).T
    return likely - 0.6 * np.log(p_ko.mean(1))


def soft_wpmi(x_no: np.ndarray, p_ko: np.ndarray) -> np.ndarray:
    """The same with a membership that falls from 0.998 towards 0.97, less the log of the mean probability.

    Inputs that tie share their places: an eighth of neurons of 20,000 normal float32 has such among these.
    """
    taken = min(SOFT_TOP, x_no.shape[1] // 2)
    member = 0.998 - np.arange(taken) / taken * (0.998 - 0.97)
    likely = np.empty((len(x_no), len(p_ko)))
    for i, x_o in enumerate(x_no):
        falling = -np.sort(-x_o)
        inputs = np.flatnonzero(x_o >= falling[taken - 1])
        first, end = (np.searchsorted(-falling, -x_o[inputs], side) for side in ("left", "right"))
        place = np.arange(taken)
        shares = ((place >= first[:, None]) & (place < end[:, None])) / (end - first)[:, None]
        log_p = np.log1p(member * (p_ko[:, inputs, None] - 1))
        likely[i] = (log_p * shares).sum((1, 2)) / taken
    return likely - np.log(p_ko.mean(1))


def rank_reorder(x_no: np.ndarray, p_ko: np.ndarray) -> np.ndarray:
    """Minus the error of the strongest activations in the row's order, by that of a random order.

    Inputs that the row ranks alike stay in their order: of 50,000 float32 probabilities some are equal.
    """
    count = max(2, int(TOP_SHARE * x_no.shape[1]))
    out = np.empty((len(x_no), len(p_ko)))
    for i, x_o in enumerate(x_no):
        where = np.sort(np.argsort(-x_o, kind="stable")[:count])
        largest = x_o[where]
        chance = np.mean(np.abs(largest[:, None] - largest[None, :]) ** 3)
        for j, p_o in enumerate(p_ko):
            there = p_o[where]
            moved = np.empty_like(largest)
            moved[np.argsort(there, kind="stable")] = np.sort(largest)
            error = np.mean(np.abs(largest - moved) ** 3)
            out[i, j] = -error / chance / np.sqrt(there.mean())
    return out


def distance_correlation(x_no: np.ndarray, y_ko: np.ndarray) -> np.ndarray:
    """Distance correlation from the whole matrices of distances."""
    x, y = ([_centred_distances(side_o) for side_o in side] for side in (x_no, y_ko))
    covariance = np.array([[(a * b).mean() for b in y] for a in x])
    variance = np.outer([(a * a).mean() for a in x], [(b * b).mean() for b in y])
    return np.sqrt(np.maximum(covariance, 0) / np.sqrt(variance))


def kendall(x_no: np.ndarray, y_ko: np.ndarray) -> np.ndarray:
    """Kendall's tau from all pairs of observations."""
    o = x_no.shape[1]
    x, y = (
        np.stack([np.sign(side_o[:, None] - side_o[None, :]).ravel() for side_o in side])
        for side in (x_no, y_ko)
    )
    return x @ y.T / (o * (o - 1))


def quantile_probabilities(y_ko: np.ndarray) -> np.ndarray:
    """(rank - 1/2) / o of each value in its row, ranks counted from 1."""
    return (_places(y_ko) + 0.5) / y_ko.shape[1]


def _places(side: np.ndarray) -> np.ndarray:
    """Places in ascending order, from 0, in float64; what ties takes the mean of its places."""
    places = np.empty(side.shape)
    for row_o, place_o in zip(side, places, strict=True):
        ascending = np.sort(row_o)
        first, end = (np.searchsorted(ascending, row_o, where) for where in ("left", "right"))
        place_o[:] = (first + end - 1) / 2
    return places


def _active(side: np.ndarray) -> np.ndarray:
    taken = math.ceil(ALPHA * side.shape[1])
    return side >= np.sort(side, axis=1)[:, -taken][:, None]


def _table(x_no: np.ndarray, y_ko: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """How many observations are active on both sides [n, k], on x [n, 1] and on y [1, k]."""
    x, y = (_active(side).astype(np.float64) for side in (x_no, y_ko))
    return x @ y.T, x.sum(1)[:, None], y.sum(1)[None, :]


def _bins(side: np.ndarray) -> np.ndarray:
    places = [i * side.shape[1] // BINS for i in range(1, BINS)]
    edges = np.sort(side, axis=1)[:, places]
    return (side[:, :, None] >= edges[:, None, :]).sum(2)


def _strongest(x_no: np.ndarray, count: int) -> np.ndarray:
    """[n, count] the observations of the largest values, the largest first; at most half of all."""
    return np.argsort(-x_no, axis=1)[:, : min(count, x_no.shape[1] // 2)]


def _centred_distances(side_o: np.ndarray) -> np.ndarray:
    distances = np.abs(side_o[:, None] - side_o[None, :])
    rows = distances.mean(1, keepdims=True)
    return distances - rows - rows.T + distances.mean()
