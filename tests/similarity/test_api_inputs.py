"""What score, score_maps take and refuse: types, ranges, masked arrays, labels, several metrics, small sizes.

References are SciPy's, in float64. What can has 200 observations, so that a metric compiles once.
"""

import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from actjax import lookup
from actjax.similarity import api, problem
from actjax.similarity.labels import codes
from actjax.similarity.narrow import narrow

SCIPY = {
    "pearson": stats.pearsonr,
    "spearman": stats.spearmanr,
    "kendall": stats.kendalltau,
}


@pytest.fixture(scope="module")
def pair():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 1))
    return x, 0.6 * x + 0.8 * rng.normal(size=(200, 1))


def exact(name, x, y):
    return SCIPY[name](np.ravel(x).astype(np.float64), np.ravel(y).astype(np.float64))[0]


@pytest.mark.parametrize("name", SCIPY)
@pytest.mark.parametrize("within", [False, True])
def test_an_offset_costs_no_digits_of_float64(name, within):
    seconds = 1.7e9 + np.arange(200.0)
    y = np.sin(np.arange(200) / 20) + np.arange(200) / 100
    ids = np.zeros(200, int) if within else None
    found = api.score(seconds[:, None], y[:, None], name, ids)[0, 0]
    assert found == pytest.approx(exact(name, seconds, y), abs=1e-6)
    nanoseconds = (seconds * 1e9).astype(np.int64)[:, None] + 7
    assert api.score(nanoseconds, y[:, None], name, ids)[0, 0] == pytest.approx(found, abs=1e-6)


@pytest.mark.parametrize("offset", [1e7, 2e7, 1e8, -1e12, 2.0**53])
def test_five_values_on_an_offset(offset):
    values = np.arange(1.0, 6)[:, None]
    assert api.score(values * 2 + offset, values)[0, 0] == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("dtype", [np.int64, np.uint64])
def test_integers_beyond_32_bits(dtype):
    small = np.arange(200) ** 2
    for offset in (2**33, 2**62) + ((2**63 + 5,) if dtype == np.uint64 else (-(2**62),)):
        values = np.asarray([offset + int(v) for v in small], dtype)[:, None]
        for name in SCIPY:
            found = api.score(values, np.arange(200.0)[:, None], name)[0, 0]
            assert found == pytest.approx(exact(name, small, np.arange(200)), abs=1e-6)


@pytest.mark.parametrize("size", [1e-300, 1e200])
@pytest.mark.parametrize("within", [False, True])
def test_float64_beyond_float32(pair, size, within):
    x, y = pair
    scaled = x / np.abs(x).max() * size
    ids = np.zeros(200, int) if within else None
    for name in SCIPY:
        found = api.score(scaled, y, name, ids)[0, 0]
        assert found == pytest.approx(exact(name, x, y), abs=1e-6)
    assert api.score(scaled, y, "cosine")[0, 0] == pytest.approx(api.score(x, y, "cosine")[0, 0], abs=1e-6)
    for metric in ("iou(threshold_x=0.5, threshold_y=0.5)", "mean_activation_difference"):
        with pytest.raises(
            ValueError, match="that float32 can hold .* in neuron 0.*depends on scale"
        ) as error:
            api.score(scaled, y, metric)
        assert "\n" not in str(error.value)


@pytest.mark.parametrize("size", [1e-60, 1e200])
@pytest.mark.parametrize("metric", ["ssim", "pearson"])
def test_maps_beyond_float32(size, metric):
    rng = np.random.default_rng(0)
    maps, matrices = rng.random((3, 2, 8, 20)), rng.random((3, 1, 8, 20))
    found = api.score_maps(maps * size, matrices + 1e9, metric)
    np.testing.assert_allclose(found, api.score_maps(maps, matrices, metric), atol=2e-5)


