"""The sums of picked products against a product in float64, and both forms of the way by pairs."""

import numpy as np
import pytest

from actjax import parallel
from actjax.statistics import nulls, permutations
from actjax.statistics.permuted_products import permuted_products

CLASSES = np.asarray([0, 0, 0, 0, 0, 1, 1, 1, 1])
# Recordings of different numbers of clips: some clips are then met twice.
RECORDINGS = np.asarray([0, 0, 1, 2, 2, 3, 4, 5, 5])


def drawn() -> permutations.Draws:
    return permutations.within_class(RECORDINGS, CLASSES, replicates=100, seed=2, level=0.2)


@pytest.mark.parametrize("k", [3, 40])
def test_sums_are_those_of_the_clips_that_meet(k):
    rng, draws = np.random.default_rng(0), drawn()
    x, y = (rng.normal(size=(9, 7, v)).astype(np.float32) for v in (5, k))
    sums = np.asarray(permuted_products(x, y, draws.partner_bj, draws.slots_rb))
    source_rb = np.concatenate([np.arange(9)[None], draws.source_rb])
    want = np.einsum("bon,rbok->rnk", x.astype(np.float64), y[source_rb])
    # Sums of 63 float32 products.
    np.testing.assert_allclose(sums, want, atol=2e-5)


def test_the_null_by_weights_of_other_devices_is_the_same(monkeypatch):
    rng, draws, mask = np.random.default_rng(1), drawn(), np.ones((9, 60), bool)
    x, y = (rng.normal(size=(9, 60, v)).astype(np.float32) for v in (5, 3))
    by_picks = nulls.moment_null(x, y, mask, draws, way="pairs")
    monkeypatch.setattr(parallel, "on_cpu", lambda: False)
    by_weights = nulls.moment_null(x, y, mask, draws, way="pairs")
    for name in ("score", "mean", "std", "statistic", "max_r"):
        np.testing.assert_allclose(getattr(by_picks, name), getattr(by_weights, name), atol=2e-5)
    np.testing.assert_array_equal(by_picks.p, by_weights.p)
