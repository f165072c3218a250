"""Replicate scores against brute force in float64, the two ways against each other, p against scipy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from actjax.statistics import families, nulls, permutations
from actjax.statistics.requirements import StatisticsError

B, OBS, N, K, R = 12, 9, 5, 3, 24
CLASSES = np.repeat([0, 1, 2], 4)


def sides(seed=0, offset=0.0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(B, OBS, N)) + offset
    y = rng.normal(size=(B, OBS, K)) + offset
    y[:, :, 0] += 0.5 * x[:, :, 1]
    return x.astype(np.float32), y.astype(np.float32)


def prefix_mask(seed=1):
    lengths = np.random.default_rng(seed).integers(OBS - 4, OBS + 1, size=B)
    return np.arange(OBS)[None, :] < lengths[:, None]


def brute_force(x, y, mask, source, shift, length, centre, bands=1):
    """Scores of one rearrangement, one pair at a time, float64."""
    x, y = x.astype(np.float64), y.astype(np.float64)
    frames = OBS // bands
    out = np.empty((N, K))
    for n in range(N):
        for k in range(K):
            xs, ys = [], []
            for b in range(B):
                other, own = y[source[b], :, k].reshape(bands, frames), mask[b]
                valid = mask[source[b]].reshape(bands, frames)
                if shift is not None:
                    cut = length[b]
                    other = np.concatenate(
                        [np.roll(other[:, :cut], shift[b], axis=1), other[:, cut:]], axis=1
                    )
                    valid = np.concatenate(
                        [np.roll(valid[:, :cut], shift[b], axis=1), valid[:, cut:]], axis=1
                    )
                both = own & valid.ravel()
                a, c = x[b, both, n], other.ravel()[both]
                xs.append(a - a.mean() if centre == "clip" else a)
                ys.append(c - c.mean() if centre == "clip" else c)
            a, c = np.concatenate(xs), np.concatenate(ys)
            if centre == "all":
                a, c = a - a.mean(), c - c.mean()
            out[n, k] = (a @ c) / np.sqrt((a @ a) * (c @ c))
    return out


def replicate_scores(monkeypatch, *args, **options):
    """The [1 + R, n, k] scores that `moment_null` reduces."""
    seen = []
    reduce = families.reduced_arrays
    monkeypatch.setattr(
        families, "reduced_arrays", lambda s, **o: (seen.append(np.asarray(s)), reduce(s, **o))[1]
    )
    # Not as one program, so that the scores are seen.
    of_tile = nulls._null_of_tile.__wrapped__
    monkeypatch.setattr(
        nulls, "_null_of_tile", lambda *sides, how: of_tile(*jax.tree.map(jnp.asarray, sides), how=how)
    )
    part = nulls.moment_null(*args, **options)
    return np.concatenate(seen, axis=1)[:, :N, :K], part


@pytest.mark.parametrize(
    ("centre", "way", "masked"),
    [
        ("clip", "direct", False),
        ("clip", "pairs", False),
        ("clip", "direct", True),
        ("clip", "pairs", True),
        ("all", "direct", True),
        ("all", "pairs", True),
        ("all", "pairs", False),
        ("none", "direct", False),
    ],
)
def test_replicates_equal_brute_force(monkeypatch, centre, way, masked):
    x, y = sides(offset=3.0 if centre != "none" else 0.0)
    mask = prefix_mask() if masked else np.ones((B, OBS), bool)
    draws = permutations.within_class(np.arange(B), CLASSES, replicates=R, seed=4)
    scores, _ = replicate_scores(monkeypatch, x, y, mask, draws, centre=centre, way=way)
    assert scores.shape == (R + 1, N, K)
    identity = np.arange(B)
    for r in (0, 1, 7, R):
        source = identity if r == 0 else draws.source_rb[r - 1]
        # float32 products of 108 observations against float64.
        np.testing.assert_allclose(scores[r], brute_force(x, y, mask, source, None, None, centre), atol=3e-6)


@pytest.mark.parametrize("bands", [1, 3])
def test_shifts_equal_brute_force(monkeypatch, bands):
    x, y = sides(1)
    frames = OBS // bands
    lengths = np.random.default_rng(1).integers(frames - 1, frames + 1, size=B)
    mask_bt = np.arange(frames)[None, :] < lengths[:, None]
    draws = permutations.circular_shift(mask_bt, replicates=R, seed=4)
    np.testing.assert_array_equal(draws.length_b, lengths)
    mask = np.repeat(mask_bt[:, None, :], bands, axis=1).reshape(B, OBS)
    scores, _ = replicate_scores(monkeypatch, x, y, mask, draws, frames=frames)
    for r in (1, 5, R):
        want = brute_force(x, y, mask, np.arange(B), draws.shift_rb[r - 1], lengths, "clip", bands)
        np.testing.assert_allclose(scores[r], want, atol=3e-6)


def test_shifts_rotate_masks_with_holes(monkeypatch):
    x, y = sides(2)
    mask = np.random.default_rng(3).random((B, OBS)) < 0.8
    draws = permutations.circular_shift(mask, replicates=R, seed=4)
    scores, _ = replicate_scores(monkeypatch, x, y, mask, draws)
    want = brute_force(x, y, mask, np.arange(B), draws.shift_rb[2], draws.length_b, "clip")
    np.testing.assert_allclose(scores[3], want, atol=3e-6)


def test_tiles_change_nothing():
    x, y = sides()
    mask = np.ones((B, OBS), bool)
    draws = permutations.within_class(np.arange(B), CLASSES, replicates=R, seed=4)
    whole = nulls.moment_null(x, y, mask, draws)
    # Room for the scores of two neurons at a time.
    tiled = nulls.moment_null(x, y, mask, draws, memory_gib=13 * (R + 1) * K * 4 / 2**30)
    for name, a, b in zip(families.Null._fields, whole, tiled, strict=True):
        if name.endswith("counts"):
            # A statistic within rounding of a bin's edge may fall on either side.
            assert a.sum() == b.sum() and np.abs(a - b).sum() <= 0.02 * a.sum(), name
        else:
            np.testing.assert_allclose(a, b, atol=1e-4, err_msg=name)


def test_p_agrees_with_scipy_permutation_test():
    """One class, one observation a clip: scipy enumerates pairings of the same statistic."""
    rng = np.random.default_rng(5)
    a = rng.normal(size=30)
    b = 0.35 * a + rng.normal(size=30)
    draws = permutations.unrestricted(np.arange(30), replicates=4000, seed=0)
    part = nulls.moment_null(
        a.astype(np.float32)[:, None, None],
        b.astype(np.float32)[:, None, None],
        np.ones((30, 1), bool),
        draws,
        centre="all",
    )

    def statistic(x):
        return scipy.stats.pearsonr(x, b).statistic

    outside = scipy.stats.permutation_test(
        (a,), statistic, permutation_type="pairings", n_resamples=4000, rng=np.random.default_rng(1)
    )
    # Both are Monte Carlo estimates of one p near 0.06: three standard errors of their difference.
    assert abs(part.p[0, 0] - outside.pvalue) < 3 * np.sqrt(2 * 0.06 * 0.94 / 4000)
    assert part.score[0, 0] == pytest.approx(scipy.stats.pearsonr(a, b).statistic, abs=1e-6)
    # Under unrestricted permutation r has mean 0 and variance 1 / (n - 1), exactly.
    assert part.mean[0, 0] == pytest.approx(0.0, abs=0.01)
    assert part.std[0, 0] == pytest.approx(1 / np.sqrt(29), rel=0.04)
    assert part.z[0, 0] == pytest.approx((part.score[0, 0] - part.mean[0, 0]) / part.std[0, 0], rel=1e-5)


def test_a_constant_neuron_is_undefined_and_leaves_the_family_alone():
    x, y = sides(6)
    mask = np.ones((B, OBS), bool)
    draws = permutations.within_class(np.arange(B), CLASSES, replicates=R, seed=4)
    without = nulls.moment_null(x, y, mask, draws)
    x = np.concatenate([x, np.full((B, OBS, 1), 0.1, np.float32)], axis=2)
    part = nulls.moment_null(x, y, mask, draws)
    assert np.isnan(part.p[N]).all() and np.isnan(part.score[N]).all() and np.isnan(part.z[N]).all()
    assert part.counts.sum() == R * N * K
    [a], [b] = families.correct([without]), families.correct([part])
    np.testing.assert_allclose(a.p_maxt, b.p_maxt[:N])
    np.testing.assert_allclose(a.q, b.q[:N], rtol=0.05)
    assert np.isnan(b.q[N]).all()


def test_the_cheaper_way_follows_class_size():
    small = permutations.within_class(np.arange(B), CLASSES, replicates=1000, seed=0)
    assert nulls.cheaper_way((B, 128, 4096), small) == "pairs"
    large = permutations.unrestricted(np.arange(500), replicates=100, seed=0)
    assert nulls.cheaper_way((500, 128, 4096), large) == "direct"
    assert nulls.cheaper_way((B, 1, 4096), small) == "direct"


def test_sides_that_disagree_are_refused():
    x, y = sides()
    draws = permutations.within_class(np.arange(B), CLASSES, replicates=R, seed=4)
    with pytest.raises(StatisticsError, match="must agree in clips and observations"):
        nulls.moment_null(x[:-1], y, np.ones((B, OBS), bool), draws)