def test_values_that_float32_merges_keep_their_order():
    rng = np.random.default_rng(0)
    x = 1 + rng.permutation(200) * 1e-12
    x[0] = 100.0  # so that no offset is larger than the spread
    y = np.argsort(np.argsort(x)) + rng.normal(size=200) * 30
    label = (y > np.median(y)).astype(float)
    for name in ("spearman", "kendall"):
        assert api.score(x[:, None], y[:, None], name)[0, 0] == pytest.approx(exact(name, x, y), abs=1e-6)
    area = stats.mannwhitneyu(x[label > 0], x[label == 0]).statistic / (label.sum() * (1 - label).sum())
    assert api.score(label[:, None], x[:, None], "auc")[0, 0] == pytest.approx(area, abs=1e-6)
    assert np.array_equal(narrow(label[:, None], None, {"order"}), label[:, None])


ORDERED = [name for name in lookup.names("metric") if "order" in api.make_metric(name).invariant_to]
EACH_WAY = ("spearman", "kendall", "auc", "auprc")


@pytest.mark.parametrize(
    "name", [n if n in EACH_WAY else pytest.param(n, marks=pytest.mark.long) for n in ORDERED]
)
def test_what_is_declared_invariant_to_order_is(name):
    rng = np.random.default_rng(0)
    x, y = (rng.normal(size=(90, 2)) for _ in range(2))
    np.testing.assert_allclose(api.score(np.exp(x), y**3, name), api.score(x, y, name), atol=1e-6)


def test_metrics_of_ranks_are_declared_invariant_to_order():
    assert set(EACH_WAY) <= set(ORDERED)


LAYOUTS = {
    "big-endian": lambda x: x.astype(">f4"),
    "big-endian integers": lambda x: np.round(x * 50).astype(">i8"),
    "longdouble": lambda x: x.astype(np.longdouble),
    "float16": lambda x: x.astype(np.float16),
    "bfloat16": lambda x: jnp.asarray(x, jnp.bfloat16),
    "int32": lambda x: jnp.asarray(np.round(x * 50), jnp.int32),
    "bool": lambda x: x > 0,
    "objects": lambda x: x.astype(object),
    "lists": lambda x: x.tolist(),
    "strided": lambda x: np.repeat(np.repeat(x, 2, 0), 3, 1)[::2, ::3],
    "reversed": lambda x: x[::-1].copy()[::-1],
    "columns first": np.asfortranarray,
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_any_type_and_layout(pair, layout):
    x, y = pair
    values = LAYOUTS[layout](x)
    plain = np.asarray(values).astype(np.float64)
    for side in (values, np.asarray(values)):
        if isinstance(side, np.ndarray):
            side.flags.writeable = False
        for name in ("pearson", "spearman"):
            assert api.score(side, y, name)[0, 0] == pytest.approx(exact(name, plain, y), abs=1e-6)


@pytest.mark.parametrize(
    "values",
    [[["a"]] * 5, np.ones((5, 1)) * 1j, [[None]] * 5, [[1], [2, 3]], np.zeros((5, 1), "M8[s]"), [[{}]] * 5],
)
def test_what_is_no_real_number_is_refused(values):
    with pytest.raises(ValueError, match="activations of real numbers") as error:
        api.score(values, np.ones((5, 1)))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["pearson", "auc", pytest.param("ridge", marks=pytest.mark.long)])
def test_masked_entries_are_left_out_pair_by_pair(name):
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(90, 3)), rng.normal(size=(90, 2))
    x[:, 0] += y[:, 0]
    masked_x, masked_y = rng.random(x.shape) < 0.1, rng.random(y.shape) < 0.1
    masked_x[:, 2] = masked_x[:, 1]
    found = api.score(
        np.ma.MaskedArray(np.where(masked_x, np.nan, x), masked_x),
        np.ma.MaskedArray(np.where(masked_y, 1e6, y), masked_y),
        name,
    )
    whole = name == "ridge"
    for i in range(3):
        for j in range(1 if whole else 2):
            rows = slice(None) if whole else [j]
            keep = ~(masked_x[:, i] | masked_y[:, rows].any(1))
            pair = x[keep][:, [i]], y[keep][:, rows]
            want = exact(name, *pair) if name in SCIPY else api.score(*pair, name)[0, 0]
            assert found[i, j] == pytest.approx(want, abs=1e-5)


