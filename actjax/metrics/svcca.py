"""Singular vector canonical correlation analysis of two images over frames."""

from actjax.similarity.families.canonical import canonical_metric
from actjax.types import Metric


def metric(*, variance: float = 0.99) -> Metric:
    """Mean canonical correlation of the leading singular directions of both images over frames.

        score = sum_i rho_i / min(rank x, rank y)

    as in cca, after each image is cut to the fewest directions that hold `variance` of its variance
    around the row means. Range [0, 1]; NaN for constant images, fewer than 16 valid frames, and a side
    whose kept directions span all frames. Symmetric, unsigned, not an inner product.

    It is blind to delays, and to much of what pooled or sparse maps hold. See
    docs/measurements/metric_benchmark.md.

    Args:
      variance: share of the variance kept, in (0, 1].

    Raises:
      ValueError: a variance outside of (0, 1].

    Reference: M. Raghu, J. Gilmer, J. Yosinski, J. Sohl-Dickstein, "SVCCA: singular vector canonical
    correlation analysis for deep learning dynamics and interpretability", 2017.
    """
    if not 0 < variance <= 1:
        raise ValueError(f"svcca expected a variance in (0, 1], got {variance}")
    return canonical_metric("svcca", "Raghu et al. 2017", variance=variance, options={"variance": variance})
