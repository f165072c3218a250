"""Products beyond float32's rate at float32's accuracy: the kernel of a GPU, step by step on a CPU."""

import functools
import logging
from types import SimpleNamespace

import jax
import jax.extend.core
import jax.numpy as jnp
import numpy as np
import pytest
from jax.experimental import pallas

import actjax
from actjax import precision, types
from actjax.kernels import both_split, kth_value, short_side, split_product
from actjax.similarity import whole_arrays
from actjax.similarity.accumulators import whole_moments
from actjax.similarity.accumulators.moments import correlation
from actjax.similarity.api import make_metric
from actjax.similarity.kernel import pairwise

ROWS = 24
GPU = SimpleNamespace(platform="gpu", compute_capability="9.0")


@pytest.fixture
def emulated(monkeypatch):
    """Kernels as Pallas interprets them on any device, in blocks small enough for a test."""
    monkeypatch.setattr(pallas, "pallas_call", functools.partial(pallas.pallas_call, interpret=True))
    monkeypatch.setattr(split_product, "_LEAST_STEPS", 2)
    monkeypatch.setattr(short_side, "LEAST_ROWS", 8)
    monkeypatch.setattr(precision, "_has_matrix_units", lambda device: True)
    monkeypatch.setattr(precision, "_holds", lambda kernel: True)
    assert precision.current_way() == "fast"


@pytest.fixture
def untried(monkeypatch):
    """A process that has not tried the kernels yet, nor traced them."""
    jax.clear_caches()
    monkeypatch.setattr(precision, "_stopped", [])
    answers = precision._holds, split_product.holds, kth_value.holds
    for answer in answers:
        answer.cache_clear()
    yield
    for answer in answers:
        answer.cache_clear()


def related(o):
    """x [rows, o], y [rows, o] centred: row i of y correlates with row i of x, from 0 to equality."""
    rng = np.random.default_rng(o)
    x, noise = rng.standard_normal((2, ROWS, o), np.float32)
    r = np.linspace(0, 1, ROWS, dtype=np.float32)[:, None]
    y = r * x + np.sqrt(1 - r * r) * noise
    return tuple(side - side.mean(1, keepdims=True) for side in (x, y))


@pytest.mark.parametrize("axis", [0, 1])
def test_a_centred_product_has_the_digits_of_float32(emulated, axis):
    x, y = related(3_001)
    mask = np.arange(x.shape[1]) % 7 > 0
    x, y = x + 3, np.where(mask, y, 0)
    # Two values on both sides: what rounding leaves out of each is the same for all of a kind.
    x[3], y[3] = 3 + 0.7 * (x[3] > 3.3), 0.3 * (x[3] > 3.3) * mask
    y -= mask * (y.sum(1, keepdims=True) / mask.sum()).astype(np.float32)
    origin = x[:, :100].mean(1)
    shifted = np.where(mask, x.astype(np.float64) - origin[:, None], 0)
    x[:, ~mask] = np.nan
    sides = (x, y) if axis else (x.T, y.T)
    scale = np.float32([0.5, *[1.0] * (ROWS - 1)])
    product = jax.jit(functools.partial(split_product.centred_product, axis=axis))
    found = product(*sides, jnp.asarray(origin), jnp.asarray(scale), jnp.asarray(mask))
    shifted *= scale[:, None]
    lengths = np.sqrt((shifted**2).sum(1)[:, None] * (y.astype(np.float64) ** 2).sum(1)[None, :])
    exact = shifted @ y.T.astype(np.float64)
    assert (np.abs(found.products_nk - exact) / lengths).max() < 3e-7
    one = jnp.matmul(shifted.astype(np.float16), y.T.astype(np.float16), preferred_element_type=np.float32)
    assert (np.abs(one - exact) / lengths).max() > 2e-6
    np.testing.assert_allclose(found.sum_n, shifted.sum(1), rtol=1e-5, atol=1e-3)
    np.testing.assert_allclose(found.squares_n, (shifted**2).sum(1), rtol=1e-6)


