"""Poisson bootstrap against resampling by hand, its coverage, and seeds."""

import numpy as np
import pytest

from actjax.findings.cross_fitting import clip_sums
from actjax.statistics import bootstrap
from actjax.statistics.requirements import StatisticsError


def test_weights_are_poisson_and_shared_by_a_recording():
    weights = bootstrap.poisson_weights(np.repeat(np.arange(50), 3), replicates=2000, seed=0)
    assert weights.shape == (2000, 150) and weights.dtype == np.float32
    np.testing.assert_array_equal(weights[:, ::3], weights[:, 2::3])
    # Mean and variance 1 over 100,000 draws: five standard errors.
    assert abs(weights[:, ::3].mean() - 1) < 5 * np.sqrt(1 / 1e5)
    assert abs(weights[:, ::3].var() - 1) < 5 * np.sqrt(3 / 1e5)


def test_a_replicate_is_the_score_of_repeated_clips():
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(12, 7, 4)) + 1, rng.normal(size=(12, 7, 3))
    y[:, :, 1] += x[:, :, 2]
    mask = np.arange(7)[None, :] < rng.integers(5, 8, 12)[:, None]
    weights = bootstrap.poisson_weights(np.arange(12), replicates=200, seed=3)
    draws = clip_sums.scores(clip_sums.clip_sums(x.astype(np.float32), y.astype(np.float32), mask), weights)
    for r, (n, k) in ((r, pair) for r in range(4) for pair in ((2, 1), (0, 2))):
        a, b = [], []
        for clip in np.repeat(np.arange(12), weights[r].astype(int)):
            xs, ys = x[clip, mask[clip], n], y[clip, mask[clip], k]
            a.append(xs - xs.mean())
            b.append(ys - ys.mean())
        want = np.corrcoef(np.concatenate(a), np.concatenate(b))[0, 1]
        assert draws[r, n, k] == pytest.approx(want, abs=3e-6)


def test_ninety_five_percent_intervals_cover():
    """400 samples of 80 recordings from a correlation of 0.5; percentile intervals at 95 %."""
    rng = np.random.default_rng(2)
    samples = 400
    x = rng.normal(size=(80, samples, 1))
    y = 0.5 * x + np.sqrt(0.75) * rng.normal(size=x.shape)
    x, y = x - x.mean(axis=0), y - y.mean(axis=0)
    weights = bootstrap.poisson_weights(np.arange(80), replicates=400, seed=4)
    draws = clip_sums.scores(clip_sums.Table(x * y, x * x, y * y), weights)[:, :, 0]
    low, high = bootstrap.percentile_interval(draws)
    covered = ((low <= 0.5) & (high >= 0.5)).mean()
    # Percentile intervals of r are slightly short at this size; the binomial error is 0.011.
    assert 0.90 <= covered <= 0.98
    assert (high - low).mean() == pytest.approx(2 * 1.96 * 0.75 / np.sqrt(80), rel=0.1)


def test_an_interval_is_undefined_where_many_draws_are():
    draws = np.random.default_rng(0).normal(size=(1000, 2))
    draws[:200, 1] = np.nan
    low, high = bootstrap.percentile_interval(draws)
    np.testing.assert_allclose([low[0], high[0]], np.quantile(draws[:, 0], [0.025, 0.975]))
    assert np.isnan(low[1]) and np.isnan(high[1])


def test_seeds_widen_the_interval_by_their_spread():
    rng = np.random.default_rng(5)
    recordings = rng.normal(0.0, 0.02, 4000)
    effects = rng.normal(0.3, 0.05, 5)
    draws = effects[:, None] + recordings[None, :]
    mean = bootstrap.over_seeds(draws)
    assert mean.mean() == pytest.approx(effects.mean(), abs=0.003)
    # Recordings are shared by the seeds, so that their variance stays; seeds add s^2 / S.
    assert mean.std() == pytest.approx(np.sqrt(0.02**2 + effects.var(ddof=1) / 5), rel=0.05)
    np.testing.assert_array_equal(bootstrap.over_seeds(draws[:1]), draws[0])


def test_too_few_recordings_or_replicates_are_refused():
    with pytest.raises(StatisticsError, match="at least 10 of them, got 9"):
        bootstrap.poisson_weights(np.arange(9), replicates=1000, seed=0)
    with pytest.raises(StatisticsError, match="at least 200 are needed"):
        bootstrap.poisson_weights(np.arange(20), replicates=199, seed=0)
    bootstrap.poisson_weights(np.arange(20), replicates=200, seed=0)
    with pytest.raises(StatisticsError, match="between 0 and 1"):
        bootstrap.poisson_weights(np.arange(20), replicates=200, seed=0, level=95)


