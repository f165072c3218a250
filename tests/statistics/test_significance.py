"""actjax.significance against permutations in NumPy, and what it refuses."""

import numpy as np
import pytest

import actjax

pytestmark = pytest.mark.usefixtures("optimised")


def clips(seed=0, b=24, t=6, n=3):
    """Neurons [b * t, n], of which the first follows the feature, features [b * t, 2], ids, classes."""
    rng = np.random.default_rng(seed)
    y = rng.normal(size=(b * t, 2))
    x = rng.normal(size=(b * t, n))
    x[:, 0] += y[:, 0]
    ids = np.repeat([f"clip{i:02d}" for i in range(b)], t)
    return x, y, ids, np.repeat(np.arange(b) % 2, t)


def reference(x, y, ids, replicates_source):
    """Pearson within clips of the observed pairing and of each rearrangement, in float64."""
    order = np.unique(ids, return_inverse=True)[1]
    b = order.max() + 1
    x, y = (side.reshape(b, -1, side.shape[1]) for side in (x, y))
    x, y = x - x.mean(1, keepdims=True), y - y.mean(1, keepdims=True)

    def pearson(source):
        moved = y[source]
        norm = np.sqrt((x**2).sum((0, 1))[:, None] * (moved**2).sum((0, 1))[None])
        return np.einsum("btn,btk->nk", x, moved) / norm

    return np.stack([pearson(source) for source in [np.arange(b), *replicates_source]])


def test_scores_and_p_values_are_those_of_the_permutations(monkeypatch):
    from actjax.statistics import permutations

    drawn = []
    true = permutations.within_class
    monkeypatch.setattr(
        permutations, "within_class", lambda *a, **k: drawn.append(true(*a, **k)) or drawn[-1]
    )
    x, y, ids, classes = clips()
    tested = actjax.significance(x, y, clip_ids=ids, classes=classes, replicates=99, seed=3)
    expected = reference(x, y, ids, drawn[0].source_rb)
    np.testing.assert_allclose(tested.score, expected[0], atol=1e-5)
    np.testing.assert_array_equal(tested.score, actjax.score(x, y, clip_ids=ids))
    np.testing.assert_allclose(tested.null_mean, expected[1:].mean(0), atol=1e-5)
    np.testing.assert_allclose(tested.null_std, expected[1:].std(0, ddof=1), atol=1e-5)
    np.testing.assert_allclose(
        tested.z, (expected[0] - expected[1:].mean(0)) / expected[1:].std(0, ddof=1), rtol=1e-3
    )
    assert tested.p[0, 0] == pytest.approx(0.01) and tested.p_maxt[0, 0] == pytest.approx(0.01)
    assert tested.q[0, 0] < 0.05 < tested.p_maxt[1:].min()
    # Only clips of one class trade places.
    class_b = np.arange(24) % 2
    assert (class_b[drawn[0].source_rb] == class_b).all()


def test_observations_in_any_order_are_the_same_clips():
    x, y, ids, classes = clips()
    shuffled = np.argsort(
        np.arange(len(ids)) % 6 + 10 * np.random.default_rng(1).integers(0, 3, 24).repeat(6), kind="stable"
    )
    one, two = (
        actjax.significance(x[o], y[o], clip_ids=ids[o], classes=classes[o], replicates=50)
        for o in (np.arange(len(ids)), shuffled)
    )
    np.testing.assert_allclose(one.p, two.p)
    np.testing.assert_allclose(one.null_mean, two.null_mean, atol=1e-6)


def test_one_value_a_clip_and_recordings_that_stay_together():
    rng = np.random.default_rng(0)
    y = rng.normal(size=(60, 1))
    tested = actjax.significance(
        y + rng.normal(size=(60, 1)), y, "spearman", recording_ids=np.arange(60) // 2
    )
    assert tested.p_maxt.shape == (1, 1) and tested.p_maxt[0, 0] < 0.01


def test_unequal_clips_and_a_mask():
    x, y, ids, _ = clips()
    keep = np.ones(len(ids), bool)
    keep[:3] = False
    x[:3] = np.nan
    with pytest.raises(ValueError, match="expected finite activations"):
        actjax.significance(x, y, clip_ids=ids)
    masked = actjax.significance(x, y, clip_ids=ids, mask=keep, replicates=50)
    np.testing.assert_array_equal(masked.score, actjax.score(x, y, clip_ids=ids, mask=keep))
    cut = actjax.significance(x[3:], y[3:], clip_ids=ids[3:], replicates=50)
    np.testing.assert_allclose(cut.score, masked.score, atol=1e-6)
    assert np.isfinite(masked.z).all()


def test_tables_come_back_as_tables():
    pd = pytest.importorskip("pandas")
    x, y, ids, _ = clips()
    tested = actjax.significance(
        pd.DataFrame(x), pd.DataFrame(y, columns=["a", "b"]), clip_ids=ids, replicates=50
    )
    assert list(tested.q.columns) == ["a", "b"] and tested.p.index.tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"metric": "pearson,spearman"}, "expected one metric, whose scores are one family"),
        ({"null": "shuffled"}, "null knows within_class, unrestricted, circular_shift; got 'shuffled'"),
        ({"null": "within_class"}, r"needs classes \[o\]"),
        ({"replicates": 10}, "10 replicates give no p-value below"),
        ({"classes": np.arange(144) % 5}, "one of classes for all observations of a clip, got two in clip 0"),
        ({"recording_ids": np.arange(144) // 18 }, None),
        ({"recording_ids": np.arange(144) // 72 }, "allow 2 permutations"),
        ({"metric": "ssim"}, "take score_maps"),
    ],
)  # fmt: skip
def test_what_cannot_be_tested_is_one_line(options, message):
    x, y, ids, _ = clips()
    if message is None:
        assert actjax.significance(x, y, clip_ids=ids, replicates=50, **options).p.shape == (3, 2)
        return
    with pytest.raises(ValueError, match=message) as info:
        actjax.significance(x, y, clip_ids=ids, **options)
    assert "\n" not in str(info.value)
