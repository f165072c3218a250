"""Products beyond float32's rate at float32's accuracy, as an accelerator makes them, emulated on a CPU."""

import functools
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import actjax
from actjax import precision

ROWS, STRETCH = 24, 5_000


def related(o):
    """x [rows, o], y [rows, o] centred: row i of y correlates with row i of x, from 0 to equality."""
    rng = np.random.default_rng(o)
    x, noise = rng.standard_normal((2, ROWS, o), np.float32)
    r = np.linspace(0, 1, ROWS, dtype=np.float32)[:, None]
    y = r * x + np.sqrt(1 - r * r) * noise
    return tuple(side - side.mean(1, keepdims=True) for side in (x, y))


def cosines(product, x, y):
    x, y = x.astype(np.float64), y.astype(np.float64)
    lengths = np.sqrt((x**2).sum(1)[:, None] * (y**2).sum(1)[None, :])
    return np.asarray(product, np.float64) / lengths


@pytest.mark.parametrize("o", [20_000, 1_000_000])
@pytest.mark.parametrize("axis", [0, 1])
def test_a_split_product_has_the_digits_of_float32(o, axis):
    x, y = related(o)
    exact = cosines(x.astype(np.float64) @ y.T.astype(np.float64), x, y)
    product = jax.jit(functools.partial(precision.split_product, axis=axis))
    # As long sums are taken: in stretches, added up in float32.
    stretches = [np.s_[:, i : i + STRETCH] for i in range(0, o, STRETCH)]
    split = sum(product(*(side[at] if axis else side[at].T for side in (x, y))) for at in stretches)
    assert np.abs(cosines(split, x, y) - exact).max() < 1e-6
    one = jnp.matmul(x.astype(jnp.bfloat16), y.T.astype(jnp.bfloat16), preferred_element_type=jnp.float32)
    assert np.abs(cosines(one, x, y) - exact).max() > 5e-6


def test_what_is_left_out_does_not_add_up_where_the_sides_are_equal():
    (x, _) = related(20_000)
    low = [np.asarray(half(x)[1], np.float64) for half in (precision.halves, precision.uneven_halves)]
    squares = (x.astype(np.float64) ** 2).sum(1)
    assert ((low[0] * low[0]).sum(1) / squares).min() > 4e-7
    assert np.abs((low[0] * low[1]).sum(1) / squares).max() < 1.5e-7


@pytest.mark.parametrize("half", [precision.halves, precision.uneven_halves])
def test_halves_add_up_to_sixteen_bits(half):
    values = related(512)[0] * np.float32(2.0) ** np.arange(-12, 12, dtype=np.float32)[:, None]
    high, low = (np.asarray(part, np.float64) for part in jax.jit(half)(values))
    assert np.all(np.abs(high + low - values) <= 2.0**-16 * np.abs(values))
    nothing = np.float32([0.0, -0.0, 1.0, -2.0, 0.5])
    for part, expected in zip(half(nothing), (nothing, 0 * nothing), strict=True):
        np.testing.assert_array_equal(np.asarray(part, np.float32), expected)


def test_the_long_side_is_read_once():
    """Each of its parts meets the stacked short side in one product, and it is split once."""
    program = jax.make_jaxpr(precision.split_product)(jnp.ones((64, 512)), jnp.ones((4, 512)))
    products = [equation for equation in program.eqns if equation.primitive.name == "dot_general"]
    assert [tuple(side.aval.shape for side in product.invars) for product in products] == [
        ((64, 512), (8, 512)),
        ((64, 512), (4, 512)),
    ]
    assert products[0].invars[0] is not products[1].invars[0]
    assert all(side.aval.dtype == jnp.bfloat16 for product in products for side in product.invars)


def test_an_unknown_precision_is_one_line():
    with pytest.raises(ValueError, match=r"^expected precision to be one of exact, fast, tf32, got 'half'$"):
        actjax.score(np.eye(4), np.eye(4), precision="half")
    with pytest.raises(ValueError, match="got 'half'"), precision.products("half"):
        pass


@pytest.mark.parametrize(
    ("device", "way"),
    [
        (SimpleNamespace(platform="cpu"), "exact"),
        (SimpleNamespace(platform="gpu", compute_capability="7.5"), "exact"),
        (SimpleNamespace(platform="gpu", compute_capability="gfx90a"), "exact"),
        (SimpleNamespace(platform="gpu", compute_capability="9.0"), "fast"),
        (SimpleNamespace(platform="tpu"), "fast"),
    ],
)
def test_a_device_without_bfloat16_computes_exactly(monkeypatch, device, way):
    monkeypatch.setattr(precision.jax, "devices", lambda: [device])
    assert precision.current_way() == way
    with precision.products("exact"):
        assert precision.current_way() == "exact"


def test_a_cpu_computes_the_same_numbers_whatever_is_asked_for():
    x, y = (side.T[:, :3] for side in related(2_000))
    found = [actjax.score(x, y, "pearson", precision=way) for way in precision.WAYS]
    for other in found[1:]:
        np.testing.assert_array_equal(found[0], other)
