"""The first five metrics against outsiders in float64."""

import jax
import numpy as np
import pytest
import scipy.spatial.distance
import scipy.stats
from skimage.metrics import structural_similarity

from actjax.similarity.api import make_metric
from actjax.similarity.kernel import clip_scores, pairwise

# Compiled as users do.
pytestmark = pytest.mark.usefixtures("optimised")

N, K = 4, 3


def vectors(o, offset=0.0, ties=False):
    rng = np.random.default_rng(o)
    common = rng.standard_normal((o, 1))
    x, y = common + rng.standard_normal((o, N)) + offset, common - 2 * rng.standard_normal((o, K))
    y[:, 0] *= -1
    if ties:
        x, y = np.round(x), np.round(y)
    return x.astype(np.float32), y.astype(np.float32)


def reference(fn, x, y):
    x, y = x.astype(np.float64), y.astype(np.float64)
    return np.array([[fn(x[:, i], y[:, j]) for j in range(y.shape[1])] for i in range(x.shape[1])])


@pytest.mark.parametrize(
    ("o", "offset", "ties"),
    [
        (3, 0.0, False),
        (50, 1e4, False),
        (601, 0.0, True),
        (601, -1e4, False),
        pytest.param(20_000, 1e4, False, marks=pytest.mark.long),
    ],
)
@pytest.mark.parametrize(
    ("name", "fn"),
    [
        ("pearson", lambda a, b: scipy.stats.pearsonr(a, b)[0]),
        ("cosine", lambda a, b: 1 - scipy.spatial.distance.cosine(a, b)),
        ("spearman", lambda a, b: scipy.stats.spearmanr(a, b)[0]),
    ],
)
def test_vector_metrics(name, fn, o, offset, ties):
    x, y = vectors(o, offset, ties)
    expected = reference(fn, x, y)
    # Shorter inputs are masks of one shape, which compiles once.
    size = max(o, 601)
    mask = np.arange(size) < o
    x, y = (np.pad(side, ((0, size - o), (0, 0)), constant_values=7) for side in (x, y))
    # Centred in float32 by way of a first value: the offset costs nothing.
    np.testing.assert_allclose(pairwise(make_metric(name), x, y, mask)["score"], expected, atol=2e-6)
    first = pairwise(make_metric(name), x.T, y.T, mask, neurons_first=True)["score"]
    np.testing.assert_allclose(first, expected, atol=2e-6)


@pytest.mark.parametrize("name", ["pearson", "cosine"])
def test_streaming_keeps_digits_at_a_large_offset(name):
    x, y = vectors(20_000, 1e4)
    accumulator = make_metric(name).accumulator
    state, update = accumulator.init(N, K), jax.jit(accumulator.update)
    for start in range(0, 20_000, 500):
        part = np.s_[start : start + 500]
        state = update(state, x[part], y[part], np.ones(500, bool))
    fn = {"pearson": lambda a, b: scipy.stats.pearsonr(a, b)[0]}.get(
        name, lambda a, b: 1 - scipy.spatial.distance.cosine(a, b)
    )
    np.testing.assert_allclose(accumulator.finalize(state)["score"], reference(fn, x, y), atol=1e-5)


def test_random_ties_ruin_binary_data_and_averaged_ones_do_not():
    x = (np.random.default_rng(0).random((2000, 1)) < 0.1).astype(np.float32)
    assert pairwise(make_metric("spearman"), x, x)["score"][0, 0] == pytest.approx(1, abs=1e-6)
    broken = float(pairwise(make_metric("spearman", ties="random"), x, x)["score"][0, 0])
    assert broken < 0.5
    with pytest.raises(ValueError, match=r"expected ties to be one of .* got 'none'"):
        make_metric("spearman", ties="none")


def images(t=40, valid=33, rows=20):
    rng = np.random.default_rng(1)
    x, y = rng.random((N, 20, t)), rng.random((K, rows, t))
    y[0] += x[0, :rows]
    return x.astype(np.float32), y.astype(np.float32), np.arange(t) < valid


def scaled(image):
    return (image - image.min()) / (image.max() - image.min())