def test_one_pattern_of_numbers_says_nothing_of_another(pair, monkeypatch):
    """On an accelerator each pattern's scores tell of their own columns alone."""
    once = problem.score_vectors

    def of_an_accelerator(metric, x, y, mask, *how, **options):
        return once(metric, x, y, mask, *how, **options)._replace(all_numbers=mask is None)

    monkeypatch.setattr(problem, "score_vectors", of_an_accelerator)
    monkeypatch.setattr(problem, "takes_blocks", lambda metric: True)
    x = np.ma.masked_array(np.hstack([pair[0], pair[0]]), False)
    x[3, 1] = np.ma.masked
    x.data[5, 1] = np.nan
    with pytest.raises(ValueError, match="got nan at observation 5 of neuron 1"):
        api.score(x, pair[1], "pearson")


def test_masked_entries_within_clips(pair):
    x, y = pair
    ids = np.arange(200) // 20
    bad = np.arange(200)[:, None] == 3
    masked = np.ma.MaskedArray(np.where(bad, 1e6, x), bad)
    for name in ("pearson", "kendall"):
        want = api.score(np.delete(x, 3, 0), np.delete(y, 3, 0), name, np.delete(ids, 3))
        np.testing.assert_allclose(api.score(masked, y, name, ids), want, atol=1e-6)


def test_masked_cells_of_maps():
    rng = np.random.default_rng(0)
    a = rng.random((6, 1, 8, 40))
    b = a + 0.5 * rng.random(a.shape)
    bad = np.zeros(a.shape, bool)
    bad[:, :, 2, 5] = True
    masked = np.ma.MaskedArray(np.where(bad, 1e4, a), bad)
    frames = np.broadcast_to(np.arange(40) != 5, (6, 40))
    for name in ("ssim", "cka"):
        want = api.score_maps(a, b, name, mask=frames)
        np.testing.assert_allclose(api.score_maps(masked, b, name), want, atol=1e-6)
    kept = ~bad[0, 0].ravel()
    centred = [v.reshape(6, -1)[:, kept] for v in (a, b)]
    centred = [(v - v.mean(1, keepdims=True)).ravel() for v in centred]
    assert api.score_maps(masked, b, "pearson")[0, 0] == pytest.approx(exact("pearson", *centred), abs=1e-5)
    # On a coarser grid a cell counts where all that it covers do.
    coarse = b.reshape(6, 1, 8, 20, 2).mean(4)
    without = np.broadcast_to(np.arange(20) != 2, (6, 20))
    want = api.score_maps(a, coarse, "ssim", mask=without)
    np.testing.assert_allclose(api.score_maps(masked, coarse, "ssim"), want, atol=1e-5)
    bad[:] = True
    assert np.isnan(api.score_maps(np.ma.MaskedArray(a, bad), b, "pearson")).all()


def test_clip_ids_under_any_names(pair):
    x, y = pair
    numbers = np.arange(200) // 20
    want = api.score(x, y, "spearman", numbers)
    for ids in (
        np.asarray([f"clip {i}.wav" for i in numbers]),
        [f"clip {i}.wav" for i in numbers],
        np.asarray([f"clip {i}" for i in numbers], object),
        [("recording", int(i)) for i in numbers],
        numbers * 10**12,
        numbers.astype(float),
        [str(i) if i % 2 else int(i) for i in numbers],
    ):
        np.testing.assert_allclose(api.score(x, y, "spearman", ids), want, atol=1e-6)
    assert codes([1, "1", 1], "clip_ids", 3)[1] == 2
    for ids, message in (
        ([None, *numbers[1:]], "a clip_id for every observation, got None at observation 0"),
        ([float("nan"), *numbers[1:]], "got nan at observation 0"),
        ([[1]] * 200, "can be hashed .* got list at observation 0"),
        ("a" * 200, r"clip_ids \[o\] with o = 200, got str"),
        (np.ones((200, 2)), r"clip_ids \[o\] with o = 200, got shape \(200, 2\)"),
    ):
        with pytest.raises(ValueError, match=message):
            api.score(x, y, clip_ids=ids)