@pytest.mark.parametrize("axis", [0, 1])
def test_a_program_holds_two_blocks_of_columns(emulated, axis):
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((150, 90), np.float32), rng.standard_normal((140, 90), np.float32)
    mask = rng.random(90) < 0.8
    y = np.where(mask, y, 0)
    origin, scale = np.full(150, 0.5, np.float32), np.ones(150, np.float32)
    sides = (x, y) if axis else (x.T, y.T)
    found = jax.jit(functools.partial(split_product.centred_product, axis=axis))(*sides, origin, scale, mask)
    shifted = np.where(mask, x.astype(np.float64) - 0.5, 0)
    for values, expected in zip(found, (shifted @ y.T, shifted.sum(1), (shifted**2).sum(1)), strict=True):
        np.testing.assert_allclose(values, expected, rtol=1e-6, atol=3e-5)


def test_a_product_of_rows_of_any_size(emulated):
    x, y = (
        side * np.float32(10.0) ** np.arange(-12, 12)[:, None].astype(np.float32) for side in related(700)
    )
    x[2], y[:, 5] = 0, 0
    exact = x.astype(np.float64) @ y.T.astype(np.float64)
    lengths = np.sqrt(
        (x.astype(np.float64) ** 2).sum(1)[:, None] * (y.astype(np.float64) ** 2).sum(1)[None, :]
    )
    found = jax.jit(split_product.product)(x, y)
    assert (np.abs(found - exact) / np.where(lengths > 0, lengths, 1)).max() < 3e-7


@pytest.mark.parametrize("masked", [False, True])
def test_a_long_side_may_be_split_before(emulated, monkeypatch, masked):
    """Some rows at a time, the last of which overlap those before; many rows of the short side ask for it."""
    monkeypatch.setattr(both_split, "_SPLIT_BYTES", 4 * 700 * 128)
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((300, 700), np.float32) + 3, rng.standard_normal((5, 700), np.float32)
    mask = rng.random(700) < 0.8 if masked else np.ones(700, bool)
    counts, y = jnp.asarray(mask) if masked else None, np.where(mask, y, 0)
    origin, scale = x[:, :50].mean(1), np.float32(2.0) ** rng.integers(-1, 2, 300).astype(np.float32)
    found = jax.jit(both_split.centred_product)(x, y, origin, scale, counts)
    shifted = np.where(mask, (x.astype(np.float64) - origin[:, None]) * scale[:, None], 0)
    exact = (shifted @ y.T, shifted.sum(1), (shifted**2).sum(1))
    for values, expected in zip(found, exact, strict=True):
        np.testing.assert_allclose(values, expected, rtol=3e-6, atol=5e-4)
    assert precision.splits_before(1_000) and not precision.splits_before(256)


@pytest.mark.parametrize("o", [20_000, 1_300_000])
def test_kernels_are_programs_for_a_gpu(o):
    """Up to where its driver takes over; places beyond 2^31 bytes are wide."""
    long, short, items = ((4_096, o), (256, o), (4_096,))
    arrays = [jax.ShapeDtypeStruct(shape, jnp.float32) for shape in (long, short, items, items)]
    mask, places = (jax.ShapeDtypeStruct(shape, jnp.int32) for shape in ((o,), items))
    rows = jax.ShapeDtypeStruct((4_096, kth_value.MOST), jnp.float32)
    for program, inputs in (
        (split_product.product, arrays[:2]),
        (functools.partial(split_product.centred_product, axis=1), [*arrays, mask]),
        (functools.partial(split_product.centred_product, axis=1, mask_o=None), arrays),
        (kth_value.kth_values, [rows, places]),
        (kth_value.marked, [rows, jax.ShapeDtypeStruct((kth_value.MOST,), jnp.bool_), places]),
        (both_split.product, arrays[:2]),
        (functools.partial(short_side.prepared, rows=256, width=o), arrays[1:2]),
    ):
        lowered = jax.jit(program).trace(*inputs).lower(lowering_platforms=("cuda",))
        assert "triton" in lowered.as_text()