@pytest.mark.parametrize(
    ("options", "theirs"),
    [
        ({}, {}),
        ({"size": 5}, {"win_size": 5}),
        (
            {"window": "gaussian"},
            {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False},
        ),
    ],
)
def test_ssim(options, theirs):
    x, y, mask = images()
    expected = [
        [
            structural_similarity(scaled(a[:, mask]), scaled(b[:, mask]), data_range=1.0, **theirs)
            for b in y.astype(np.float64)
        ]
        for a in x.astype(np.float64)
    ]
    found = pairwise(make_metric("ssim", **options), x, y, mask)["score"]
    np.testing.assert_allclose(found, np.array(expected), atol=1e-5)


def hsic(a, b):
    """The unbiased estimate of Song et al. (2012), term by term."""
    m, ones = len(a), np.ones(len(a))
    a, b = a - np.diag(np.diag(a)), b - np.diag(np.diag(b))
    traces = np.trace(a @ b) + (ones @ a @ ones) * (ones @ b @ ones) / ((m - 1) * (m - 2))
    return (traces - 2 / (m - 2) * (ones @ a @ b @ ones)) / (m * (m - 3))


def biased_hsic(a, b):
    centre = np.eye(len(a)) - 1 / len(a)
    return np.trace(a @ centre @ b @ centre)


def gram(image, kernel):
    image = image.astype(np.float64)
    if kernel == "linear":
        return image.T @ image
    squared = ((image[:, :, None] - image[:, None]) ** 2).sum(0)
    median = np.median(np.sqrt(squared)[~np.eye(len(squared), dtype=bool)])
    return np.exp(-squared / (2 * median**2))


@pytest.mark.parametrize("kernel", ["linear", "rbf"])
@pytest.mark.parametrize("debiased", [True, False])
def test_cka(kernel, debiased):
    x, y, mask = images(rows=12)
    form = hsic if debiased else biased_hsic
    a, b = ([gram(image[:, mask], kernel) for image in side] for side in (x, y))
    expected = [[form(p, q) / np.sqrt(form(p, p) * form(q, q)) for q in b] for p in a]
    found = pairwise(make_metric("cka", kernel=kernel, debiased=debiased), x, y, mask)["score"]
    np.testing.assert_allclose(found, np.array(expected), atol=1e-5)
    short = np.arange(40) < 15
    assert np.isnan(pairwise(make_metric("cka", kernel=kernel), x, y, short)["score"]).all()


@pytest.mark.parametrize("frames", [24, 300])
def test_cka_keeps_its_digits_where_both_images_have_one_loud_frame(frames):
    """Most of K is then what U-centring takes away, 10,000 times what it leaves."""
    rng = np.random.default_rng(5)
    x, y = (rng.standard_normal((2, rows, frames)).astype(np.float32) for rows in (5, 12))
    for side in (x, y):
        side[..., 3] += 100
    mask = np.arange(frames) < frames - 4
    a, b = ([gram(image[:, mask], "linear") for image in side] for side in (x, y))
    expected = [[hsic(p, q) / np.sqrt(hsic(p, p) * hsic(q, q)) for q in b] for p in a]
    scores = clip_scores(make_metric("cka"), x[None], y[None], mask[None])["score"][0]
    np.testing.assert_allclose(scores, np.array(expected), atol=2e-6)


@pytest.mark.parametrize("offset", [0.0, 30.0])
@pytest.mark.parametrize("frame", [0, 7, 39])
def test_cka_of_a_map_active_in_one_frame(frame, offset):
    """U-centring leaves nothing of it, so a score would be the rounding's."""
    _, y, mask = images(rows=12)
    x = np.full((1, 5, 40), offset, np.float32)
    x[0, 2, frame] += 0.3
    mask = mask | (np.arange(40) == frame)
    assert np.isnan(pairwise(make_metric("cka"), x, y, mask)["score"]).all()
    assert np.isfinite(pairwise(make_metric("cka", debiased=False), x, y, mask)["score"]).all()


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("cka", {"kernel": "poly"}, "expected kernel to be one of"),
        ("cka", {"bandwidth": 0.0}, "positive bandwidth"),
        ("ssim", {"window": "box"}, "expected window to be one of"),
        ("ssim", {"size": 4}, "odd size of at least 3, got 4"),
    ],
)
def test_options_are_checked(name, options, message):
    with pytest.raises(ValueError, match=message):
        make_metric(name, **options)


def test_ssim_refuses_images_without_a_window():
    with pytest.raises(ValueError, match="at least 3 x 3 cells, got 2 x 9"):
        pairwise(make_metric("ssim"), np.ones((1, 2, 9), np.float32), np.ones((1, 2, 9), np.float32))
