import jax.numpy as jnp
import numpy as np
import pytest

from actjax.similarity import api
from actjax.similarity.grid import overlaps
from actjax.similarity.kernel import pairwise
from actjax.similarity.stream import PairStream


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((1200, 50)).astype(np.float32)
    y = (rng.standard_normal((1200, 70)) + x[:, :1]).astype(np.float32)
    return x, y, np.repeat(np.arange(20), 60)


def expected(x, y):
    return np.corrcoef(x.T.astype(np.float64), y.T.astype(np.float64))[: x.shape[1], x.shape[1] :]


def test_score_takes_any_array(data):
    x, y, _ = data
    for a in (x, jnp.asarray(x), np.asfortranarray(x), x.astype(np.float64), x[:, ::-1][:, ::-1]):
        found = api.score(a, y)
        assert isinstance(found, np.ndarray) and found.dtype == np.float32
        np.testing.assert_allclose(found, expected(x, y), atol=1e-6)
    counts = np.round(x * 10)
    np.testing.assert_allclose(api.score(counts.astype(np.int16), y), expected(counts, y), atol=1e-6)
    np.testing.assert_allclose(api.score(x, y > 0), expected(x, y > 0), atol=1e-6)
    low = jnp.asarray(x, jnp.bfloat16)
    np.testing.assert_allclose(api.score(low, y), expected(np.asarray(low, np.float32), y), atol=1e-6)


@pytest.mark.parametrize("metric", ["pearson", "spearman"])
def test_memory_bound_tiles_both_sides(data, metric):
    x, y, _ = data
    whole = api.score(x, y, metric)
    np.testing.assert_allclose(api.score(x, y, metric, memory_gib=2e-3), whole, atol=1e-6)


def test_mask_and_details(data):
    x, y, _ = data
    mask = np.arange(1200) % 7 > 0
    found = api.score(np.where(mask[:, None], x, np.nan), y, mask=mask, details=True)
    np.testing.assert_allclose(found["score"], expected(x[mask], y[mask]), atol=1e-6)
    flat = x.copy()
    flat[:, 3] = 2.5
    found = api.score(flat, y, details=True)
    assert not found["valid"][3].any() and found["valid"][4].all()


def test_within_removes_differences_between_clips(data):
    x, y, ids = data
    shifted = x + 100 * (ids % 3)[:, None].astype(np.float32)
    order = np.random.default_rng(3).permutation(len(ids))
    centred = [v - np.stack([v[ids == i].mean(0) for i in range(20)])[ids] for v in (x, y)]
    found = api.score(shifted[order], y[order], clip_ids=ids[order] * 7 - 3)
    np.testing.assert_allclose(found, expected(*centred), atol=1e-5)
    ranks = api.score(shifted[order], y[order], "spearman", ids[order], details=True)
    spearman = api.make_metric("spearman")
    each = np.mean([pairwise(spearman, shifted[ids == i], y[ids == i])["score"] for i in range(20)], 0)
    np.testing.assert_allclose(ranks["score"], each, atol=1e-5)
    assert (ranks["std_error"] > 0).all() and (ranks["n_observations"] == 1200).all()


def test_too_few_valid_clips_are_undefined(data):
    x, y, ids = data
    for dead, valid in ((2, True), (3, False)):
        silent = x.copy()
        silent[ids < dead, 0] = 0
        found = api.score(silent, y, "spearman", ids)
        assert np.isfinite(found[0]).all() == valid and np.isfinite(found[1:]).all()


def test_score_maps_averages_onto_the_coarser_grid():
    rng = np.random.default_rng(0)
    maps, matrices = rng.random((9, 4, 12, 20)), rng.random((9, 3, 24, 40))
    coarse = matrices.reshape(9, 3, 12, 2, 20, 2).mean((3, 5))
    for metric in ("pearson", "ssim"):
        np.testing.assert_allclose(
            api.score_maps(maps, matrices, metric), api.score_maps(maps, coarse, metric), atol=1e-5
        )
    assert api.score_maps(maps, rng.random((9, 3, 5, 40)), "cka").shape == (4, 3)
    np.testing.assert_allclose(overlaps(7, 3).sum(0), 1, atol=1e-6)


def test_names_and_objects():
    assert {"cka", "cosine", "pearson", "spearman", "ssim"} <= set(api.list_metrics())
    assert api.make_metric("cka", kernel="rbf") is api.make_metric("cka", kernel="rbf")


ONES = np.ones((9, 2), np.float32)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: api.score(ONES, ONES[:5]), r"same observations, got o = 9 and o = 5"),
        (lambda: api.score(ONES[:, 0], ONES), r"activations \[o, n\].*got shape \(9,\); for one column"),
        (lambda: api.score(ONES, ONES, "persn"), "unknown metric 'persn'; did you mean pearson"),
        (lambda: api.score(ONES, ONES, "spearman", tie="x"), "no option 'tie'; did you mean ties"),
        (lambda: api.score(ONES, ONES, "ssim"), "take score_maps"),
        (lambda: api.score(ONES, ONES, mask=np.ones(5, bool)), r"mask \[o\] with o = 9, got shape \(5,\)"),
        (lambda: api.score(ONES, ONES, mask=np.ones(9)), "mask .* booleans"),
        (lambda: api.score(ONES, ONES, clip_ids=np.ones(8)), r"clip_ids \[o\] with o = 9, got shape \(8,\)"),
        (lambda: api.score(ONES * 1j, ONES), "activations of real numbers, got complex64"),
        (lambda: api.score(ONES, ONES, memory_gib=0), "memory_gib above 0 and finite, got 0"),
        (lambda: api.score_maps(ONES, ONES), r"maps \[b, n, f, t\], got shape \(9, 2\)"),
        (lambda: api.score_maps(np.ones((2, 3, 4, 5)), np.ones((3, 3, 4, 5))), "got b = 2 and b = 3"),
    ],
)
def test_bad_input_is_one_line(call, message):
    with pytest.raises(ValueError, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("metric", ["pearson", "spearman"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_not_finite_are_named(data, metric, value):
    x, y, ids = data
    bad = x.copy()
    bad[45, 7] = value
    for clip_ids in (None, ids):
        with pytest.raises(ValueError, match="finite activations, got .* at observation 45 of neuron 7"):
            api.score(bad, y, metric, clip_ids)
    maps = np.ones((3, 2, 8, 16), np.float32)
    maps[2, 1, 0, 0] = value
    with pytest.raises(ValueError, match="clip 2, neuron 1"):
        api.score_maps(maps, maps)


def test_streams_refuse_what_they_cannot_do():
    with pytest.raises(ValueError, match="spearman does not stream"):
        PairStream((api.make_metric("spearman"),), 2, 2, within=False)
    with pytest.raises(ValueError, match="each metric once"):
        PairStream((api.make_metric("cosine"),) * 2, 2, 2)
    with pytest.raises(ValueError, match="ssim observes images"):
        PairStream((api.make_metric("ssim"),), 2, 2)
