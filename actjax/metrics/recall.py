"""Share of a neuron's active observations that hold the concept."""

from actjax.similarity.families.binary import Sides, table_metric
from actjax.types import Metric


def metric(
    *,
    alpha_x: float = 0.05,
    alpha_y: float = 0.05,
    threshold_x: float | None = None,
    threshold_y: float | None = None,
) -> Metric:
    """Recall as Neuron_Eval names it: of the neuron's active observations, the share where the concept is.

        recall = |X and Y| / |X|

    X holds the ceil(alpha_x n) largest values of the neuron and all that tie with the least of them (where
    that is the neuron's smallest value, those above it); Y likewise. A column of two values, such as 0 and
    1, is taken as it is. Note the words: information retrieval, with the concept as truth and the neuron as
    prediction, calls this precision; here a concept that explains a neuron is to cover the neuron's active
    set. Range [0, 1]; independent sets score the concept's share b, disjoint ones 0; NaN where a side is
    constant. Blind to labels that are too many. One inner product; streams exactly when both thresholds are
    given.

    It is blind to superfluous labels and to relations that are inverted or delayed, and is undefined within
    clips where the neuron is silent in more than a tenth of them. See docs/measurements/metric_benchmark.md.

    Args:
      alpha_x, alpha_y: share of the observations that count as active.
      threshold_x, threshold_y: count as active the values that reach it, instead.

    Raises:
      ValueError: a share outside of (0, 1).

    Reference: T. Oikarinen, G. Yan, T.-W. Weng, "Evaluating neuron explanations: a unified framework with
    sanity checks", 2025.
    """
    return table_metric(
        "recall",
        lambda both, x, y, neither: both / (both + x),
        Sides(alpha_x, alpha_y, threshold_x, threshold_y),
    )
