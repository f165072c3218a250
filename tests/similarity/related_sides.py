"""Neurons and feature rows that are related in several ways, for references of metrics on vectors."""

import numpy as np


def related(o, seed=0):
    """[o, 5], [o, 3]: related both ways, unrelated, rectified, rounded to ties, and at a large offset."""
    rng = np.random.default_rng(seed)
    x, y = rng.standard_normal((o, 5)), rng.standard_normal((o, 3))
    x[:, 0] += y[:, 0]
    x[:, 1] -= y[:, 1]
    x[:, 2] = np.maximum(x[:, 2] + y[:, 2] - 2.0, 0)
    x[:, 3] = np.round(2 * x[:, 3])
    x[:, 4] = x[:, 4] / 2 + y[:, 0] + 1e4
    y[:, 2] = np.round(y[:, 2])
    return x.astype(np.float32), y.astype(np.float32)
