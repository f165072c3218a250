"""Metrics on images do not depend on scale: the same score over all of float32's range."""

import numpy as np
import pytest

from actjax import lookup
from actjax.similarity.api import make_metric
from actjax.similarity.kernel import pairwise

OPTIONS = {"cka": ({}, {"debiased": False}, {"kernel": "rbf"}, {"kernel": "rbf", "debiased": False})}
IMAGES = [name for name in lookup.names("metric") if make_metric(name).observes == "image"]
CASES = [(name, options) for name in IMAGES for options in OPTIONS.get(name, ({},))]


@pytest.mark.parametrize(("name", "options"), CASES)
def test_scores_do_not_depend_on_scale(name, options):
    rng = np.random.default_rng(0)
    x = np.abs(rng.standard_normal((2, 5, 32))).astype(np.float32)
    y = (x[:1] + 0.5 * np.abs(rng.standard_normal((1, 5, 32)))).astype(np.float32)
    metric = make_metric(name, **options)
    want = np.asarray(pairwise(metric, x, y)["score"])
    assert np.isfinite(want).all()
    for a, b in ((1e-30, 1e30), (1e30, 1e-30), (1e-11, 1e9), (1e18, 1.0), (1.0, 1e-19)):
        found = pairwise(metric, x * np.float32(a), y * np.float32(b))["score"]
        np.testing.assert_allclose(found, want, atol=2e-5, err_msg=f"{a} {b}")