def test_several_metrics_and_specs(pair):
    x, y = pair
    found = api.score(x, y, ["pearson", "mutual_information(bins=4)", api.make_metric("cosine")])
    assert list(found) == ["pearson", "mutual_information(bins=4)", "cosine"]
    np.testing.assert_array_equal(found["pearson"], api.score(x, y))
    np.testing.assert_array_equal(
        found["mutual_information(bins=4)"], api.score(x, y, "mutual_information", bins=4)
    )
    assert set(api.score(x, y, "pearson, cosine", details=True)) == {"pearson", "cosine"}
    images = np.random.default_rng(0).random((2, 1, 8, 20))
    one = api.score_maps(images, images[::-1], "cka(kernel='rbf')")
    np.testing.assert_array_equal(one, api.score_maps(images, images[::-1], "cka", kernel="rbf"))
    assert list(api.score_maps(images, images, ["cka(kernel='rbf')"])) == ["cka(kernel='rbf')"]


@pytest.mark.parametrize(
    ("metric", "hyper", "message"),
    [
        ("cka(kernel='rbf')", {"kernel": "rbf"}, "take score_maps|or as keywords"),
        ("spearman(ties='average')", {"ties": "average"}, "or as keywords, got ties beside it"),
        (["pearson", "cosine"], {"ties": "average"}, "as keywords with one metric, got ties with 2"),
        (["pearson", "pearson"], {}, "each metric once, got pearson twice"),
        (["pearson, cosine"], {}, "one metric in each item"),
        ([], {}, "at least one metric"),
        (3, {}, "a metric's name, a list of names or a Metric, got int"),
        ("pearson(", {}, "name or name"),
    ],
)
def test_metrics_that_are_not_understood(pair, metric, hyper, message):
    with pytest.raises(ValueError, match=message):
        api.score(*pair, metric, **hyper)


@pytest.mark.parametrize(
    "ids",
    [
        [f"fold {i % 3 * 5}" for i in range(120)],
        pytest.param(np.arange(120) % 10, marks=pytest.mark.long),
    ],
    ids=["strings", "numbers"],
)
def test_folds_are_as_many_as_their_labels(ids):
    rng = np.random.default_rng(0)
    y = rng.normal(size=(120, 4))
    x = y @ rng.normal(size=(4, 2)) + rng.normal(size=(120, 2))
    count = len(set(ids))
    order = np.argsort(ids, kind="stable")
    # Stretches of equal length in the observations' order are the same folds.
    want = api.score(x[order], y[order], f"ridge(folds={count})")
    np.testing.assert_allclose(api.score(x, y, "ridge", folds=ids), want, atol=1e-5)


def test_other_numbers_of_folds_are_refused():
    x, y = np.random.default_rng(0).normal(size=(2, 120, 2))
    with pytest.raises(ValueError, match="folds of 5 ids as .* asks, got 10"):
        api.score(x, y, "ridge(folds=5)", folds=np.arange(120) % 10)
    with pytest.raises(ValueError, match="at least 3 folds"):
        api.score(x, y, "ridge", folds=np.arange(120) % 2)


