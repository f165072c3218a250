"""Where a score is undefined, so is all that its null says."""

import types

import numpy as np

from actjax.scoring import nulls
from actjax.similarity.api import make_metric
from actjax.statistics import families


def part(scores_rnk):
    return families.reduce_replicates(scores_rnk, signed=True)


def test_no_p_stands_beside_an_undefined_score():
    scores = np.random.default_rng(0).normal(size=(100, 3, 2)).astype(np.float32)
    found = part(scores)
    score = scores[0].copy()
    score[1, 0] = np.nan  # the metric has a condition that the null has not
    names = {"null_mean": found.mean, "null_std": found.std, "p_value": found.p}
    outputs = {"score": score, **names, "null": [([0, 1], found)]}
    problem = types.SimpleNamespace(layer=types.SimpleNamespace(name="conv1"), view="clip")
    nulls.correct([("trained", types.SimpleNamespace(problem=problem), make_metric("pearson"), outputs)])
    for name in ("null_mean", "null_std", "p_value", "q_value", "p_maxt"):
        np.testing.assert_array_equal(np.isnan(outputs[name]), np.isnan(score), name)
    [alone] = families.correct([found])
    np.testing.assert_allclose(outputs["p_maxt"][0], alone.p_maxt[0])
