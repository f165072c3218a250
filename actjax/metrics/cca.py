"""Canonical correlation analysis of two images over frames."""

from actjax.similarity.families.canonical import canonical_metric
from actjax.types import Metric


def metric() -> Metric:
    """Mean canonical correlation of the map's rows and the feature's rows over frames.

        score = sum_i rho_i / min(rank x, rank y),  rho the singular values of Qx' Qy

    with Q orthonormal bases of the centred rows. The images may have different rows. Range [0, 1]; NaN
    for constant images, fewer than 16 valid frames, and a side whose rows span all frames (its score
    would be 1 with anything). Expect it far above 0 by chance where the ranks add up to a good part of
    the frames; svcca cuts them. A direction counts if its singular value exceeds 1.2e-7 max(f, t) times
    the largest one. Symmetric, unsigned, not an inner product.

    It finds a correlation in any two images of many rows: most unrelated pairs score as high as related ones
    below 30 dB. See docs/measurements/metric_benchmark.md.

    Reference: H. Hotelling, "Relations between two sets of variates", 1936.
    """
    return canonical_metric("cca", "Hotelling 1936")