def test_nuisances_are_checked(pair):
    x, y = pair
    bad = np.ones((200, 2))
    bad[7, 1] = np.nan
    with pytest.raises(ValueError, match="finite nuisance, got nan at observation 7 of row 1"):
        api.score(x, y, "partial_pearson", nuisance=bad)
    with pytest.raises(ValueError, match=r"nuisance \[o, q\] with o = 200, got shape \(5, 2\)"):
        api.score(x, y, "partial_pearson", nuisance=bad[:5])
    z = np.arange(200.0)[:, None] + 0.1 * x**2
    want = api.score(x, y, "partial_pearson", nuisance=z)
    found = api.score(x, y, "partial_pearson", nuisance=1.7e9 + z)
    np.testing.assert_allclose(found, want, atol=1e-5)
    masked = np.ma.masked_invalid(np.where(np.arange(200)[:, None] == 7, np.nan, z))
    kept = np.arange(200) != 7
    want = api.score(x[kept], y[kept], "partial_pearson", nuisance=z[kept])
    np.testing.assert_allclose(api.score(x, y, "partial_pearson", nuisance=masked), want, atol=1e-5)


@pytest.mark.parametrize("seed", [-1, 2**32, 1.5, 1e20, "a", None, True])
def test_the_seed_is_checked(pair, seed):
    with pytest.raises(ValueError, match=r"expected seed to be a whole number from 0 to 2\^32 - 1, got"):
        api.score(*pair, seed=seed)
    assert api.score(*pair, seed=np.int64(3)).shape == api.score(*pair, seed=2**32 - 1).shape


@pytest.mark.parametrize("memory_gib", [0, -1, np.inf, np.nan, "1", True])
def test_memory_is_checked(pair, memory_gib):
    for call in (lambda: api.score(*pair, memory_gib=memory_gib), lambda: maps_with(memory_gib)):
        with pytest.raises(ValueError, match="memory_gib above 0 and finite"):
            call()


def maps_with(memory_gib):
    return api.score_maps(np.ones((1, 1, 4, 4)), np.ones((1, 1, 4, 4)), memory_gib=memory_gib)


@pytest.mark.parametrize("within", [False, pytest.param(True, marks=pytest.mark.long)])
def test_tiles_of_a_small_bound_are_the_whole(within):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(40, 40)), rng.normal(size=(40, 9))
    ids = np.arange(40) // 20 if within else None
    for name in ("pearson", "spearman"):
        want = api.score(x, y, name, ids, details=True, memory_gib=1)
        found = api.score(x, y, name, ids, details=True, memory_gib=1e-9)
        assert found.keys() == want.keys()
        for output in want:
            np.testing.assert_allclose(found[output], want[output], atol=1e-5)


def test_few_observations_are_undefined_and_none_are_refused():
    for name in lookup.names("metric"):
        metric = api.make_metric(name)
        nuisance = {"nuisance": np.ones((1, 1))} if name == "partial_pearson" else {}
        if metric.observes == "vector":
            if metric.min_observations > 1:
                assert np.isnan(api.score([[1.0]], [[2.0]], name, **nuisance)).all(), name
            with pytest.raises(ValueError, match="observations first, got shape"):
                api.score(np.ones((0, 3)), np.ones((0, 2)), name)
        elif metric.compares == "frames":
            assert np.isnan(api.score_maps(np.ones((1, 1, 6, 1)), np.ones((1, 1, 6, 1)), name)).all(), name
    twenty = np.random.default_rng(0).normal(size=(20, 1))
    for name in ("pearson_top_and_random", "spearman_top_and_random"):
        assert np.isnan(api.score(twenty, twenty, name)).all()


def test_a_finite_sum_is_no_condition():
    """Finite values whose sum leaves float32 count; one that is not finite among them is named."""
    x = np.tile(np.float32([3e38, 1e38, 2e38]), 20)[:, None]
    y = np.arange(60.0)[:, None]
    assert api.score(x, y, "spearman")[0, 0] == pytest.approx(exact("spearman", x, y), abs=1e-6)
    x[7] = -np.inf
    with pytest.raises(
        ValueError, match="expected finite activations, got -inf at observation 7 of neuron 0"
    ):
        api.score(x, y, "spearman")
