"""Effects, regressions and nulls of the findings, against plain float64 arithmetic and planted truth."""

import numpy as np
import pytest

from actjax.findings.cross_fitting import clip_sums, half_nulls, ridge, selection
from actjax.findings.cross_fitting import effects as found_effects
from actjax.statistics import bootstrap as statistics_bootstrap
from actjax.statistics import controls, nulls, permutations, rescored

CLIPS, FRAMES, CLASSES = 48, 20, 4
CLASS_B = np.arange(CLIPS) % CLASSES
IDS = np.arange(CLIPS)


def sides(seed=0, gain=0.0, neurons=6, rows=2):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((CLIPS, FRAMES, neurons)).astype(np.float32)
    y = rng.standard_normal((CLIPS, FRAMES, rows)).astype(np.float32)
    x[..., 0] += gain * y[..., 0]
    return x, y, np.ones((CLIPS, FRAMES), bool)


def shared(splits=2, bootstrap=200):
    halves = selection.split_halves(IDS, CLASS_B, splits=splits, seed=0)
    return halves, statistics_bootstrap.poisson_weights(IDS, replicates=bootstrap, seed=0)


def test_scores_of_a_weighting_are_numpys_correlations_of_those_clips():
    x, y, mask = sides(gain=0.5)
    found = clip_sums.scores(clip_sums.clip_sums(x, y, mask), np.eye(CLIPS)[:3] + np.eye(CLIPS)[7])
    for i in range(3):
        own = [(v[[i, 7]] - v[[i, 7]].mean(axis=1, keepdims=True)).reshape(2 * FRAMES, -1) for v in (x, y)]
        expected = np.corrcoef(own[0].T.astype(np.float64), own[1].T.astype(np.float64))[:6, 6:]
        np.testing.assert_allclose(found[i], expected, atol=2e-6)


def test_rotated_sums_are_those_of_the_rotated_channels():
    x, y, mask = sides(gain=0.5)
    turns = controls.rotations(0, 6, 3)
    every = np.ones((1, CLIPS))
    for table, turn in zip(clip_sums.rotated_sums(x, y, mask, turns), turns, strict=True):
        direct = clip_sums.clip_sums(np.asarray(controls.rotate_channels(x, mask, turn)), y, mask)
        expected = clip_sums.scores(direct, every)
        np.testing.assert_allclose(clip_sums.scores(table, every), expected, atol=3e-6)


def test_pure_noise_has_no_effect_and_a_planted_unit_is_found():
    halves, weights = shared()
    noise, planted = (
        found_effects.cross_fitted(
            clip_sums.clip_sums(*sides(seed, gain)), found_effects.FOLLOW, halves, weights
        )
        for seed, gain in ((1, 0.0), (2, 1.0))
    )
    assert abs(noise.value) < 0.1
    assert planted.value == pytest.approx(np.sqrt(0.5), abs=0.05)
    assert np.std(planted.draws) < 0.03
    assert planted.draws.mean() == pytest.approx(planted.value, abs=0.01)
    assert (planted.chosen.chosen == 0).all()


def test_the_contrast_of_a_unit_is_its_first_score_less_its_second():
    r = np.asarray([[[0.2, -0.6], [-0.9, 0.1]]])
    np.testing.assert_allclose(found_effects.CONTRAST.combine(r, None, 0.3)[0, :, 0], [-0.4, 0.8])
    np.testing.assert_allclose(found_effects.DROP.combine(r, None, 0.3)[0, :, 0], [0.8, -1.0])
    known = np.asarray([[[0.8, 0.1]]])
    np.testing.assert_allclose(found_effects.SHARE.combine(r, known, 0.3)[0, :, 0], [0.25, 1.125])
    assert np.isnan(found_effects.SHARE.combine(r, known, 0.3)[0, :, 1]).all()


def test_nulls_on_all_clips_agree_with_the_moment_null():
    x, y, mask = sides(gain=0.3)
    draws = permutations.within_class(IDS, CLASS_B, replicates=99, seed=0)
    halves, _ = shared(splits=1)
    every = np.concatenate([halves.reshape(-1, CLIPS), np.ones((1, CLIPS), bool)])
    table = clip_sums.clip_sums(x, y, mask)
    pairs = half_nulls.pair_products(x, y, mask, draws)
    fast = half_nulls.from_products(pairs, table.xx, table.yy[:, 0], draws, every)
    slow = half_nulls.moment_scores(x, y, mask, draws, every)
    np.testing.assert_allclose(fast, slow, atol=3e-6)
    reference = nulls.moment_null(x, y, mask, draws)
    np.testing.assert_allclose(fast[0, -1], reference.score, atol=3e-6)
    np.testing.assert_allclose(fast[1:, -1].std(axis=0, ddof=1), reference.std, atol=1e-5)


