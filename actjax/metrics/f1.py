"""F1 score of two sets of active observations."""

from actjax.similarity.families.binary import Sides, table_metric
from actjax.types import Metric


def metric(
    *,
    alpha_x: float = 0.05,
    alpha_y: float = 0.05,
    threshold_x: float | None = None,
    threshold_y: float | None = None,
) -> Metric:
    """The harmonic mean of recall and precision: Dice's coefficient of the two sets.

        f1 = 2 |X and Y| / (|X| + |Y|)

    X holds the ceil(alpha_x n) largest values of the neuron and all that tie with the least of them (where
    that is the neuron's smallest value, those above it); Y likewise. A column of two values, such as 0 and
    1, is taken as it is. Range [0, 1]; independent sets of shares a and b score 2ab / (a + b), disjoint
    ones 0; NaN where a side is constant. Symmetric for equal options, one inner product; streams exactly
    when both thresholds are given.

    It is blind to relations that are inverted, delayed or shifted in frequency, and is undefined within clips
    where the neuron is silent in more than a tenth of them. See docs/measurements/metric_benchmark.md.

    Args:
      alpha_x, alpha_y: share of the observations that count as active.
      threshold_x, threshold_y: count as active the values that reach it, instead.

    Raises:
      ValueError: a share outside of (0, 1).

    Reference: L. Dice, "Measures of the amount of ecologic association between species", 1945.
    """
    return table_metric(
        "f1",
        lambda both, x, y, neither: 2 * both / (2 * both + x + y),
        Sides(alpha_x, alpha_y, threshold_x, threshold_y),
        views=("clip", "frame", "map"),
        reference="Dice 1945",
        symmetric=True,
    )
