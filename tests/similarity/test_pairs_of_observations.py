"""Sums over pairs of observations as an accelerator takes them: more at a time."""

import jax
import numpy as np
import pytest

from actjax.similarity.api import make_metric
from actjax.similarity.families import observation_pairs
from actjax.similarity.kernel import pairwise


@pytest.mark.parametrize("debiased", [False, pytest.param(True, marks=pytest.mark.long)])
def test_steps_of_an_accelerator_give_the_same_scores(monkeypatch, debiased):
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((2, 41, 3)).astype(np.float32)
    y[:, 0] = np.round(x[:, 0])
    mask = np.arange(41) % 9 > 0
    scores = []
    for accelerator in (False, True):
        monkeypatch.setattr(observation_pairs, "_on_cpu", lambda accelerator=accelerator: not accelerator)
        jax.clear_caches()
        scores.append(
            np.asarray(pairwise(make_metric("distance_correlation", debiased=debiased), x, y, mask)["score"])
        )
    jax.clear_caches()
    np.testing.assert_allclose(scores[1], scores[0], rtol=0, atol=2e-6)
