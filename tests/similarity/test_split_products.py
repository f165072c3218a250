"""Products beyond float32's rate at float32's accuracy: the kernel of a GPU, step by step on a CPU."""

import functools
import logging
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import actjax
from actjax import precision, split_product
from actjax.similarity.api import make_metric
from actjax.similarity.kernel import pairwise

ROWS = 24
GPU = SimpleNamespace(platform="gpu", compute_capability="9.0")


@pytest.fixture
def emulated(monkeypatch):
    """Kernels as Pallas interprets them on any device, in blocks small enough for a test."""
    step_by_step = functools.partial(split_product.pl.pallas_call, interpret=True)
    monkeypatch.setattr(split_product.pl, "pallas_call", step_by_step)
    monkeypatch.setattr(split_product, "_LEAST_STEPS", 2)
    monkeypatch.setattr(precision, "_has_kernels", lambda device: True)
    assert precision.current_way() == "fast"


@pytest.fixture
def untried(monkeypatch):
    """A process that has not tried the kernels yet, nor traced them."""
    jax.clear_caches()
    monkeypatch.setattr(precision, "_stopped", [])
    answers = precision._hold, split_product.holds
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
    y -= mask * (y.sum(1, keepdims=True) / mask.sum()).astype(np.float32)
    origin = x[:, :100].mean(1)
    shifted = np.where(mask, x.astype(np.float64) - origin[:, None], 0)
    x[:, ~mask] = np.nan
    sides = (x, y) if axis else (x.T, y.T)
    product = jax.jit(functools.partial(split_product.centred_product, axis=axis))
    found = product(*sides, jnp.asarray(origin), jnp.asarray(mask))
    lengths = np.sqrt((shifted**2).sum(1)[:, None] * (y.astype(np.float64) ** 2).sum(1)[None, :])
    exact = shifted @ y.T.astype(np.float64)
    assert (np.abs(found.products_nk - exact) / lengths).max() < 5e-7
    one = jnp.matmul(
        shifted.astype(jnp.bfloat16), y.T.astype(jnp.bfloat16), preferred_element_type=jnp.float32
    )
    assert (np.abs(one - exact) / lengths).max() > 5e-6
    np.testing.assert_allclose(found.sum_n, shifted.sum(1), rtol=1e-5, atol=1e-3)
    np.testing.assert_allclose(found.squares_n, (shifted**2).sum(1), rtol=1e-6)


def test_long_sums_are_shared_between_programs():
    assert split_product._splits(4_096, 256, 20_000) == (4, 79)
    splits, steps = split_product._splits(100_000, 1_000, 50_000)
    assert splits * steps * 64 >= 50_000 and steps <= 200
    assert split_product._splits(10, 10, 50) == (1, 1)


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


def test_values_beyond_what_squares_hold_go_the_plain_path(emulated):
    x, y = (side[:3].T.copy() for side in related(2_000))
    x[:, 0] *= 1e25
    y[:, 1] *= 1e-30
    x[:, 2] = 5e-30
    exact = np.corrcoef(x[:, :2].T.astype(np.float64), y.T.astype(np.float64))[:2, 2:]
    found = np.asarray(pairwise(make_metric("pearson"), x, y)["score"])
    np.testing.assert_allclose(found[:2], exact, rtol=0, atol=1e-6)
    assert np.isnan(found[2]).all()


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


def test_what_is_left_out_does_not_add_up_where_the_sides_are_equal():
    (x, _) = related(20_000)
    low = [np.asarray(half(x)[1], np.float64) for half in (split_product.halves, split_product.uneven_halves)]
    squares = (x.astype(np.float64) ** 2).sum(1)
    assert ((low[0] * low[0]).sum(1) / squares).min() > 4e-7
    assert np.abs((low[0] * low[1]).sum(1) / squares).max() < 1.5e-7


@pytest.mark.parametrize("half", [split_product.halves, split_product.uneven_halves])
def test_halves_add_up_to_sixteen_bits(half):
    values = related(512)[0] * np.float32(2.0) ** np.arange(-12, 12, dtype=np.float32)[:, None]
    high, low = (np.asarray(part, np.float64) for part in jax.jit(half)(values))
    assert np.all(np.abs(high + low - values) <= 2.0**-16 * np.abs(values))
    nothing = np.float32([0.0, -0.0, 1.0, -2.0, 0.5])
    for part, expected in zip(half(nothing), (nothing, 0 * nothing), strict=True):
        np.testing.assert_array_equal(np.asarray(part, np.float32), expected)


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
    monkeypatch.setattr(precision, "_hold", lambda: True)
    for asked, way in zip(precision.WAYS, ways, strict=True):
        with precision.products(asked):
            assert precision.current_way() == way
            assert precision.kernels() == (device is GPU)


def test_a_gpu_whose_kernels_do_not_compile_computes_plainly_and_says_so_once(monkeypatch, untried, caplog):
    monkeypatch.setattr(precision.jax, "devices", lambda: [GPU])
    with caplog.at_level(logging.WARNING):
        assert [precision.current_way() for _ in range(3)] == ["plain"] * 3
    (record,) = caplog.records
    assert "without kernels" in record.message and "interpret" in record.message


def test_kernels_are_tried_while_a_program_is_traced(emulated, untried):
    held = []

    def traced(x):
        held.append(split_product.holds())
        return x

    jax.jit(traced)(jnp.ones(3))
    assert held == [True]


def test_a_program_that_fails_with_kernels_alone_runs_without(monkeypatch, untried, caplog):
    monkeypatch.setattr(precision.jax, "devices", lambda: [GPU])
    monkeypatch.setattr(precision, "_hold", lambda: True)

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
        "products of scores go without kernels from here on: RuntimeError: out of shared memory"
    ]


def test_a_cpu_computes_the_same_numbers_whatever_is_asked_for():
    x, y = (side.T[:, :3] for side in related(2_000))
    found = [actjax.score(x, y, "pearson", precision=way) for way in precision.WAYS]
    for other in found[1:]:
        np.testing.assert_array_equal(found[0], other)
