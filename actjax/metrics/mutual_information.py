"""Mutual information of two sides in bins."""

import functools
import math
from collections.abc import Sequence

from actjax.similarity.families.information import AVERAGES, binned, information, joint_counts, tables
from actjax.types import Metric


def metric(
    *,
    bins: int = 8,
    normalized: str | None = None,
    miller_madow: bool = False,
    edges_x: Sequence[float] | None = None,
    edges_y: Sequence[float] | None = None,
) -> Metric:
    """Mutual information of the two sides in bins, in nats.

        I = sum_ij p_ij log(p_ij / (p_i p_j))

    A side's bins begin at the values at places floor(i n / bins), i = 1 .. bins - 1, of its sorted values
    (counted from 0); a bin that would begin at the smallest value holds those above it. Equal values share
    a bin, so a column of few values, such as 0 and 1, is taken as it is. Range [0, log bins], 0 for no
    relation of any kind, NaN where a side is constant or fewer observations than bins count. Chance alone
    gives about (bins - 1)^2 / 2n. Symmetric for equal edges, unsigned, one matrix product of indicators;
    streams exactly when the edges of both sides are given.

    It is blind to the direction of a relation and to delays, weak where the signal is weaker than the noise,
    and is undefined within clips where the neuron is silent in more than a tenth of them. See
    docs/measurements/metric_benchmark.md.

    Args:
      bins: of a side without given edges.
      normalized: divides by a mean of the two entropies: "arithmetic", "geometric", "min" or "max".
      miller_madow: corrects each entropy by (occupied bins - 1) / 2n, which takes most of the chance
        level away and lets scores fall a little below 0.
      edges_x, edges_y: ascending edges; a bin holds the values from its edge up to below the next.

    Raises:
      ValueError: fewer than 2 bins, edges that do not ascend, or an unknown `normalized`.

    References: C. Shannon, "A mathematical theory of communication", 1948; G. Miller, "Note on the bias
    of information estimates", 1955.
    """
    if bins < 2:
        raise ValueError(f"mutual_information expected at least 2 bins, got {bins}")
    if normalized is not None and normalized not in AVERAGES:
        raise ValueError(f"mutual_information expected normalized in {tuple(AVERAGES)}, got {normalized!r}")
    edges_x, edges_y = _ascending("edges_x", edges_x), _ascending("edges_y", edges_y)
    score = functools.partial(information, normalized=normalized, miller_madow=miller_madow)
    widest = max(bins if edges is None else len(edges) + 1 for edges in (edges_x, edges_y))
    low, high = (-math.inf, math.inf) if miller_madow else (0.0, 1.0 if normalized else math.log(widest))
    return Metric(
        name="mutual_information",
        prepare_x=binned(bins, edges_x),
        prepare_y=binned(bins, edges_y),
        compare=lambda px, py: {"score": score(joint_counts(px, py))},
        views=("clip", "frame", "map"),
        range=(low, high, 0.0),
        reference="Shannon 1948; Miller 1955",
        invariant_to=("scale", "shift", "order") if edges_x is None and edges_y is None else (),
        symmetric=edges_x == edges_y,
        signed=False,
        min_observations=widest,
        accumulator=None if edges_x is None or edges_y is None else tables(score, edges_x, edges_y),
        cost="steps",
        options={
            "bins": bins,
            "normalized": normalized,
            "miller_madow": miller_madow,
            "edges_x": edges_x,
            "edges_y": edges_y,
        },
    )


def _ascending(option: str, edges: Sequence[float] | None) -> tuple[float, ...] | None:
    if edges is None:
        return None
    edges = tuple(float(edge) for edge in edges)
    if not edges or any(later <= edge for edge, later in zip(edges, edges[1:], strict=False)):
        raise ValueError(f"mutual_information expected {option} to be ascending numbers, got {edges}")
    return edges
