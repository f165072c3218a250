"""What every metric on vectors should give at any size, in float64, in time that grows as o log o."""

import functools
import math

import numpy as np
import scipy.stats
from sklearn import metrics as sk

# Of the cells of a table: both, neuron only, concept only, neither.
X_SIDE, Y_SIDE = np.array([1, 1, 0, 0]), np.array([1, 0, 1, 0])
FOLDS, PENALTIES = 5, (1e-4, 1e-3, 1e-2, 0.1, 1.0, 10.0, 100.0)


def sides(o, seed=0):
    """x [o, 2], y [o, 2] and nuisances z [o, 1], float32: related both ways, some rounded to many ties."""
    rng = np.random.default_rng(seed)
    common, noise = rng.standard_normal((o, 1), np.float32), rng.standard_normal((o, 5), np.float32)
    x = np.array([[0.7, -0.6]], np.float32) * common + noise[:, :2]
    y = np.array([[0.5, 0.8]], np.float32) * common + noise[:, 2:4]
    x[:, 1] = np.round(20 * x[:, 1]) / 16 + 32
    y[:, 1] = np.round(10 * y[:, 1])
    return x, y, noise[:, 4:] + common / 2


class Side:
    """One column in float64, and what several references need of it, made once."""

    def __init__(self, values):
        self.values = np.asarray(values, np.float64)

    @functools.cached_property
    def centred(self):
        return self.values - self.values.mean()

    @functools.cached_property
    def ranks(self):
        return scipy.stats.rankdata(self.values)

    @functools.cached_property
    def probability(self):
        return (self.ranks - 0.5) / len(self.values)

    @functools.cached_property
    def ordered(self):
        return np.sort(self.values)

    @functools.cached_property
    def top(self):
        """The ceil(n / 20) largest and all that tie; those above the smallest value if all tie."""
        o = len(self.values)
        cutoff, lowest = self.ordered[o - max(-(-o // 20), 1)], self.ordered[0]
        return self.values >= cutoff if cutoff > lowest else self.values > lowest

    @functools.cached_property
    def bins(self):
        o = len(self.values)
        edges = self.ordered[[i * o // 8 for i in range(1, 8)]]
        above = [self.values >= e if e > self.ordered[0] else self.values > e for e in edges]
        return np.sum(above, axis=0)


def cosine(a, b):
    return (a @ b) / math.sqrt((a @ a) * (b @ b))


def without(side, z):
    design = np.column_stack([z, np.ones(len(z))]).astype(np.float64)
    return side.values - design @ np.linalg.lstsq(design, side.values)[0]


def cells(x, y):
    both, of_x, of_y = np.count_nonzero(x.top & y.top), np.count_nonzero(x.top), np.count_nonzero(y.top)
    return np.array([both, of_x - both, of_y - both, len(x.top) - of_x - of_y + both])


def of_table(fn):
    return lambda x, y, z: fn(X_SIDE, Y_SIDE, sample_weight=cells(x, y))


def quality_ratio(x, y, z):
    table = cells(x, y)
    share = table[table > 0] / table.sum()
    return information(table.reshape(2, 2)) / -np.sum(share * np.log(share))


def information(table):
    return sk.mutual_info_score(None, None, contingency=table)


def mutual_information(x, y, z):
    return information(np.bincount(x.bins * 8 + y.bins, minlength=64).reshape(8, 8))


def area(chosen, ranked):
    size = np.count_nonzero(chosen.top)
    above = ranked.ranks[chosen.top].sum() - size * (size + 1) / 2
    return above / (size * (len(chosen.top) - size))


def precision(chosen, ranked):
    """Average precision: scikit-learn's sum over thresholds, by the ranks that are known."""
    reach = len(chosen.top) + 1 - (scipy.stats.rankdata(ranked.values, "min"))[chosen.top]
    reach, count = np.unique(reach, return_counts=True)
    return np.sum(count * np.cumsum(count) / reach) / count.sum()


def weighted_top(x, terms):
    """The mean over k places of terms(places [i], inputs [j]), those that tie sharing their places."""
    k = terms.k
    smallest = x.ordered[-k]
    inputs = np.flatnonzero(x.values >= smallest)
    inputs = inputs[np.argsort(-x.values[inputs], kind="stable")]
    total, first = 0.0, 0
    while first < k:
        tied = inputs[x.values[inputs] == x.values[inputs[first]]]
        places = np.arange(first, min(first + len(tied), k))
        total += terms(places, tied).sum() / len(tied)
        first += len(tied)
    return total / k


class Likelihoods:
    """log(1 + m_i (p_j - 1)) [i, j], or log p_j where every m is 1."""

    def __init__(self, y, k, member):
        self.k, self.log = k, lambda i, j: np.log(1 + member(i, k)[:, None] * (y.probability[j] - 1))

    def __call__(self, places, inputs):
        return self.log(places, inputs)


def wpmi(x, y, z):
    k = min(28, max(len(x.values) // 2, 1))
    terms = Likelihoods(y, k, lambda i, k: np.ones(len(i)))
    return weighted_top(x, terms) - 0.6 * np.log(y.probability.mean())


def soft_wpmi(x, y, z):
    k = min(100, max(len(x.values) // 2, 1))
    terms = Likelihoods(y, k, lambda i, k: 0.998 - i / k * (0.998 - 0.97))
    return weighted_top(x, terms) - np.log(y.probability.mean())


def rank_reorder(x, y, z):
    o = len(x.values)
    t = max(2, o // 20)
    top = np.argsort(-x.values, kind="stable")[:t]
    a, p = x.values[top], y.probability[top]
    if p.max() == p.min() or a.max() == a.min():
        return np.nan
    given = np.empty(t)
    given[np.lexsort((top, p))] = np.sort(a)
    rising = np.sort(a - a.min())
    i, sums = np.arange(t), [np.cumsum(rising**q) - rising**q for q in range(4)]
    cubes = rising**3 * i - 3 * rising**2 * sums[1] + 3 * rising * sums[2] - sums[3]
    return -np.mean(np.abs(a - given) ** 3) / (2 * cubes.sum() / t**2 * math.sqrt(p.mean()))


def top_and_random(of):
    def reference(x, y, z):
        import jax

        from actjax.similarity.families.sampled import random_order

        order = np.asarray(random_order(np.ones(len(x.values), bool), jax.random.key(0))[0])
        top = order[np.argsort(-x.values[order], kind="stable")[:25]]
        sample = np.concatenate([top, order[:25]])
        return of(x.values[sample], y.values[sample])[0]

    return reference


def earlier_and_smaller(values, *weights):
    """For each entry the sums of weights of the entries before it whose value is smaller; by merging."""
    o = len(values)
    found = [np.zeros(o) for _ in weights]
    order, size = np.arange(o), 1
    while size < o:
        # Blocks of two halves, each half sorted; ties: the right half's first, so that they do not count.
        block = np.arange(o) // (2 * size)
        right = (order // size) % 2
        order = order[np.lexsort((1 - right, values[order], block))]
        right = (order // size) % 2 == 1
        for out, weight in zip(found, weights, strict=True):
            left = np.cumsum(np.where(right, 0.0, weight[order]))
            start = (np.arange(o) // (2 * size)) * 2 * size
            before = np.where(start > 0, left[start - 1], 0.0)
            out[order[right]] += (left - before)[right]
        size *= 2
    return found


def distance_correlation(x, y, z):
    """dCor by sorting (X. Huo, G. Székely, 2016): sums over pairs from sums over smaller entries."""
    order = np.argsort(x.values, kind="stable")
    a, b = x.centred[order], y.centred[order]
    o = len(a)

    def products(a, b):
        # sum over i < j of (a_j - a_i) |b_j - b_i|, a rising; pairs that tie in b add 0, whatever their sign.
        ones = np.ones(o)
        below = earlier_and_smaller(b, ones, a, b, a * b)
        every = [np.cumsum(w) - w for w in (ones, a, b, a * b)]
        signed = [2 * s - t for s, t in zip(below, every, strict=True)]
        return np.sum(a * b * signed[0] - b * signed[1] - a * signed[2] + signed[3])

    def rows(values):
        rank = np.argsort(np.argsort(values, kind="stable"), kind="stable")
        rising = np.sort(values)
        before = np.cumsum(rising) - rising
        sums = rising * (2 * np.arange(o) - o) + rising.sum() - 2 * before
        return sums[rank]

    def inner(cross, rows_a, rows_b):
        return 2 * cross / o**2 - 2 * (rows_a @ rows_b) / o**3 + rows_a.sum() * rows_b.sum() / o**4

    squares_a, squares_b = (o * (v @ v) - v.sum() ** 2 for v in (a, b))
    rows_a, rows_b = rows(a), rows(b)
    ab = inner(products(a, b), rows_a, rows_b)
    return math.sqrt(ab / math.sqrt(inner(squares_a, rows_a, rows_a) * inner(squares_b, rows_b, rows_b)))


def max_ncc(x, y, z):
    o, best = len(x.values), -np.inf
    for lag in range(-8, 9):
        if o - abs(lag) < max(o / 2, 3):
            continue
        a = x.centred[max(lag, 0) : o + min(lag, 0)]
        b = y.centred[max(-lag, 0) : o + min(-lag, 0)]
        best = max(best, cosine(a - a.mean(), b - b.mean()))
    return best


def ridge(x, ys):
    """R2 of nested cross-validated ridge regression, from moments of the folds in float64."""
    y = np.stack([side.centred / side.values.std() for side in ys], 1)
    target, o = x.centred, len(x.values)
    fold = np.arange(o) // -(-o // FOLDS)
    parts = [np.flatnonzero(fold == p) for p in range(FOLDS)]
    ends = [(part[0], part[-1] + 1) for part in parts]

    def moments(start, stop):
        every = np.column_stack([y[start:stop], target[start:stop], np.ones(stop - start)])
        return every.T @ every

    sums = [moments(*end) for end in ends]

    def fit(folds, penalty):
        total = sum(sums[p] for p in folds)
        count, mean = total[-1, -1], total[-1, :-1] / total[-1, -1]
        scatter = total[:-1, :-1] - count * np.outer(mean, mean)
        weights = np.linalg.solve(scatter[:-1, :-1] + penalty * o * np.eye(len(ys)), scatter[:-1, -1])
        return np.append(weights, [-1.0, mean[-1] - mean[:-1] @ weights])

    def error(folds, penalty, p):
        w = fit(folds, penalty)
        return w @ sums[p] @ w

    total = 0.0
    for p in range(FOLDS):
        train = [q for q in range(FOLDS) if q != p]
        inner = [sum(error([r for r in train if r != q], c, q) for q in train) for c in PENALTIES]
        total += error(train, PENALTIES[int(np.argmin(inner))], p)
    return 1 - total / (target @ target)


PAIRS = {
    "pearson": lambda x, y, z: scipy.stats.pearsonr(x.values, y.values)[0],
    "partial_pearson": lambda x, y, z: scipy.stats.pearsonr(without(x, z), without(y, z))[0],
    "cosine": lambda x, y, z: cosine(x.values, y.values),
    "cosine_cubed": lambda x, y, z: cosine(x.centred**3, y.centred**3),
    "spearman": lambda x, y, z: scipy.stats.pearsonr(x.ranks, y.ranks)[0],
    "kendall": lambda x, y, z: scipy.stats.kendalltau(x.values, y.values)[0],
    "distance_correlation": distance_correlation,
    "mutual_information": mutual_information,
    "information_quality_ratio": quality_ratio,
    "iou": of_table(sk.jaccard_score),
    "f1": of_table(sk.f1_score),
    # Named as the neuron's share and the concept's, the reverse of scikit-learn's.
    "recall": of_table(sk.recall_score),
    "precision": of_table(sk.precision_score),
    "accuracy": of_table(sk.accuracy_score),
    "balanced_accuracy": of_table(sk.balanced_accuracy_score),
    "inverse_balanced_accuracy": lambda x, y, z: of_table(sk.balanced_accuracy_score)(y, x, z),
    "auc": lambda x, y, z: area(x, y),
    "inverse_auc": lambda x, y, z: area(y, x),
    "auprc": lambda x, y, z: precision(x, y),
    "inverse_auprc": lambda x, y, z: precision(y, x),
    "mean_activation_difference": lambda x, y, z: x.centred[y.top].mean() - x.centred[~y.top].mean(),
    "wpmi": wpmi,
    "soft_wpmi": soft_wpmi,
    "rank_reorder": rank_reorder,
    "pearson_top_and_random": top_and_random(scipy.stats.pearsonr),
    "spearman_top_and_random": top_and_random(scipy.stats.spearmanr),
    "max_ncc": max_ncc,
}


class Reference:
    """The sides of one size and the scores they should have, [2, 2] ([2, 1] of ridge)."""

    def __init__(self, x, y, z):
        self.x, self.y, self.z = x, y, z
        self._x, self._y = [[Side(v) for v in side.T] for side in (x, y)]

    def score(self, name):
        if name == "ridge":
            return np.array([[ridge(x, self._y)] for x in self._x])
        return np.array([[PAIRS[name](x, y, self.z) for y in self._y] for x in self._x])
