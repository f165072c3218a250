"""Average precision of a neuron's values in finding a feature's active observations."""

from actjax.similarity.families.ranking import precision_metric
from actjax.types import Metric


def metric(*, alpha_y: float = 0.05, threshold_y: float | None = None) -> Metric:
    """Area under the precision-recall curve, as average precision: the feature's set, the neuron's values.

        inverse auprc = mean over o in Y of |{p in Y: x_p >= x_o}| / |{p: x_p >= x_o}|

    Y holds the ceil(alpha_y n) largest values of the feature and all that tie with the least of them (where
    that is the feature's smallest value, those above it); a column of two values, such as 0 and 1, is taken
    as it is. Tied values are one threshold, as in scikit-learn. Range [0, 1]; a neuron without relation
    scores about Y's share of the observations; NaN where a side is constant. Not symmetric: `auprc`
    thresholds the neuron. No inner product: pairs are computed in tiles, on a CPU by the host; does not
    stream.

    It is blind to relations that are inverted or delayed, hardly sees superfluous labels of a common concept,
    and is undefined within clips where the neuron is silent in more than a tenth of them. See
    docs/measurements/metric_benchmark.md.

    Args:
      alpha_y: share of the observations that count as the feature's.
      threshold_y: counts those where the feature reaches it, instead.

    Raises:
      ValueError: a share outside of (0, 1).

    References: M. Zhu, "Recall, precision and average precision", 2004; as a score of neurons,
    T. Oikarinen, G. Yan, T.-W. Weng, "Evaluating neuron explanations", 2025.
    """
    return precision_metric("inverse_auprc", "y", alpha_y, threshold_y)