@pytest.mark.parametrize("centre", ["clip", "all", "none"])
def test_errors_of_correlations_agree_with_leaving_each_recording_out(centre):
    """Against the jackknife in float64; the infinitesimal one differs from it by O(1 / recordings)."""
    rng = np.random.default_rng(5)
    x, y = rng.normal(size=(120, 6, 3)) + 0.3, rng.normal(size=(120, 6, 2)) + 0.3
    y[:, :, 0] += 0.8 * x[:, :, 1]
    x[:, :, 2] *= 1 + 3 * (np.arange(120) % 7 == 0)[:, None]
    mask = np.arange(6)[None, :] < rng.integers(3, 7, 120)[:, None]
    recordings = np.arange(120) // 2
    found = bootstrap.correlation_errors(x * 1e-12, y * 1e15, mask, recordings, centre=centre)

    def scores(kept):
        sides = []
        for side in (x, y):
            if centre == "clip":
                side = side - np.stack([v[m].mean(axis=0) for v, m in zip(side, mask, strict=True)])[:, None]
            values = side[kept][mask[kept]]
            values = values - values.mean(axis=0) if centre == "all" else values
            sides.append(values / np.sqrt((values**2).sum(axis=0)))
        return sides[0].T @ sides[1]

    left = np.stack([scores(recordings != r) for r in range(60)])
    want = np.sqrt(59 / 60 * ((left - left.mean(axis=0)) ** 2).sum(axis=0))
    np.testing.assert_allclose(found, want, rtol=0.06)


@pytest.mark.parametrize("frames", [1, 5])
@pytest.mark.parametrize("of_recording", [1, 3, "uneven"])
def test_errors_of_correlations_are_the_infinitesimal_jackknife(frames, of_recording, monkeypatch):
    """Against its formula in float64, recording by recording; some sides follow each other closely."""
    rng = np.random.default_rng(6)
    x = rng.normal(size=(90, frames, 4)).astype(np.float32)
    y = x[..., :3] + np.float32([0.01, 1.0, 10.0]) * rng.normal(size=(90, frames, 3)).astype(np.float32)
    # Clips lie in any order, and one recording holds half of them where they are uneven.
    clips = np.arange(90)
    recordings = rng.permutation(
        np.maximum(clips - 45, 0) if of_recording == "uneven" else clips // of_recording
    )
    monkeypatch.setattr(bootstrap, "_CELLS", 7 * 12)  # several calls, the last not full
    monkeypatch.setattr(bootstrap, "_RECORDINGS", 16)
    found = bootstrap.correlation_errors(x, y, np.ones((90, frames), bool), recordings, centre="all")
    a, b = (side - side.mean(axis=(0, 1)) for side in (x.astype(np.float64), y.astype(np.float64)))
    a, b = (side / np.sqrt((side * side).sum(axis=(0, 1))) for side in (a, b))
    moves = 0.0
    for one in np.unique(recordings):
        u, v = (side[recordings == one].reshape(-1, side.shape[2]) for side in (a, b))
        halves = ((u * u).sum(axis=0)[:, None] + (v * v).sum(axis=0)[None, :]) / 2
        moves += (u.T @ v - np.einsum("bon,bok->nk", a, b) * halves) ** 2
    r = len(np.unique(recordings))
    np.testing.assert_allclose(found, np.sqrt(r / (r - 1) * moves), rtol=1e-5, atol=2e-8)


def test_errors_are_undefined_where_nothing_varies_or_one_recording_is_all():
    x, y = np.ones((8, 4, 1)), np.random.default_rng(0).normal(size=(8, 4, 1))
    mask = np.ones((8, 4), bool)
    assert np.isnan(bootstrap.correlation_errors(x, y, mask, np.arange(8), centre="clip")).all()
    assert np.isnan(bootstrap.correlation_errors(y, y, mask, np.zeros(8), centre="clip")).all()


def test_score_intervals_cover_and_stay_in_range():
    """500 samples of 40 recordings of a correlation of 0.5; 95 % intervals by the error over recordings."""
    rng = np.random.default_rng(3)
    x = rng.normal(size=(40, 1, 500))
    y = 0.5 * x + np.sqrt(0.75) * rng.normal(size=x.shape)
    pairs = np.arange(500)
    mask = np.ones((40, 1), bool)
    errors = [
        bootstrap.correlation_errors(x[..., [i]], y[..., [i]], mask, range(40), centre="all").item()
        for i in pairs
    ]
    r = np.asarray([np.corrcoef(x[:, 0, i], y[:, 0, i])[0, 1] for i in pairs])
    low, high = bootstrap.score_interval(r, errors, 40, (-1.0, 1.0))
    # The error is a little small at 40 recordings; the binomial error is 0.01.
    assert 0.90 <= ((low <= 0.5) & (high >= 0.5)).mean() <= 0.98
    low, high = bootstrap.score_interval(np.array([0.99, np.nan]), np.array([0.1, 0.1]), 40, (0.0, 1.0))
    assert high[0] == 1.0 and 0.7 < low[0] < 0.9 and np.isnan(low[1]) and np.isnan(high[1])


def test_clips_of_one_recording_widen_an_error():
    assert bootstrap.design_effect(["a", "b", "c"]) == 1.0
    assert bootstrap.design_effect(["a", "a", "b", "b"]) == 2.0
    assert bootstrap.design_effect(["a", "a", "a", "b"]) == 2.5
