"""actjax.significance_maps against scores of rearranged clips, and what it refuses."""

import numpy as np
import pytest

import actjax
from actjax.statistics import permutations

pytestmark = pytest.mark.usefixtures("optimised")


def images(seed=0, b=14):
    """Maps [b, 2, 6, 16], of which the first holds the finer matrix's averages; matrices [b, 1, 6, 32]."""
    rng = np.random.default_rng(seed)
    y = rng.random((b, 1, 6, 32))
    x = rng.random((b, 2, 6, 16))
    x[:, :1] += y.reshape(b, 1, 6, 16, 2).mean(-1)
    return x, y


@pytest.mark.parametrize("metric", ["pearson", "cka", pytest.param("ssim", marks=pytest.mark.long)])
def test_a_replicate_is_the_score_of_rearranged_clips(monkeypatch, metric):
    drawn, true = [], permutations.within_class
    monkeypatch.setattr(
        permutations, "within_class", lambda *a, **k: drawn.append(true(*a, **k)) or drawn[-1]
    )
    x, y = images()
    options = {"classes": np.arange(14) % 2, "seed": 2}
    tested = actjax.significance_maps(x, y, metric, replicates=19, null="within_class", **options)
    np.testing.assert_array_equal(tested.score, actjax.score_maps(x, y, metric))
    null = np.stack([actjax.score_maps(x, y[source], metric) for source in drawn[0].source_rb])
    null = null[-19:]  # the observed pairing may stand first
    np.testing.assert_allclose(tested.null_mean, null.mean(0), atol=2e-5)
    np.testing.assert_allclose(tested.null_std, null.std(0, ddof=1), atol=2e-5)
    assert tested.p[0, 0] == pytest.approx(0.05) and tested.p[1, 0] > 0.05


def test_frames_that_do_not_count_change_nothing():
    x, y = images(b=8)
    mask = np.ones((8, 32), bool)
    mask[:, 24:] = False
    other = y.copy()
    other[..., 24:] = 5
    one, two = (
        actjax.significance_maps(x, side, "pearson", mask=mask, replicates=19, recording_ids=np.arange(8))
        for side in (y, other)
    )
    np.testing.assert_array_equal(one.null_mean, two.null_mean)
    np.testing.assert_array_equal(one.p, two.p)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"metric": "auprc"}, "a metric with the map view"),
        ({"null": "circular_shift"}, "maps are not shifted in time"),
        ({"metric": "cka,ssim"}, "expected one metric"),
        ({"classes": np.arange(3)}, "classes"),
        ({"replicates": 3}, "replicates"),
    ],
)
def test_what_cannot_be_tested_is_one_line(options, message):
    x, y = images(b=8)
    with pytest.raises(ValueError, match=message) as error:
        actjax.significance_maps(x, y, **options)
    assert "\n" not in str(error.value)
