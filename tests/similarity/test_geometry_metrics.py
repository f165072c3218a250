"""Metrics of frame geometry and cross-correlation against SciPy, scikit-learn and scikit-image in float64."""

import numpy as np
import pytest
import scipy.linalg
import scipy.spatial
import scipy.stats
from skimage.feature import match_template
from sklearn.cross_decomposition import CCA
from sklearn.neighbors import NearestNeighbors

from actjax.lookup import load
from actjax.similarity.api import make_metric
from actjax.similarity.kernel import pairwise

T = 45
GEOMETRY = ("rsa", "cca", "svcca", "procrustes", "knn_jaccard")


def images(rows=(6, 4), counts=(3, 2), t=T, seed=0):
    """Related images with different rows, one rectified so that many frames are equal."""
    rng = np.random.default_rng(seed)
    common = rng.standard_normal((3, t)).cumsum(1)
    x, y = (
        rng.standard_normal((count, f, 3)) @ common + 0.8 * rng.standard_normal((count, f, t))
        for count, f in zip(counts, rows, strict=True)
    )
    x[0] = np.maximum(x[0] - 3, 0)
    return x.astype(np.float32), y.astype(np.float32)


def masked_images(**options):
    x, y = images(**options)
    mask = np.random.default_rng(2).random(x.shape[2]) < 0.85
    return *(np.where(mask, side, np.float32(1e6)) for side in (x, y)), mask


def scores(metric, x, y, mask=None, name="score"):
    mask = np.ones(x.shape[2], bool) if mask is None else mask  # always given, to compile once
    return np.asarray(pairwise(metric, x, y, mask)[name])


def each_pair(fn, x, y, mask=None):
    mask = np.ones(x.shape[2], bool) if mask is None else mask
    x, y = (np.asarray(side, np.float64)[:, :, mask] for side in (x, y))
    return np.array([[fn(a, b) for b in y] for a in x])


COMPARE = {
    "pearson": lambda a, b: scipy.stats.pearsonr(a, b)[0],
    "spearman": lambda a, b: scipy.stats.spearmanr(a, b)[0],
    "cosine": lambda a, b: 1 - scipy.spatial.distance.cosine(a, b),
}


@pytest.mark.parametrize(
    "dissimilarity, comparison",
    [
        ("euclidean", "pearson"),
        ("euclidean", "spearman"),
        ("squared_euclidean", "cosine"),
        ("correlation", "pearson"),
    ],
)
def test_rsa(dissimilarity, comparison):
    x, y, mask = masked_images()
    if dissimilarity == "correlation":
        x[0] = -2 * x[1]  # a rectified image has frames with equal rows
    kind = dissimilarity.replace("squared_", "sq")

    def reference(a, b):
        return COMPARE[comparison](*(scipy.spatial.distance.pdist(side.T, kind) for side in (a, b)))

    found = scores(make_metric("rsa", dissimilarity=dissimilarity, comparison=comparison), x, y, mask)
    np.testing.assert_allclose(found, each_pair(reference, x, y, mask), atol=1e-5)


def test_rsa_by_correlation_of_a_frame_with_equal_rows_is_undefined():
    x, y = images()
    x[1, :, 5] = 2.0
    found = scores(make_metric("rsa", dissimilarity="correlation"), x, y)
    assert np.isnan(found[1]).all() and np.isfinite(found[2]).all()


def canonical(a, b):
    """Canonical correlations by orthonormal bases in float64."""
    a, b = (scipy.linalg.orth((side - side.mean(1, keepdims=True)).T) for side in (a, b))
    return np.linalg.svd(a.T @ b, compute_uv=False)


def test_cca():
    x, y, mask = masked_images()
    found = scores(make_metric("cca"), x, y, mask)
    np.testing.assert_allclose(found, each_pair(lambda a, b: canonical(a, b).mean(), x, y, mask), atol=1e-5)


def test_cca_equals_scikit_learn():
    x, y = images(rows=(3, 2))

    def reference(a, b):
        u, v = CCA(n_components=2, max_iter=20000, tol=1e-12).fit_transform(a.T, b.T)
        return np.mean([np.corrcoef(u[:, i], v[:, i])[0, 1] for i in range(2)])

    np.testing.assert_allclose(
        scores(make_metric("cca"), x[1:], y), each_pair(reference, x[1:], y), atol=1e-5
    )