def test_a_short_side_is_prepared_in_one_kernel(emulated):
    """Centred, near 1, in parts; a constant is 0, and its first value is its origin."""
    y = (related(5_000)[1][:9] + 3) * np.float32(10) ** np.arange(-12, 15, 3, dtype=np.float32)[:, None]
    y[4] = 7.0
    side = jax.jit(functools.partial(short_side.prepared, rows=10, width=5_120))(y)
    scales = np.asarray(side.scale_k, np.float64)[:, None]
    exact = scales * (y - y.mean(1, keepdims=True, dtype=np.float64))
    parts = np.asarray(side.high, np.float64) + np.asarray(side.low, np.float64)
    np.testing.assert_allclose(parts[:9, :5_000], exact, rtol=0, atol=1e-5)
    assert not parts[9:].any() and not parts[:, 5_000:].any() and not parts[4].any()
    np.testing.assert_allclose(side.squares_k, (exact**2).sum(1), rtol=1e-5)
    np.testing.assert_allclose(side.first_k + side.mean_k, y.mean(1, dtype=np.float64), rtol=1e-5)
    sizes = np.abs(y - y[:, :1]).mean(1) * scales[:, 0]
    assert ((np.delete(sizes, 4) >= 0.5) & (np.delete(sizes, 4) <= 1)).all() and side.scale_k[4] == 1


def test_long_sums_are_shared_between_programs():
    assert split_product.splits(4_096, 256, 20_000) == (4, 79)
    assert split_product.splits(4_096, 256, 20_000, split_product._WIDE) == (4, 157)
    splits, steps = split_product.splits(100_000, 1_000, 50_000)
    assert splits * steps * 64 >= 50_000 and steps <= 200
    assert split_product.splits(10, 10, 50) == (1, 1)


@pytest.mark.parametrize("name", ["pearson", "cosine", "spearman", "auc"])
def test_scores_are_those_of_the_plain_path(emulated, name):
    rng = np.random.default_rng(0)
    x, y = (
        rng.standard_normal((1_500, 180)).astype(np.float32) + 2,
        rng.standard_normal((1_500, 70), np.float32),
    )
    y[:, 1] = x[:, 1]
    x[:, 2] = 1
    mask = rng.random(1_500) < 0.9
    y[~mask] = np.nan
    if name == "cosine":
        # More rows than neurons: the sides change places.
        x, y = np.where(mask[:, None], y, np.inf), x
    metric = make_metric(name)
    with precision.products("plain"):
        plain = pairwise(metric, x, y, mask)["score"]
    found = pairwise(metric, x, y, mask)["score"]
    # One side of each equals one of the other: the plain path, a long sum, is off by 2e-6 there.
    np.testing.assert_allclose(found, plain, rtol=0, atol=3e-6)
    assert name == "auc" or abs(found[1, 1] - 1) < 1e-6
    assert np.isnan(plain).any() == (name != "cosine")
    assert (np.asarray(found) != np.asarray(plain)).any()


def primitives(jaxpr):
    """The names of all operations beside those of kernels."""
    names = {equation.primitive.name for equation in jaxpr.eqns}
    inner = [
        primitives(called)
        for equation in jaxpr.eqns
        if equation.primitive.name != "pallas_call"
        for called in jax.extend.core.jaxprs_in_params(equation.params)
    ]
    return names.union(*inner)


