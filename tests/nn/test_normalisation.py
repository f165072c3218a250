"""Batch normalisation of bfloat16 against that of float32, in values, moments and derivatives."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from actjax import parallel
from actjax.nn.blocks import BatchNorm
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


def by_hand(params, x, mask):
    y, mean, var = normalised(
        x,
        mask.astype(jnp.float32),
        VARIABLES["batch_stats"]["mean"],
        params["scale"],
        params["bias"],
        epsilon=1e-3,
        axis_name=parallel.AXIS,
    )
    return y, {"mean": 0.9 * VARIABLES["batch_stats"]["mean"] + 0.1 * mean, "var": 0.9 + 0.1 * var}


def by_module(params, x, mask):
    module = BatchNorm(parallel.AXIS)
    variables = {**VARIABLES, "params": params}
    y, changed = module.apply(variables, x, train=True, mask_b=mask, mutable=["batch_stats"])
    return y, changed["batch_stats"]


def on_devices(way, dtype):
    """Output, running moments, and derivatives by scale, bias and x, over four devices."""

    def fn(params, x, mask, direction):
        def loss(params, x):
            y, stats = way(params, x, mask)
            return (y.astype(jnp.float32) * direction).sum(), (y, stats)

        (_, (y, stats)), (of_params, of_x) = jax.value_and_grad(loss, (0, 1), has_aux=True)(params, x)
        return y.astype(jnp.float32), stats, parallel.psum(of_params), of_x.astype(jnp.float32)

    params = parallel.replicate(VARIABLES["params"])
    arrays = parallel.shard((X, MASK, DIRECTION))
    x = arrays[0].astype(dtype)
    y, stats, of_params, of_x = parallel.pmap(fn)(params, x, *arrays[1:])
    return parallel.unshard((y, of_x)), parallel.unreplicate((stats, of_params))


def test_derivatives_by_hand_are_the_automatic_ones():
    expected = on_devices(by_module, np.float32)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-5, atol=2e-5),
        on_devices(by_hand, np.float32),
        expected,
    )


def test_bfloat16_is_near_float32_and_its_moments_are_float32():
    expected, got = on_devices(by_module, np.float32), on_devices(by_module, jnp.bfloat16)
    assert {leaf.dtype for leaf in jax.tree.leaves(got[1])} == {np.dtype(np.float32)}
    # Eight bits: a value near 5 is off by 0.02, which of a deviation of 3 is less than a hundredth.
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=0.02, atol=0.08), got, expected)