def test_cca_of_rank_deficient_rows_and_of_one_row():
    x, y = images()
    double = np.concatenate([x, x[:, :2] - 3 * x[:, 2:4], np.full_like(x[:, :1], 9)], 1)
    np.testing.assert_allclose(
        scores(make_metric("cca"), double, y), scores(make_metric("cca"), x, y), atol=1e-5
    )
    single = y[:, :1]
    found = scores(make_metric("cca"), x, single)

    def multiple_correlation(a, b):
        design = np.column_stack([np.ones(T), a.T])
        return scipy.stats.pearsonr(b[0], design @ np.linalg.lstsq(design, b[0])[0])[0]

    np.testing.assert_allclose(found, each_pair(multiple_correlation, x, single), atol=1e-5)


def test_cca_of_rows_that_span_all_frames_is_undefined_and_svcca_is_not():
    x, y = images(rows=(50, 4), t=30)
    x = x + 1e-3 * np.random.default_rng(0).standard_normal(x.shape).astype(np.float32)
    assert np.isnan(scores(make_metric("cca"), x[1:], y)).all()
    assert np.isfinite(scores(load("metric", "svcca", variance=0.9), x[1:], y)).all()


def test_svcca():
    x, y, mask = masked_images(rows=(20, 9))

    def cut(side):
        centred = side - side.mean(1, keepdims=True)
        _, s, basis = np.linalg.svd(centred, full_matrices=False)
        share = np.cumsum(s**2) / np.sum(s**2)
        return basis[: np.searchsorted(share, 0.9) + 1]

    def reference(a, b):
        return np.linalg.svd(cut(a) @ cut(b).T, compute_uv=False).mean()

    found = scores(load("metric", "svcca", variance=0.9), x, y, mask)
    np.testing.assert_allclose(found, each_pair(reference, x, y, mask), atol=1e-5)


@pytest.mark.parametrize("rows", [(4, 4), (6, 4), (5, 1)])
def test_procrustes(rows):
    x, y, mask = masked_images(rows=rows)

    def reference(a, b):
        most = max(len(a), len(b))
        a, b = (np.pad(side, ((0, most - len(side)), (0, 0))).T for side in (a, b))
        return 1 - scipy.spatial.procrustes(a, b)[2]

    np.testing.assert_allclose(
        scores(make_metric("procrustes"), x, y, mask), each_pair(reference, x, y, mask), atol=1e-5
    )


@pytest.mark.parametrize("distance", ["euclidean", "cosine"])
def test_knn_jaccard(distance):
    x, y, mask = masked_images()

    def neighbours(side):
        near = NearestNeighbors(n_neighbors=7, metric=distance, algorithm="brute").fit(side.T)
        return near.kneighbors(return_distance=False)

    def reference(a, b):
        sets = zip(neighbours(a), neighbours(b), strict=True)
        return np.mean([len(np.intersect1d(i, j)) / len(np.union1d(i, j)) for i, j in sets])

    found = scores(load("metric", "knn_jaccard", neighbours=7, distance=distance), x, y, mask)
    # The first image has equal frames, of which scikit-learn takes any.
    np.testing.assert_allclose(found[1:], each_pair(reference, x[1:], y, mask), atol=1e-6)


def test_knn_jaccard_takes_all_that_tie():
    # Frames of two kinds: every frame of its own kind is at distance 0.
    kind = np.arange(20) % 2
    other = np.arange(20) // 10
    x, y = (np.stack([side, 3 * side]).astype(np.float32)[None] for side in (kind, other))
    metric = load("metric", "knn_jaccard", neighbours=3)
    assert scores(metric, x, x)[0, 0] == 1
    # 9 of its own kind on each side, 4 or 5 (minus itself) in both.
    np.testing.assert_allclose(scores(metric, x, y)[0, 0], 4 / 14, atol=1e-6)


@pytest.mark.parametrize("name", GEOMETRY)
def test_undefined_geometry(name):
    x, y = images()
    x[1] = np.float32(0.1)
    metric = make_metric(name)
    found = scores(metric, x, y)
    assert np.isnan(found[1]).all() and np.isfinite(found[[0, 2]]).all()
    assert np.isnan(scores(metric, x, y, np.arange(T) < 15)).all()
    assert np.isfinite(scores(metric, *images(seed=3), np.arange(T) < 16)[1:]).all()


@pytest.mark.parametrize("name", GEOMETRY)
def test_geometry_does_not_see_offsets_and_scale(name):
    # Whole numbers keep their differences exact at that offset.
    x, y = (np.round(side * 16) / 16 for side in images())
    metric = make_metric(name)
    found = scores(metric, (x + np.float32(16384)) * np.float32(0.5), y - np.float32(16384))
    np.testing.assert_allclose(found, scores(metric, x, y), atol=1e-5)


