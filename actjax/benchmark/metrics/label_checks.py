"""Two checks that every metric is put through: a concept that misses labels, and one that has too many.

A neuron is its concept exactly. Then half of the concept's positives lose their label, or as many
negatives gain one; a sound metric falls in both cases (T. Oikarinen, G. Yan, T.-W. Weng, "Evaluating Neuron
Explanations: A Unified Framework with Sanity Checks", 2025).

A score of two binary sides depends on their 2 x 2 table alone, and here the table on one count: how many
labels are kept, or added. So the metric's own code runs on a few of the counts that were drawn, and the
scores of all other draws are read between them. Metrics that sample run on independent draws instead.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from tqdm import tqdm

from actjax.benchmark.metrics.published import PUBLISHED
from actjax.similarity import api
from actjax.types import Metric

GAMMAS = (0.499, 0.1, 0.01, 0.001, 0.0001)
CHECKS = ("missing", "extra")
# Concepts scored per check: one shape for all, so that each metric is compiled once.
COLUMNS = 13
# Of the metric's range; the published threshold of a decrease.
DECREASE = -0.001
CONTINUOUS = -1.0  # stands for gamma in the rows of the continuous version


class Draws(NamedTuple):
    """A check at one frequency: who is active, and what was drawn.

    Attributes:
      x_o1: [o, 1] the neuron, and the concept before.
      counts_s: [s] the number of labels kept or added, one a seed.
      nodes_q: [q] some of these counts, sorted.
      y_oq: [o, q] the concepts of `nodes_q` and, last, the concept before.
      drawn_oq: [o, q] concepts of independent draws and, last, the concept before.
    """

    x_o1: np.ndarray
    counts_s: np.ndarray
    nodes_q: np.ndarray
    y_oq: np.ndarray
    drawn_oq: np.ndarray


def run(
    entries: Mapping[str, Metric],
    *,
    seed: int,
    seeds: int = 1000,
    inputs: int = 500_000,
    quadratic_inputs: int = 2000,
) -> list[dict[str, Any]]:
    """Both checks of every metric at every frequency, and the continuous version.

    Args:
      entries: label -> metric; metrics that do not observe vectors are left out.
      seed: of all draws.
      seeds: how many times labels are drawn.
      inputs: number of observations.
      quadratic_inputs: the same for the continuous version of metrics that compare all pairs of them.

    Returns:
      Rows with metric, check, gamma (CONTINUOUS: not binary), before, after (mean scores), delta (mean
      change over the width of the metric's range; plain where that is infinite), decrease (share of the
      seeds in which it fell by more than 0.001), auroc (before against after: 1 if it always falls),
      published (mean delta, NaN where there is none), seeds, inputs, seconds. A metric that is undefined
      has NaN there.
    """
    rng = np.random.default_rng(seed)
    sampled = {label: samples(metric) for label, metric in entries.items() if metric.observes == "vector"}
    fit = {label: entries[label] for label, found in sampled.items() if found is not None}
    rows = []
    binary = _binary_draws(rng, seeds, inputs)
    total = len(GAMMAS) * len(CHECKS)
    for check, gamma, draws in tqdm(binary, desc="label checks", total=total, disable=None):
        for label, metric in fit.items():
            start = time.perf_counter()
            before, after = _binary_scores(metric, draws, check, sampled[label])
            rows.append(_row(label, metric, check, gamma, before, after, inputs, time.perf_counter() - start))
    for check, x_o1, y_oq in _continuous_draws(rng, inputs):
        for label, metric in fit.items():
            start = time.perf_counter()
            taken = quadratic_inputs if metric.cost == "quadratic" else inputs
            scores = score_columns(metric, x_o1[:taken], y_oq[:taken])
            took = time.perf_counter() - start
            rows.append(_row(label, metric, check, CONTINUOUS, scores[-1:], scores[:-1], taken, took))
    return rows


def score_columns(metric: Metric, x_o1: np.ndarray, y_oq: np.ndarray) -> np.ndarray:
    """[q] the neuron against each column; metrics that take all rows as one feature get them one by one."""
    if metric.level == "feature":
        folds = np.arange(len(x_o1)) % 5
        parts = [api.score(x_o1, y_oq[:, [q]], metric, folds=folds)[0] for q in range(y_oq.shape[1])]
        return np.concatenate(parts)
    # As two equal neurons: a tile of pairs always has several.
    return api.score(np.repeat(x_o1, 2, axis=1), y_oq, metric)[0]


def samples(metric: Metric) -> bool | None:
    """True if the score of binary sides depends on the seed; None if the metric needs more than two sides."""
    rng = np.random.default_rng(0)
    x = (rng.random((400, 1)) < 0.3).astype(np.float32)
    y = np.where(rng.random((400, 2)) < 0.3, 1 - x, x)
    try:
        one, other = (api.score(np.repeat(x, 2, axis=1), y, metric, seed=seed) for seed in (1, 2))
    except ValueError:
        return None
    return not np.array_equal(one, other, equal_nan=True)


def phi(both: Any, x: Any, y: Any, count: int) -> Any:
    """Pearson's r of two binary sides from their table: both active, x active, y active, all."""
    both, x, y = (np.asarray(a, float) for a in (both, x, y))
    with np.errstate(invalid="ignore", divide="ignore"):
        return (count * both - x * y) / np.sqrt(x * (count - x) * y * (count - y))


