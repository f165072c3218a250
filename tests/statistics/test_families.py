"""Max-T, pooled false discovery and Holm against scipy, textbook values and brute force."""

import jax
import numpy as np
import pytest
import scipy.stats

from actjax.statistics import corrections, families
from actjax.statistics.requirements import StatisticsError


def holm_by_definition(p):
    """The smallest level at which Holm's sequential procedure rejects each hypothesis."""
    levels = sorted({min(1.0, v * (len(p) - i)) for v in p for i in range(len(p))} | {1.0})
    out = np.ones(len(p))
    for level in reversed(levels):
        for i, index in enumerate(np.argsort(p, kind="stable")):
            if p[index] * (len(p) - i) > level:
                break
            out[index] = level
    return out


def test_holm_against_its_definition_and_a_worked_example():
    # Four p-values at 0.05: Holm rejects 0.005 and 0.01 and stops at 0.03 > 0.05 / 2.
    np.testing.assert_allclose(corrections.holm([0.01, 0.04, 0.03, 0.005]), [0.03, 0.06, 0.06, 0.02])
    p = np.random.default_rng(0).random(9) ** 2
    np.testing.assert_allclose(corrections.holm(p), holm_by_definition(p))
    np.testing.assert_allclose(corrections.holm([0.01, np.nan, 0.02]), [0.02, np.nan, 0.02])
    assert corrections.holm([]).shape == (0,)


def test_holm_refuses_what_its_replicates_cannot_resolve():
    with pytest.raises(StatisticsError, match="over 4 tests needs at least 79 replicates"):
        corrections.holm([0.02] * 4, replicates=50)
    corrections.holm([0.02, np.nan, 0.5], replicates=50)


def test_benjamini_hochberg_equals_scipy():
    p = np.random.default_rng(1).random((5, 8)) ** 2
    np.testing.assert_allclose(
        corrections.benjamini_hochberg(p).ravel(), scipy.stats.false_discovery_control(p.ravel())
    )
    p[2, 3] = np.nan
    q = corrections.benjamini_hochberg(p)
    assert np.isnan(q[2, 3])
    np.testing.assert_allclose(q[~np.isnan(p)], scipy.stats.false_discovery_control(p[~np.isnan(p)]))


R, N, K = 99, 6, 4


def scores(seed=0):
    rng = np.random.default_rng(seed)
    spread = rng.uniform(0.01, 0.3, (N, K))
    values = rng.normal(size=(R + 1, N, K)) * spread + rng.normal(size=(N, K))
    values[0, 0, 0] += 6 * spread[0, 0]
    values[0, 1, 1] -= 6 * spread[1, 1]
    return values.astype(np.float32)


@pytest.mark.parametrize("signed", [True, False])
def test_every_number_of_a_family_by_brute_force(signed):
    values = scores()
    part = families.reduce_replicates(values, signed=signed)
    wide = values.astype(np.float64)
    t = (wide - wide.mean(axis=0)) / wide.std(axis=0)
    t = np.abs(t) if signed else t
    np.testing.assert_allclose(part.mean, wide[1:].mean(axis=0), atol=1e-5)
    np.testing.assert_allclose(part.std, wide[1:].std(axis=0, ddof=1), rtol=1e-4)
    np.testing.assert_allclose(part.z, (wide[0] - wide[1:].mean(0)) / wide[1:].std(0, ddof=1), atol=1e-3)
    np.testing.assert_allclose(part.statistic, t[0], atol=1e-3)
    np.testing.assert_allclose(part.p, (1 + (t[1:] >= t[0]).sum(axis=0)) / (R + 1))
    np.testing.assert_allclose(part.max_r, t[1:].max(axis=(1, 2)), atol=1e-3)
    [corrected] = families.correct([part])
    largest = t[1:].max(axis=(1, 2))
    p_maxt = (1 + (largest[:, None, None] >= t[0]).sum(axis=0)) / (R + 1)
    np.testing.assert_allclose(corrected.p_maxt, p_maxt)
    pooled = np.asarray([(1 + (t[1:] >= v).sum()) / (1 + t[1:].size) for v in t[0].ravel()])
    want = scipy.stats.false_discovery_control(pooled).reshape(N, K)
    # The histogram counts a statistic's own bin: never less, at most 2 % and a few counts more.
    assert (corrected.q >= want * (1 - 1e-9)).all()
    np.testing.assert_allclose(corrected.q, want, rtol=0.03, atol=3 * N * K / t[1:].size)
    assert corrected.p_maxt[0, 0] == 0.01
    # Far below chance is evidence for signed metrics only.
    assert corrected.p_maxt[1, 1] == (0.01 if signed else 1.0)
    np.testing.assert_allclose(np.asarray(families.max_t_p(families.studentise(values, signed))), p_maxt)


def test_a_family_in_parts_is_the_family():
    values = scores()
    whole = families.reduce_replicates(values, signed=True)
    parts = [families.reduce_replicates(values[:, :, k : k + 2], signed=True) for k in (0, 2)]
    [together], apart = families.correct([whole]), families.correct(parts)
    for name in ("p_maxt", "q"):
        joined = np.concatenate([getattr(c, name) for c in apart], axis=1)
        np.testing.assert_allclose(joined, getattr(together, name), err_msg=name)
    tiles = [families.reduce_replicates(values[:, n : n + 3], signed=True) for n in (0, 3)]
    [tiled] = families.correct([families.join_tiles(tiles)])
    np.testing.assert_allclose(tiled.q, together.q)
    with pytest.raises(StatisticsError, match="share their draws"):
        families.correct([whole, whole._replace(max_r=whole.max_r[:50])])


def test_the_maximum_is_exact_for_exchangeable_scores():
    """Any of the R + 1 values may be the observed one: p is uniform on 1/(R+1) .. 1."""
    values = np.random.default_rng(3).standard_t(3, size=(20, N, K)).astype(np.float32)
    smallest = []
    smallest_p = jax.jit(lambda v: families.max_t_p(families.studentise(v, True)).min())
    for observed in range(20):
        smallest.append(float(smallest_p(np.roll(values, -observed, axis=0))))
    np.testing.assert_allclose(np.sort(smallest), np.arange(1, 21) / 20, atol=1e-6)


def test_a_null_without_spread_is_undefined():
    values = scores()
    values[:, 2, 2] = 0.25
    values[5, 3, 3] = np.nan
    part = families.reduce_replicates(values, signed=True)
    [corrected] = families.correct([part])
    for array in (part.p, part.statistic, part.z, corrected.p_maxt, corrected.q):
        assert np.isnan(array[2, 2]) and np.isnan(array[3, 3]) and np.isnan(array).sum() == 2
