"""How well a feature's values tell a neuron's active observations from the others."""

from actjax.similarity.families.ranking import area_metric
from actjax.types import Metric


def metric(*, alpha_x: float = 0.05, threshold_x: float | None = None) -> Metric:
    """Area under the ROC curve: the neuron's active set against the feature's values.

        auc = P(y on X > y off X) + P(equal) / 2 = 1/2 + sum of centred ranks of y over X / (|X| |not X|)

    X holds the ceil(alpha_x n) largest values of the neuron and all that tie with the least of them (where
    that is the neuron's smallest value, those above it); a column of two values, such as 0 and 1, is taken
    as it is. Ranks are averaged over ties. Range [0, 1], 0.5 for no relation, below it where the feature
    is lower while the neuron is active; NaN where a side is constant. Not symmetric: `inverse_auc` thresholds
    the feature. One inner product; ranks need all observations at once, so it does not stream.

    It is blind to relations that are inverted, delayed or shifted in frequency, hardly sees superfluous
    labels of a rare concept, and is undefined within clips where the neuron is silent in more than a tenth of
    them. See docs/measurements/metric_benchmark.md.

    Args:
      alpha_x: share of the observations on which the neuron counts as active.
      threshold_x: counts as active where the neuron reaches it, instead.

    Raises:
      ValueError: a share outside of (0, 1).

    References: J. Hanley, B. McNeil, "The meaning and use of the area under a receiver operating
    characteristic (ROC) curve", 1982; as a score of neurons, T. Oikarinen, G. Yan, T.-W. Weng, 2025.
    """
    return area_metric("auc", "x", alpha_x, threshold_x)