@pytest.mark.parametrize("first", [True, pytest.param(False, marks=pytest.mark.long)])
def test_without_a_mask_nothing_is_asked_within_the_program(emulated, monkeypatch, first):
    """Constants and values beyond float32's squares are looked at by a second program, others by none."""
    x, y = (side[:8] + np.float32(3) for side in related(1_500))
    metric = make_metric("pearson")
    sampled = whole_arrays._sampled(whole_arrays._flag_place(x))
    program = jax.make_jaxpr(functools.partial(sampled, metric, axis=0, mask_o=None))(x, y)
    assert not primitives(program.jaxpr) & {"cond", "scan", "gather", "argmax"}
    # The one loop is the host's wait.
    plain = functools.partial(whole_moments.at_sampled_scales, correlation, mask_o=None, axis=1)
    assert "while" not in primitives(jax.make_jaxpr(plain)(x, y).jaxpr)
    looked = []
    fitting = whole_arrays._fitting
    monkeypatch.setattr(whole_arrays, "_fitting", lambda *all_: looked.append(1) or fitting(*all_))
    every = np.ones(1_500, bool)
    for offset, times in ((0, 0), (1e25, 1)):
        x[0] = offset if offset else x[0]
        sides = (x, y) if first else (x.T.copy(), y.T.copy())
        looked.clear()
        found = pairwise(metric, *sides, neurons_first=first)["score"]
        assert len(looked) == times
        masked = pairwise(metric, *sides, every, neurons_first=first)["score"]
        np.testing.assert_allclose(found, masked, rtol=0, atol=2e-7)
        assert np.isnan(np.asarray(found)[0]).all() == bool(times)
        np.testing.assert_allclose(actjax.score(x.T, y.T), found, rtol=0, atol=2e-7)


def test_values_beyond_what_squares_or_float16_hold(emulated):
    x, y = (side[:6].copy() for side in related(2_000))
    x[0] *= 1e25
    y[1] *= 1e-30
    x[2] = 5e-30
    # Constant at first, and then of any size.
    x[3, :200], x[4, :200] = 0, 0
    x[3] *= 1e7
    x[4] *= 1e-18
    x[5, 1_000] = 1e6
    with np.errstate(invalid="ignore"):
        exact = np.corrcoef(x.astype(np.float64), y.astype(np.float64))[:6, 6:]
    found = np.asarray(pairwise(make_metric("pearson"), x, y, neurons_first=True)["score"])
    assert np.isnan(found[2]).all()
    np.testing.assert_allclose(np.delete(found, 2, 0), np.delete(exact, 2, 0), rtol=0, atol=1e-6)
    one_by_one = [pairwise(make_metric("pearson"), x[[i]], y, neurons_first=True)["score"] for i in (3, 4, 5)]
    np.testing.assert_allclose(np.concatenate(one_by_one), exact[3:], rtol=0, atol=1e-6)


def test_items_that_are_silent_at_first_stay_with_the_kernel(emulated):
    x, y = (jnp.asarray(side[:4]) for side in related(2_000))
    x = x.at[0, :300].set(0).at[1].multiply(1e6).at[1, :200].set(0).at[2].set(3.0)
    taken = []

    def otherwise():
        jax.debug.callback(lambda: taken.append(True))
        return {"score": jnp.zeros((4, 4), jnp.float32)}

    def finalize(moments):
        return {"score": correlation(moments)["score"]}

    found = jax.jit(
        lambda *sides: whole_moments.scores(finalize, *sides, jnp.ones(2_000, bool), 1, otherwise)
    )
    scores = np.asarray(jax.block_until_ready(found(x, y))["score"])
    exact = np.corrcoef(np.delete(np.asarray(x, np.float64), 2, 0), np.asarray(y, np.float64))[:3, 3:]
    np.testing.assert_allclose(np.delete(scores, 2, 0), exact, rtol=0, atol=5e-7)
    assert np.isnan(scores[2]).all() and not taken


