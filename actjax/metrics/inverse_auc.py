"""How well a neuron's values tell a feature's active observations from the others."""

from actjax.similarity.families.ranking import area_metric
from actjax.types import Metric


def metric(*, alpha_y: float = 0.05, threshold_y: float | None = None) -> Metric:
    """Area under the ROC curve: the feature's active set against the neuron's values.

        inverse auc = P(x on Y > x off Y) + P(equal) / 2
                    = 1/2 + sum of centred ranks of x over Y / (|Y| |not Y|)

    Y holds the ceil(alpha_y n) largest values of the feature and all that tie with the least of them (where
    that is the feature's smallest value, those above it); a column of two values, such as 0 and 1, is taken
    as it is. Ranks are averaged over ties. Range [0, 1], 0.5 for no relation, below it where the neuron is
    lower on the feature's set; NaN where a side is constant. Not symmetric: `auc` thresholds the neuron.
    One inner product; ranks need all observations at once, so it does not stream.

    It is blind to relations that are inverted, delayed or shifted in frequency, hardly sees missing labels of
    a rare concept, and is undefined within clips where the neuron is silent in more than a tenth of them. See
    docs/measurements/metric_benchmark.md.

    Args:
      alpha_y: share of the observations that count as the feature's.
      threshold_y: counts those where the feature reaches it, instead.

    Raises:
      ValueError: a share outside of (0, 1).

    References: J. Hanley, B. McNeil, "The meaning and use of the area under a receiver operating
    characteristic (ROC) curve", 1982; as a score of neurons, T. Oikarinen, G. Yan, T.-W. Weng, 2025.
    """
    return area_metric("inverse_auc", "y", alpha_y, threshold_y)