# Metrics whose time grows with the square of the observations, on binary sides: tau-b is phi, and the
# doubly centred distances are -2 (x_i - mean) (x_j - mean), so distance correlation is |phi|.
TABLES: Mapping[str, Callable[..., Any]] = {
    "kendall": phi,
    "distance_correlation": lambda *table: np.abs(phi(*table)),
}


def _binary_scores(metric: Metric, draws: Draws, check: str, sampled: bool):
    """(before [1], after [seeds])."""
    positives, count = int(draws.x_o1.sum()), len(draws.x_o1)
    if metric.name in TABLES and not metric.options.get("debiased", False):
        table = TABLES[metric.name]
        if check == "missing":
            after = table(draws.counts_s, positives, draws.counts_s, count)
        else:
            after = table(positives, positives, positives + draws.counts_s, count)
        return np.asarray([table(positives, positives, positives, count)]), after
    if sampled:
        scores = score_columns(metric, draws.x_o1, draws.drawn_oq)
        return scores[-1:], scores[:-1]
    scores = score_columns(metric, draws.x_o1, draws.y_oq)
    return scores[-1:], _between(draws.counts_s, draws.nodes_q, scores[:-1])


def _binary_draws(rng, seeds: int, inputs: int) -> Iterator[tuple[str, float, Draws]]:
    for gamma in GAMMAS:
        positives = max(2, int(gamma * inputs))
        order = rng.permutation(inputs)
        x_o = np.zeros(inputs, np.float32)
        x_o[order[:positives]] = 1
        for check in CHECKS:
            left, share = positives, 0.5
            if check == "extra":
                left, share = inputs - positives, positives / (inputs - positives)
            counts = rng.binomial(left, share, seeds)
            # More of them where more of the draws are.
            nodes = np.quantile(counts, np.linspace(0, 1, COLUMNS), method="nearest")
            independent = rng.choice(counts, COLUMNS)
            sides = [_concepts(rng, x_o, order, positives, c, check) for c in (nodes, independent)]
            yield check, gamma, Draws(x_o[:, None], counts, nodes, *sides)


def _concepts(rng, x_o, order, positives: int, counts: Sequence[int], check: str) -> np.ndarray:
    """[o, q + 1] concepts with so many labels kept or added at random, then the concept itself."""
    y_oq = np.repeat(x_o[:, None], len(counts) + 1, axis=1)
    for q, count in enumerate(counts):
        if check == "missing":
            y_oq[rng.permutation(order[:positives])[int(count) :], q] = 0
        else:
            y_oq[rng.choice(order[positives:], int(count), replace=False, shuffle=False), q] = 1
    return y_oq


def _between(counts_s, nodes_q, scores_q) -> np.ndarray:
    """[s] scores at the drawn counts, linear between those that were computed."""
    known, first = np.unique(nodes_q, return_index=True)
    scores = scores_q[first]
    # No label at all is undefined: it must not spread to the draws beside it.
    inside = np.isfinite(scores)
    if not inside.any():
        return np.full(len(counts_s), np.nan)
    found = np.interp(counts_s, known[inside], scores[inside])
    return np.where(np.isin(counts_s, known[~inside]), np.nan, found)


def _continuous_draws(rng, inputs: int) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Missing: half of those above the median lose their excess over it. Extra: it is added elsewhere."""
    x_o = rng.gamma(2.0, size=inputs).astype(np.float32)
    excess_o = np.maximum(x_o - np.median(x_o), 0)
    for check in CHECKS:
        chosen_oq = (rng.random((inputs, COLUMNS)) < 0.5) * excess_o[:, None]
        if check == "missing":
            y_oq = x_o[:, None] - chosen_oq
        else:
            y_oq = x_o[:, None] + rng.permuted(chosen_oq, axis=0)
        yield check, x_o[:, None], np.concatenate([y_oq, x_o[:, None]], axis=1).astype(np.float32)


def _row(label, metric, check, gamma, before, after, inputs, seconds) -> dict[str, Any]:
    low, high, _ = metric.range
    width = high - low if np.isfinite(high - low) else 1.0
    change = (after - before) / width
    published = PUBLISHED.get(label, {}).get(check)
    # A draw that leaves nothing to score is no fall; a metric that never scores has no verdict.
    defined = np.isfinite(change).any()
    at = GAMMAS.index(gamma) if gamma in GAMMAS else None
    return {
        "metric": label,
        "check": check,
        "gamma": gamma,
        "before": float(np.mean(before)),
        "after": float(np.nanmean(after)) if defined else np.nan,
        "delta": float(np.nanmean(change)) if defined else np.nan,
        "decrease": float(np.mean(change < DECREASE)) if defined else np.nan,
        "auroc": float(np.mean((before > after) + 0.5 * (before == after))) if defined else np.nan,
        "published": np.nan if published is None or at is None else published[at],
        "seeds": len(after),
        "inputs": inputs,
        "seconds": seconds,
    }
