"""Share of observations on which two active sets agree."""

from actjax.similarity.families.binary import Sides, table_metric
from actjax.types import Metric


def metric(
    *,
    alpha_x: float = 0.05,
    alpha_y: float = 0.05,
    threshold_x: float | None = None,
    threshold_y: float | None = None,
) -> Metric:
    """The share of observations that are active on both sides or on neither.

        accuracy = (|X and Y| + |neither X nor Y|) / n

    X holds the ceil(alpha_x n) largest values of the neuron and all that tie with the least of them (where
    that is the neuron's smallest value, those above it); Y likewise. A column of two values, such as 0 and
    1, is taken as it is. Range [0, 1]; independent sets of shares a and b score ab + (1 - a)(1 - b), which
    is 0.5 for halves and near 1 for rare ones: a rare concept cannot be told from none. NaN where a side is
    constant. Symmetric for equal options, one inner product; streams exactly when both thresholds are
    given.

    It cannot tell a rare concept from none, is blind to relations that are inverted or delayed, and is
    undefined within clips where the neuron is silent in more than a tenth of them. See
    docs/measurements/metric_benchmark.md.

    Args:
      alpha_x, alpha_y: share of the observations that count as active.
      threshold_x, threshold_y: count as active the values that reach it, instead.

    Raises:
      ValueError: a share outside of (0, 1).

    Reference: T. Oikarinen, G. Yan, T.-W. Weng, "Evaluating neuron explanations: a unified framework with
    sanity checks", 2025.
    """
    return table_metric(
        "accuracy",
        lambda both, x, y, neither: (both + neither) / (both + x + y + neither),
        Sides(alpha_x, alpha_y, threshold_x, threshold_y),
        range=(0.0, 1.0, 0.5),
        symmetric=True,
    )
