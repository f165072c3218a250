"""Recording-level rules and F1, against scikit-learn."""

import numpy as np
import pytest
import sklearn.metrics

from actjax.train import prediction

PROBABILITIES = np.array([[0.6, 0.4, 0.0], [0.1, 0.8, 0.1], [0.2, 0.2, 0.6], [0.5, 0.3, 0.2]])
IDS = ["b", "a", "b", "a"]


def test_mean_over_clips():
    names, found = prediction.by_recording(PROBABILITIES, IDS)
    assert names == ["b", "a"]
    np.testing.assert_allclose(found, [[0.4, 0.3, 0.3], [0.3, 0.55, 0.15]])


def test_sum_over_largest_and_threshold():
    _, found = prediction.by_recording(PROBABILITIES, IDS, rule="sum_over_max")
    np.testing.assert_allclose(found, [[1, 0.75, 0.75], [0.6 / 1.1, 1, 0.3 / 1.1]])
    np.testing.assert_array_equal(prediction.present(found, 0.6), [[1, 1, 1], [0, 1, 0]])


def test_scores_against_scikit_learn():
    rng = np.random.default_rng(0)
    labels, named = rng.random((40, 11)) < 0.2, rng.random((40, 11)) < 0.3
    labels[:, 3] = named[:, 3] = False  # a class that neither has
    found = prediction.f1_scores(named, labels)
    for average, ours in (("micro", found.micro), ("macro", found.macro)):
        expected = sklearn.metrics.precision_recall_fscore_support(
            labels, named, average=average, zero_division=0
        )
        np.testing.assert_allclose(ours, expected[:3])
    expected = sklearn.metrics.precision_recall_fscore_support(labels, named, average=None, zero_division=0)
    np.testing.assert_allclose(found.per_class.T, expected[:3])


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (
            lambda: prediction.by_recording(PROBABILITIES, IDS, rule="max"),
            "one of .*sum_over_max.*, got 'max'",
        ),
        (lambda: prediction.by_recording(PROBABILITIES, IDS[:3]), "each of 3 clips, got shape"),
        (lambda: prediction.by_recording(PROBABILITIES * 9, IDS), "apply softmax or sigmoid"),
        (lambda: prediction.present(PROBABILITIES, 0.0), "threshold in"),
        (lambda: prediction.f1_scores(np.zeros((2, 3)), np.zeros((2, 4))), "two arrays of one shape"),
    ],
)
def test_what_is_refused(call, says):
    with pytest.raises(ValueError, match=says):
        call()
