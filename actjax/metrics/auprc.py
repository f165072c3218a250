"""Average precision of a feature's values in finding a neuron's active observations."""

from actjax.similarity.families.ranking import precision_metric
from actjax.types import Metric


def metric(*, alpha_x: float = 0.05, threshold_x: float | None = None) -> Metric:
    """Area under the precision-recall curve, as average precision: the neuron's set, the feature's values.

        auprc = mean over o in X of |{p in X: y_p >= y_o}| / |{p: y_p >= y_o}|

    X holds the ceil(alpha_x n) largest values of the neuron and all that tie with the least of them (where
    that is the neuron's smallest value, those above it); a column of two values, such as 0 and 1, is taken
    as it is. Tied values are one threshold, as in scikit-learn. Range [0, 1]; a feature without relation
    scores about X's share of the observations; NaN where a side is constant. Not symmetric:
    `inverse_auprc` thresholds the feature. No inner product: pairs are computed in tiles, on a CPU by the
    host; does not stream.

    It is blind to relations that are inverted, weak where several concepts add up, and is undefined within
    clips where the neuron is silent in more than a tenth of them. See docs/measurements/metric_benchmark.md.

    Args:
      alpha_x: share of the observations on which the neuron counts as active.
      threshold_x: counts as active where the neuron reaches it, instead.

    Raises:
      ValueError: a share outside of (0, 1).

    References: M. Zhu, "Recall, precision and average precision", 2004; as a score of neurons,
    T. Oikarinen, G. Yan, T.-W. Weng, "Evaluating neuron explanations", 2025.
    """
    return precision_metric("auprc", "x", alpha_x, threshold_x)