def test_inner_products_of_one_pair_and_of_clips_are_plain(emulated):
    x, y = related(64)
    pair = actjax.similarity.arithmetic.inner.inner
    every = jax.vmap(jax.vmap(pair, (None, 0)), (0, None))
    np.testing.assert_allclose(pair(x[1], y[1]), x[1] @ y[1], rtol=1e-5)
    np.testing.assert_allclose(jax.vmap(pair)(x, y), (x * y).sum(1), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(jax.vmap(every)(x[None], y[None])[0], x @ y.T, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(jax.vmap(every, (None, 0))(x, y[None])[0], x @ y.T, rtol=1e-4, atol=1e-4)
    turned = jax.vmap(jax.vmap(pair, (0, None)), (None, 0))
    np.testing.assert_allclose(turned(x, y), y @ x.T, rtol=1e-4, atol=1e-4)


def test_halves_add_up_to_twenty_two_bits():
    values = related(512)[0] * np.float32(2.0) ** np.arange(-12, 12, dtype=np.float32)[:, None]
    high, low = (np.asarray(part, np.float64) for part in jax.jit(split_product.halves)(values))
    assert np.all(np.abs(high + low - values) <= np.maximum(2.0**-22 * np.abs(values), 2.0**-25))
    scales = split_product.scale_to_one(jnp.asarray([3e-30, 0.5, 1.0, 3.0, 1e30, 0.0]))
    assert np.asarray(scales).tolist() == [2.0**98, 1.0, 0.5, 0.25, 2.0**-100, 1.0]


def test_an_unknown_precision_is_one_line():
    with pytest.raises(ValueError, match=r"^expected precision to be one of exact, fast, tf32, got 'half'$"):
        actjax.score(np.eye(4), np.eye(4), precision="half")
    with pytest.raises(ValueError, match="got 'half'"), precision.products("half"):
        pass


@pytest.mark.parametrize(
    ("device", "ways"),
    [
        (SimpleNamespace(platform="cpu"), ("plain", "plain", "plain")),
        (SimpleNamespace(platform="gpu", compute_capability="7.5"), ("plain", "plain", "plain")),
        (SimpleNamespace(platform="gpu", compute_capability="gfx90a"), ("plain", "plain", "plain")),
        (GPU, ("exact", "fast", "tf32")),
        (SimpleNamespace(platform="tpu"), ("plain", "plain", "tf32")),
    ],
)
def test_a_device_computes_as_it_can(monkeypatch, device, ways):
    monkeypatch.setattr(precision.jax, "devices", lambda: [device])
    monkeypatch.setattr(precision, "_holds", lambda kernel: True)
    for asked, way in zip(types.PRECISIONS, ways, strict=True):
        with precision.products(asked):
            assert precision.current_way() == way
            assert precision.kernel_selects() == (device is GPU)


def test_a_gpu_whose_kernels_do_not_compile_computes_without_and_says_so_once(monkeypatch, untried, caplog):
    monkeypatch.setattr(precision.jax, "devices", lambda: [GPU])
    with caplog.at_level(logging.WARNING):
        assert [precision.current_way() for _ in range(3)] == ["exact"] * 3
        assert not precision.kernel_selects()
    said = [record.message for record in caplog.records]
    assert [line.split(":")[1] for line in said] == [" split_product is left out", " kth_value is left out"]
    assert all("interpret" in line for line in said)


def test_kernels_are_tried_while_a_program_is_traced(untried, emulated):
    held = []

    def traced(x):
        held.append(split_product.holds())
        return x

    jax.jit(traced)(jnp.ones(3))
    assert held == [True]


def test_a_program_that_fails_with_kernels_alone_runs_without(monkeypatch, untried, caplog):
    monkeypatch.setattr(precision.jax, "devices", lambda: [GPU])
    monkeypatch.setattr(precision, "_holds", lambda kernel: True)

    def run(way):
        if way != "plain":
            raise RuntimeError("out of shared memory")
        return way

    def mistaken(way):
        raise ValueError("expected something else")

    with caplog.at_level(logging.WARNING):
        with pytest.raises(ValueError, match="something else"):
            precision.guarded(mistaken)
        assert precision.current_way() == "fast"
        assert precision.guarded(run) == "plain"
        assert precision.current_way() == "plain" and precision.guarded(run) == "plain"
    assert [record.message for record in caplog.records] == [
        "kernels for scores: all are left out from here on: RuntimeError: out of shared memory"
    ]


def test_a_cpu_computes_the_same_numbers_whatever_is_asked_for():
    x, y = (side.T[:, :3] for side in related(2_000))
    found = [actjax.score(x, y, "pearson", precision=way) for way in types.PRECISIONS]
    for other in found[1:]:
        np.testing.assert_array_equal(found[0], other)