def test_p_values_of_the_whole_selection_are_small_for_a_plant_and_not_for_noise():
    draws = permutations.within_class(IDS, CLASS_B, replicates=99, seed=0)
    halves, _ = shared()
    found = []
    for seed, gain in ((3, 0.0), (4, 0.5)):
        x, y, mask = sides(seed, gain)
        scores = half_nulls.moment_scores(x, y, mask, draws, halves.reshape(-1, CLIPS))
        values = found_effects.null_values(
            scores.reshape(100, *halves.shape[:2], *scores.shape[2:]), signed=True
        )
        found.append(found_effects.permutation_p(values))
    assert found[0] > 0.05
    assert found[1] == pytest.approx(0.01)


def test_scores_of_pairs_are_those_of_rearranged_clips():
    from actjax.similarity.api import make_metric
    from actjax.similarity.kernel import clip_scores

    rng = np.random.default_rng(0)
    x, y = (rng.standard_normal((8, 2, 5, FRAMES)).astype(np.float32) for _ in range(2))
    mask = np.ones((8, FRAMES), bool)
    draws = permutations.within_class(np.arange(8), np.arange(8) % 2, replicates=20, seed=0)
    cka, every = make_metric("cka"), np.ones((1, 8), bool)
    pairs = rescored.pair_scorer(cka, rescored.Sides(x, y, mask, FRAMES), draws)(np.arange(8))
    found = half_nulls.from_scores(np.asarray(pairs), draws, every)
    for r, source in enumerate([np.arange(8), *draws.source_rb]):
        expected = np.asarray(clip_scores(cka, x, y[source], mask)["score"]).mean(axis=0)
        np.testing.assert_allclose(found[r, 0], expected, atol=3e-6)


def test_out_of_fold_predictions_agree_with_scikit_learn_and_never_see_their_own_fold(monkeypatch):
    from sklearn.linear_model import Ridge

    x, y, mask = sides(gain=1.0)
    monkeypatch.setattr(ridge, "PENALTIES", (0.1,))
    folds = ridge.recording_folds(IDS)
    found = ridge.out_of_fold(x, y, mask, folds)
    scaled = x.astype(np.float64) / np.sqrt((x.astype(np.float64) ** 2).mean(axis=(0, 1)))
    for fold in range(5):
        train = scaled[folds != fold].reshape(-1, x.shape[2])
        model = Ridge(alpha=0.1 * (train**2).sum() / x.shape[2], fit_intercept=False)
        model.fit(train, y[folds != fold].reshape(-1, y.shape[2]))
        expected = model.predict(scaled[folds == fold].reshape(-1, x.shape[2]))
        np.testing.assert_allclose(found[folds == fold].reshape(-1, y.shape[2]), expected, atol=1e-5)


def test_the_strongest_control_is_named_and_subtracted_with_the_same_weights():
    draws = np.random.default_rng(0).normal(0, 0.01, 500)
    line = lambda value: np.concatenate([[value], value + draws])[None]  # noqa: E731
    found = found_effects.effect(line(0.6), {"untrained": line(0.2), "input": line(0.5)})
    assert found.control == "input"
    assert found.value == pytest.approx(0.1)
    # The recordings' part of both cancels.
    assert found.high - found.low < 1e-12


@pytest.mark.parametrize(
    ("low", "high", "effects", "word"),
    [
        (0.06, 0.2, [0.1], "yes"),
        (0.06, 0.2, [0.1, 0.1, 0.1, 0.1, -0.1], "yes"),
        (0.06, 0.2, [0.1, 0.1, 0.1, -0.1, -0.1], "weakly"),
        (0.01, 0.2, [0.1], "weakly"),
        (-0.1, 0.2, [0.1], "no"),
        (-0.3, -0.1, [-0.2], "less"),
        (np.nan, np.nan, [np.nan], "unknown"),
    ],
)
def test_verdicts(low, high, effects, word):
    assert found_effects.verdict(low, high, effects) == word


def test_chance_is_exceeded_below_five_percent():
    assert [found_effects.above_chance(p) for p in (0.049, 0.05, np.nan)] == ["yes", "no", "unknown"]


def test_a_finding_is_answered_by_all_its_claims():
    assert found_effects.together(["yes", "yes"]) == "yes"
    assert found_effects.together(["yes", "weakly"]) == "weakly"
    assert found_effects.together(["yes", "less"]) == "no"
    assert found_effects.together(["less", "less"]) == "less"
    assert found_effects.together(["yes", "unknown"]) == "unknown"
    assert found_effects.together(["no", "unknown"]) == "no"
