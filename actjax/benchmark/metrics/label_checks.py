"""Two checks that every metric is put through: a concept that misses labels, and one that has too many.

A neuron is its concept exactly. Then half of the concept's positives lose their label, or as many
negatives gain one; a sound metric falls in both cases (T. Oikarinen, G. Yan, T.-W. Weng, "Evaluating Neuron
Explanations: A Unified Framework with Sanity Checks", 2025).

A score of two binary sides depends on their 2 x 2 table alone, and here the table on one count: how many
labels are kept, or added. So the metric's own code runs on a few of the counts that were drawn, and the
scores of all other draws are read between them. Metrics that sample run on independent draws instead.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
from tqdm import tqdm

from actjax.benchmark.metrics.published import PUBLISHED
from actjax.similarity import api
from actjax.types import Metric
from actjax.workdir.sections import Sections

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
    sections: Sections | None = None,
) -> list[dict[str, Any]]:
    """Both checks of every metric at every frequency, and the continuous version.

    Args:
      entries: label -> metric; metrics that do not observe vectors are left out.
      seed: of all draws.
      seeds: how many times labels are drawn.
      inputs: number of observations.
      quadratic_inputs: the same for the continuous version of metrics that compare all pairs of them.
      sections: where each metric's row of a check is kept, and taken from.

    Returns:
      Rows with metric, check, gamma (CONTINUOUS: not binary), before, after (mean scores), delta (mean
      change over the width of the metric's range; plain where that is infinite), decrease (share of the
      seeds in which it fell by more than 0.001), auroc (before against after: 1 if it always falls),
      published (mean delta, NaN where there is none), seeds, inputs, seconds. A metric that is undefined
      has NaN there.
    """
    rng = np.random.default_rng(seed)
    dependent = {label: samples(metric) for label, metric in entries.items() if metric.observes == "vector"}
    judged = [
        Judged(label, entries[label], by_seed) for label, by_seed in dependent.items() if by_seed is not None
    ]
    rows, sections = [], sections or Sections()

    def row(one: Judged, check: str, gamma: float, compute: Callable[..., dict[str, Any]], *of: Any) -> Any:
        name = f"label check {check} {gamma} {one.label}"
        return sections.value(name, lambda: compute(one, check, *of))

    binary = _binary_draws(rng, seeds, inputs)
    total = len(GAMMAS) * len(CHECKS)
    for check, gamma, draws in tqdm(binary, desc="label checks", total=total, disable=None):
        rows += [row(one, check, gamma, _binary_row, gamma, draws) for one in judged]
    for check, x_o1, y_oq in _continuous_draws(rng, inputs):
        continuous = _continuous_row, x_o1, y_oq, quadratic_inputs
        rows += [row(one, check, CONTINUOUS, *continuous) for one in judged]
    return rows


class Judged(NamedTuple):
    """A metric under the checks.

    Attributes:
      label: how it is named in the rows.
      metric: it.
      by_seed: whether its score of binary sides depends on the seed.
    """

    label: str
    metric: Metric
    by_seed: bool


def _binary_row(one: Judged, check: str, gamma: float, draws: Draws) -> dict[str, Any]:
    start = time.perf_counter()
    before, after = _binary_scores(one.metric, draws, check, one.by_seed)
    seconds = time.perf_counter() - start
    return _row(one, check, gamma, before, after) | {"inputs": len(draws.x_o1), "seconds": seconds}


def _continuous_row(
    one: Judged, check: str, x_o1: np.ndarray, y_oq: np.ndarray, quadratic_inputs: int
) -> dict[str, Any]:
    start = time.perf_counter()
    if one.metric.cost == "quadratic":
        x_o1, y_oq = x_o1[:quadratic_inputs], y_oq[:quadratic_inputs]
    scores = score_columns(one.metric, x_o1, y_oq)
    seconds = time.perf_counter() - start
    row = _row(one, check, CONTINUOUS, scores[-1:], scores[:-1])
    return row | {"inputs": len(x_o1), "seconds": seconds}


def score_columns(metric: Metric, x_o1: np.ndarray, y_oq: np.ndarray) -> np.ndarray:
    """[q] the neuron against each column; metrics that take all rows as one feature get them one by one."""
    if metric.level == "feature":
        folds = np.arange(len(x_o1)) % 5
        scores = [api.score(x_o1, y_oq[:, [q]], metric, folds=folds)[0] for q in range(y_oq.shape[1])]
        return np.concatenate(scores)
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


def _binary_scores(metric: Metric, draws: Draws, check: str, by_seed: bool) -> tuple[np.ndarray, np.ndarray]:
    """(before [1], after [seeds])."""
    if metric.of_table is not None:
        positives, count = int(draws.x_o1.sum()), len(draws.x_o1)
        if check == "missing":
            after = metric.of_table(draws.counts_s, positives, draws.counts_s, count)
        else:
            after = metric.of_table(positives, positives, positives + draws.counts_s, count)
        return np.asarray([metric.of_table(positives, positives, positives, count)]), after
    if by_seed:
        scores = score_columns(metric, draws.x_o1, draws.drawn_oq)
        return scores[-1:], scores[:-1]
    scores = score_columns(metric, draws.x_o1, draws.y_oq)
    return scores[-1:], _between(draws.counts_s, draws.nodes_q, scores[:-1])


def _binary_draws(rng: np.random.Generator, seeds: int, inputs: int) -> Iterator[tuple[str, float, Draws]]:
    for gamma in GAMMAS:
        positives = max(2, int(gamma * inputs))
        order = rng.permutation(inputs)
        x_o = np.zeros(inputs, np.float32)
        x_o[order[:positives]] = 1
        for check in CHECKS:
            drawn_from, share = positives, 0.5
            if check == "extra":
                drawn_from, share = inputs - positives, positives / (inputs - positives)
            counts = rng.binomial(drawn_from, share, seeds)
            # More of them where more of the draws are.
            nodes = np.quantile(counts, np.linspace(0, 1, COLUMNS), method="nearest")
            independent = rng.choice(counts, COLUMNS)
            sides = [_concepts(rng, x_o, order, positives, c, check) for c in (nodes, independent)]
            yield check, gamma, Draws(x_o[:, None], counts, nodes, *sides)


def _concepts(
    rng: np.random.Generator,
    x_o: np.ndarray,
    order: np.ndarray,
    positives: int,
    counts: np.ndarray,
    check: str,
) -> np.ndarray:
    """[o, q + 1] concepts with so many labels kept or added at random, then the concept itself."""
    y_oq = np.repeat(x_o[:, None], len(counts) + 1, axis=1)
    for q, count in enumerate(counts):
        if check == "missing":
            y_oq[rng.permutation(order[:positives])[int(count) :], q] = 0
        else:
            y_oq[rng.choice(order[positives:], int(count), replace=False, shuffle=False), q] = 1
    return y_oq


def _between(counts_s: np.ndarray, nodes_q: np.ndarray, scores_q: np.ndarray) -> np.ndarray:
    """[s] scores at the drawn counts, linear between those that were computed."""
    known, first = np.unique(nodes_q, return_index=True)
    scores = scores_q[first]
    # No label at all is undefined: it must not spread to the draws beside it.
    inside = np.isfinite(scores)
    if not inside.any():
        return np.full(len(counts_s), np.nan)
    interpolated = np.interp(counts_s, known[inside], scores[inside])
    return np.where(np.isin(counts_s, known[~inside]), np.nan, interpolated)


def _continuous_draws(rng: np.random.Generator, inputs: int) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Missing: half of those above the median lose their excess over it. Extra: it is added elsewhere."""
    x_o = rng.gamma(2.0, size=inputs).astype(np.float32)
    excess_o = np.maximum(x_o - np.median(x_o), 0)
    for check in CHECKS:
        moved_oq = (rng.random((inputs, COLUMNS)) < 0.5) * excess_o[:, None]
        if check == "missing":
            y_oq = x_o[:, None] - moved_oq
        else:
            y_oq = x_o[:, None] + rng.permuted(moved_oq, axis=0)
        yield check, x_o[:, None], np.concatenate([y_oq, x_o[:, None]], axis=1).astype(np.float32)


def _row(one: Judged, check: str, gamma: float, before: np.ndarray, after: np.ndarray) -> dict[str, Any]:
    low, high, _ = one.metric.range
    width = high - low if np.isfinite(high - low) else 1.0
    change = (after - before) / width
    published = PUBLISHED.get(one.label, {}).get(check)
    # A draw that leaves nothing to score is no fall; a metric that never scores has no verdict.
    defined = np.isfinite(change).any()
    frequency = GAMMAS.index(gamma) if gamma in GAMMAS else None
    return {
        "metric": one.label,
        "check": check,
        "gamma": gamma,
        "before": float(np.mean(before)),
        "after": float(np.nanmean(after)) if defined else np.nan,
        "delta": float(np.nanmean(change)) if defined else np.nan,
        "decrease": float(np.mean(change < DECREASE)) if defined else np.nan,
        "auroc": float(np.mean((before > after) + 0.5 * (before == after))) if defined else np.nan,
        "published": np.nan if published is None or frequency is None else published[frequency],
        "seeds": len(after),
    }
