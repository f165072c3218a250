"""Mixed precision: what is bfloat16, what stays float32, and that training follows float32's."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import synthetic

from actjax import lookup, parallel
from actjax.train import options, state, step

pytestmark = pytest.mark.usefixtures("optimised")


def trained(precision, steps):
    """Losses of some steps of the synthetic task, and the state after them."""
    model = synthetic.network(parallel.AXIS)
    chosen = synthetic.train_options(batch_size=8, learning_rate=3e-3, precision=precision)
    optimizer = options.make_optimizer(chosen, steps, steps)
    variables = state.init_variables(model, synthetic.FRONTEND, 0, synthetic.SAMPLES)
    replicated = parallel.replicate(state.create(variables, optimizer, 0))
    call = parallel.pmap(
        functools.partial(
            step.train_step,
            model=model,
            frontend=synthetic.FRONTEND,
            optimizer=optimizer,
            label_smoothing=0.0,
            multilabel=False,
            precision=chosen.precision,
        )
    )
    losses, batches = [], synthetic.train_batches(0)
    for _ in range(steps):
        replicated, sums = call(replicated, parallel.shard(next(batches)))
        sums = parallel.unreplicate(sums)
        losses.append(float(sums["loss"] / sums["count"]))
    return np.array(losses), replicated


@pytest.mark.parametrize("steps", [15, pytest.param(40, marks=pytest.mark.long)])
def test_losses_follow_those_of_float32_and_all_that_is_kept_stays_float32(steps):
    exact, _ = trained("float32", steps)
    losses, after = trained("bfloat16", steps)
    floats = [leaf.dtype for leaf in jax.tree.leaves(after) if jnp.issubdtype(leaf.dtype, jnp.floating)]
    assert len(floats) > 20 and set(floats) == {jnp.dtype("float32")}
    # bfloat16 has three digits: single losses of 8 clips differ in the second, their course does not.
    assert np.abs(losses - exact).max() < 0.1 and abs(losses[-10:].mean() - exact[-10:].mean()) < 0.02
    assert np.abs(losses - exact).max() > 1e-6, "nothing was computed in bfloat16"


@pytest.mark.parametrize("name", lookup.names("model"))
def test_every_network_computes_in_bfloat16(name):
    """All its layers do, its batch statistics do not; told from shapes alone."""
    model = lookup.load("model", name, num_classes=3)
    image = jax.ShapeDtypeStruct((2, 96, 1366 if "choi" in name or name == "crnn" else 141), jnp.float32)
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
