"""Mixed precision: what is bfloat16, what stays float32, and that training follows float32's."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from losses import trained

from actjax import lookup
from actjax.train import step

pytestmark = pytest.mark.usefixtures("optimised")


@pytest.mark.parametrize("steps", [15, pytest.param(40, marks=pytest.mark.long)])
def test_losses_follow_those_of_float32_and_all_that_is_kept_stays_float32(steps):
    exact, _ = trained(steps)
    mixed, after = trained(steps, precision="bfloat16")
    exact, mixed = np.array(exact), np.array(mixed)
    floats = [leaf.dtype for leaf in jax.tree.leaves(after) if jnp.issubdtype(leaf.dtype, jnp.floating)]
    assert len(floats) > 20 and set(floats) == {jnp.dtype("float32")}
    # bfloat16 has three digits: single losses of 8 clips differ in the second, their course does not.
    assert np.abs(mixed - exact).max() < 0.1 and abs(mixed[-10:].mean() - exact[-10:].mean()) < 0.02
    assert np.abs(mixed - exact).max() > 1e-6, "nothing was computed in bfloat16"


@pytest.mark.parametrize("name", lookup.names("model"))
def test_every_network_computes_in_bfloat16(name):
    """All its layers do, its batch statistics do not; told from shapes alone."""
    model = lookup.load("model", name, num_classes=3)
    shape = (96, 1366 if "choi" in name or name == "crnn" else 141)
    shape = (1, 48_000) if getattr(model, "takes", "image") == "wave" else shape
    image = jax.ShapeDtypeStruct((2, *shape), jnp.float32)
    variables = jax.eval_shape(lambda x: model.init(jax.random.key(0), x, train=False), image)

    def layers(variables, image):
        params = step.in_precision(variables["params"], "bfloat16")
        return model.apply(
            {**variables, "params": params},
            image.astype(jnp.bfloat16),
            train=True,
            mutable=["batch_stats"],
            rngs={"dropout": jax.random.key(0)},
        )

    (logits, of_layers), changed = jax.eval_shape(layers, dict(variables), image)
    assert {name: layer.dtype for name, layer in of_layers.items()} == dict.fromkeys(of_layers, jnp.bfloat16)
    assert logits.dtype == jnp.bfloat16
    assert {leaf.dtype for leaf in jax.tree.leaves(changed)} <= {jnp.dtype("float32")}
