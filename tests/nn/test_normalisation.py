"""Batch normalisation against its formula in float64, and of bfloat16, in values, moments and derivatives."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from actjax import parallel
from actjax.nn.blocks import BatchNorm, Window
from actjax.nn.normalisation import normalised

pytestmark = pytest.mark.usefixtures("optimised")
RNG = np.random.default_rng(0)
X = (RNG.normal(size=(8, 5, 7, 3)) * [1, 3, 0.1] + [0, 5, -0.2]).astype(np.float32)
MASK = np.arange(8) < 6
VARIABLES = {
    "params": {"scale": np.array([1, 2, -1], np.float32), "bias": np.array([0, 1, 2], np.float32)},
    "batch_stats": {"mean": np.array([0, 4, -0.1], np.float32), "var": np.ones(3, np.float32)},
}
DIRECTION = (RNG.normal(size=X.shape) * MASK[:, None, None, None]).astype(np.float32)


WINDOW = (2, 3)


def by_formula():
    """Output, largest of each window, running moments, and derivatives by scale, bias and x, in float64."""
    weight = MASK[:, None, None, None].astype(float)
    cells = weight.sum() * X[0, ..., 0].size

    def both(params, x):
        mean = (x * weight).sum((0, 1, 2)) / cells
        var = ((x - mean) ** 2 * weight).sum((0, 1, 2)) / cells
        y = (x - mean) / jnp.sqrt(var + 1e-3) * params["scale"] + params["bias"]
        largest = y[:, :4, :6].reshape(8, 2, 2, 2, 3, 3).max((2, 4))
        stats = {"mean": 0.9 * VARIABLES["batch_stats"]["mean"] + 0.1 * mean, "var": 0.9 + 0.1 * var}
        return y, largest, stats

    def derivatives(place, direction):
        def loss(params, x):
            return (both(params, x)[place] * direction).sum()

        return jax.grad(loss, (0, 1))(params, x)

    with jax.enable_x64(True), jax.numpy_rank_promotion("allow"), jax.numpy_dtype_promotion("standard"):
        params, x = jax.tree.map(lambda leaf: jnp.asarray(leaf, float), (VARIABLES["params"], X))
        y, largest, stats = both(params, x)
        whole, pooled = derivatives(0, DIRECTION), derivatives(1, DIRECTION[:, :2, :2])
    # As `on_devices` orders them.
    return ((y, whole[1]), (stats, whole[0])), ((largest, pooled[1]), (stats, pooled[0]))


def normalise(near, window=(1, 1)):
    def way(params, x, mask):
        stats = VARIABLES["batch_stats"]
        y, mean, var = normalised(
            x,
            mask.astype(jnp.float32),
            stats["mean"] if near else None,
            params["scale"],
            params["bias"],
            epsilon=1e-3,
            axis_name=parallel.AXIS,
            window=window,
        )
        return y, {"mean": 0.9 * stats["mean"] + 0.1 * mean, "var": 0.9 + 0.1 * var}

    return way


def by_module(params, x, mask):
    module = BatchNorm(parallel.AXIS)
    variables = {**VARIABLES, "params": params}
    y, changed = module.apply(variables, x, train=True, mask_b=mask, mutable=["batch_stats"])
    return y, changed["batch_stats"]


def automatic(params, x, mask):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parallel, "on_cpu", lambda: False)
        return by_module(params, x, mask)


def on_devices(way, dtype, window=(1, 1)):
    """Output, running moments, and derivatives by scale, bias and x, over four devices."""

    def fn(params, x, mask, direction):
        def loss(params, x):
            y, stats = way(params, x, mask)
            return (y.astype(jnp.float32) * direction).sum(), (y, stats)

        (_, (y, stats)), (of_params, of_x) = jax.value_and_grad(loss, (0, 1), has_aux=True)(params, x)
        return y.astype(jnp.float32), stats, parallel.psum(of_params), of_x.astype(jnp.float32)

    params = parallel.replicate(VARIABLES["params"])
    direction = DIRECTION[:, : 5 // window[0], : 7 // window[1]]
    arrays = parallel.shard((X, MASK, direction))
    x = arrays[0].astype(dtype)
    y, stats, of_params, of_x = parallel.pmap(fn)(params, x, *arrays[1:])
    return parallel.unshard((y, of_x)), parallel.unreplicate((stats, of_params))


@pytest.mark.parametrize("way", [normalise(True), normalise(False), by_module, automatic])
def test_every_way_is_the_formula(way):
    close(on_devices(way, np.float32), by_formula()[0])


def test_largest_of_windows_is_the_formula():
    close(on_devices(normalise(False, WINDOW), np.float32, WINDOW), by_formula()[1])


def test_equal_largest_values_share_the_derivative():
    x = jnp.asarray([[1, 1, 0], [1, 0, 0]], jnp.float32).reshape(1, 2, 3, 1)
    one = jnp.ones(1)

    def first(x):
        return normalised(x, one, None, one, one, epsilon=1e3, axis_name=None, window=(2, 2))[0].sum()

    def by_reshaping(x):
        y = normalised(x, one, None, one, one, epsilon=1e3, axis_name=None)[0]
        return Window((2, 2), (2, 2)).max_pool(y).sum()

    np.testing.assert_allclose(jax.grad(first)(x), jax.grad(by_reshaping)(x), rtol=1e-5)


def test_rectified_is_pooled_alike_in_training_and_after():
    """The maps, and what is pooled of them, which training on a CPU does not read from them."""
    module, variables = BatchNorm(), jax.tree.map(jnp.asarray, VARIABLES)
    for train in (True, False):
        for pool in (Window(WINDOW, WINDOW), Window((3, 3), (2, 2)), None):
            (maps, pooled), _ = module.apply(
                variables, X, pool, train=train, mutable=["batch_stats"], method="rectified"
            )
            np.testing.assert_allclose(
                pooled, maps if pool is None else pool.max_pool(maps), rtol=1e-6, atol=1e-6
            )


def test_bfloat16_is_near_float32_and_its_moments_are_float32():
    expected, got = on_devices(by_module, np.float32), on_devices(by_module, jnp.bfloat16)
    assert {leaf.dtype for leaf in jax.tree.leaves(got[1])} == {np.dtype(np.float32)}
    # Eight bits: a value near 5 is off by 0.02, which of a deviation of 3 is less than a hundredth.
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=0.02, atol=0.08), got, expected)


def close(got, expected):
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-5, atol=2e-5), got, expected)
