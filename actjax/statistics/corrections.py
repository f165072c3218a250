"""Corrections for testing many pairs: Holm for the confirmatory few, false discovery for the rest."""

from collections.abc import Sequence

import numpy as np

from actjax.statistics.requirements import check_replicates


def holm(p_values: Sequence[float], *, replicates: int | None = None, level: float = 0.05) -> np.ndarray:
    """Holm's step-down p-values: adjusted p_(i) = max over j <= i of (m - j + 1) p_(j), at most 1.

    Args:
      p_values: [m] any shape; NaN is left out of the family and stays NaN.
      replicates: R behind the p-values, if they come from a null; checked against the level.
      level: the level that must be resolved.

    Returns:
      Adjusted p-values of the same shape; rejecting those <= a keeps the probability of any false
      rejection at most a, under any dependence.

    Raises:
      StatisticsError: R replicates cannot bring m tests below `level`.

    Source: S. Holm, Scandinavian Journal of Statistics 6 (1979).
    """
    p = np.asarray(p_values, np.float64)
    adjusted = np.full(p.shape, np.nan)
    valid = ~np.isnan(p)
    m = int(valid.sum())
    if replicates is not None and m:
        check_replicates(replicates, level, tests=m)
    order = np.argsort(p[valid], kind="stable")
    stepped = np.maximum.accumulate((m - np.arange(m)) * p[valid][order])
    adjusted[valid] = np.minimum(stepped, 1.0)[np.argsort(order, kind="stable")]
    return adjusted


def benjamini_hochberg(p_values: np.ndarray) -> np.ndarray:
    """Benjamini-Hochberg q-values: q_(i) = min over j >= i of m p_(j) / j, at most 1.

    Args:
      p_values: any shape; NaN is left out of the family and stays NaN.

    Returns:
      q-values of the same shape; rejecting those <= a keeps the expected false discovery
      proportion at most a for independent or positively dependent tests.

    Source: Y. Benjamini and Y. Hochberg, Journal of the Royal Statistical Society B 57 (1995).
    """
    p = np.asarray(p_values, np.float64)
    adjusted = np.full(p.shape, np.nan)
    valid = ~np.isnan(p)
    m = int(valid.sum())
    order = np.argsort(p[valid], kind="stable")
    scaled = p[valid][order] * m / np.arange(1, m + 1)
    stepped = np.minimum.accumulate(scaled[::-1])[::-1]
    adjusted[valid] = np.minimum(stepped, 1.0)[np.argsort(order, kind="stable")]
    return adjusted