def brute_ncc(x, y, valid, max_lag, max_shift, min_overlap=0.5):
    """(score, lag, shift) by slicing out every overlap."""
    f, t = x.shape
    best = (-np.inf, np.nan, np.nan)
    for shift in range(-max_shift, max_shift + 1):
        for lag in range(-max_lag, max_lag + 1):
            rows = np.arange(max(0, -shift), f - max(0, shift))
            frames = np.arange(max(0, -lag), t - max(0, lag))
            frames = frames[valid[frames] & valid[frames + lag]]
            a, b = x[np.ix_(rows + shift, frames + lag)].ravel(), y[np.ix_(rows, frames)].ravel()
            if a.size >= min_overlap * f * valid.sum() and a.std() > 0 and b.std() > 0:
                best = max(best, (scipy.stats.pearsonr(a, b)[0], lag, shift))
    return best


@pytest.mark.parametrize("f, t, max_lag, max_shift", [(6, 31, 4, 2), (3, 9, 6, 4), (1, 40, 3, 0)])
def test_max_ncc_equals_brute_force(f, t, max_lag, max_shift):
    rng = np.random.default_rng(t)
    x, y = rng.standard_normal((3, f, t)), rng.standard_normal((2, f, t))
    x[0] = np.roll(y[0], (max_shift and 1, -2), (0, 1)) + 0.1 * x[0]
    x[1] = -y[1] + 0.3 * x[1]
    x, y = (x + 7).astype(np.float32), y.astype(np.float32)
    valid = rng.random(t) < 0.9
    metric = make_metric("max_ncc", max_lag=max_lag, max_shift=max_shift)
    spoiled = [np.where(valid, side, np.float32(1e5)) for side in (x, y)]
    found = pairwise(metric, *spoiled, valid)
    expected = np.array(
        [[brute_ncc(np.float64(a), np.float64(b), valid, max_lag, max_shift) for b in y] for a in x]
    )
    for i, name in enumerate(("score", "lag", "shift")):
        np.testing.assert_allclose(found[name], expected[..., i], atol=1e-5)
    assert found["lag"][0, 0] == -2 and found["shift"][0, 0] == (1 if max_shift else 0)


def test_max_ncc_of_series_is_that_of_one_row():
    x, y = (side[:, 0] for side in images())
    mask = np.arange(T) % 9 > 0
    series = pairwise(make_metric("max_ncc", view="frame"), x.T, y.T, mask)
    image = pairwise(make_metric("max_ncc", max_shift=0), x[:, None], y[:, None], mask)
    for name in ("score", "lag", "shift"):
        np.testing.assert_allclose(series[name], image[name], atol=1e-6)


def test_max_ncc_equals_match_template():
    # The template is what of y overlaps x at the lag that y was moved by.
    rng = np.random.default_rng(0)
    y = rng.standard_normal((5, 40))
    lag = 3
    x = np.pad(y[:, :-lag], ((0, 0), (lag, 0))) + 0.3 * rng.standard_normal(y.shape) + 100
    x, y = x.astype(np.float32), y.astype(np.float32)
    expected = match_template(np.float64(x), np.float64(y[:, :-lag])).max()
    found = pairwise(make_metric("max_ncc", max_lag=5, max_shift=1), x[None], y[None])
    assert (found["lag"][0, 0], found["shift"][0, 0]) == (lag, 0)
    np.testing.assert_allclose(found["score"][0, 0], expected, atol=1e-5)


def test_max_ncc_prefers_no_offset_and_ignores_flat_overlaps():
    t = np.arange(32)
    wave = np.tile(np.array([0, 1, 2, 1], np.float32), 8)[None]
    found = pairwise(make_metric("max_ncc", max_lag=8, max_shift=0), wave[None], wave[None])
    assert found["lag"][0, 0] == 0 and found["score"][0, 0] > 1 - 1e-6
    click = (t == 0).astype(np.float32)[None]
    found = pairwise(make_metric("max_ncc", max_lag=8, max_shift=0), click[None], click[None] * 3)
    assert found["lag"][0, 0] == 0 and found["score"][0, 0] > 1 - 1e-6


@pytest.mark.parametrize(
    "name, options, match",
    [
        ("rsa", {"dissimilarity": "l1"}, "rsa expected dissimilarity"),
        ("rsa", {"comparison": "l1"}, "rsa expected comparison"),
        ("svcca", {"variance": 0.0}, "variance in"),
        ("knn_jaccard", {"neighbours": 0}, "at least 1 neighbour"),
        ("knn_jaccard", {"distance": "l1"}, "knn_jaccard expected distance"),
        ("max_ncc", {"view": "clip"}, "max_ncc expected view"),
        ("max_ncc", {"max_lag": -1}, "lags and shifts"),
        ("max_ncc", {"min_overlap": 0.0}, "min_overlap"),
    ],
)
def test_options_are_checked(name, options, match):
    with pytest.raises(ValueError, match=match):
        load("metric", name, **options)
