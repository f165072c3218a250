"""Every network of the models folder: outputs, geometry, batch norm, masks, compilation."""

import contextlib
import functools
import inspect

import flax.errors
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from actjax import lookup, parallel
from actjax.nn.blocks import BatchNorm

NAMES = lookup.names("model")
# The tests that compile a backward pass or four devices take seconds for each network.
MAIN = [pytest.param(n, marks=() if n in ("vgg", "singlelayer") else pytest.mark.long) for n in NAMES]
CLASSES = 5
# Options that count channels or units: an eighth of them has the same geometry and compiles sooner.
WIDTHS = ("widths", "stem", "entry", "exit", "embedding", "recurrent")


def load(name, **hyper):
    """The network, narrow where it can be."""
    for option, parameter in inspect.signature(lookup.factory("model", name)).parameters.items():
        if option in WIDTHS:
            hyper[option] = jax.tree.map(lambda width: max(width // 8, 4), parameter.default)
        if option == "hop_samples":
            hyper[option] = 1024
    return lookup.load("model", name, num_classes=CLASSES, **hyper)


def shape_of(name):
    """The smallest of some input shapes, (bands, frames), that leaves cells in every layer.

    They leave no frame over behind strides and pools, which no cell would see.
    """
    model = load(name)
    images_and_wave = ((96, 65), (96, 128), (128, 512)), ((1, 2048), (1, 43_844))
    for shape in images_and_wave[getattr(model, "takes", "image") == "wave"]:
        with contextlib.suppress(ValueError):
            model.layers(shape)
            return shape
    raise AssertionError(f"{name} takes none of the shapes tried")


@functools.cache
def made(name, **hyper):
    """The network and variables drawn for it in NumPy, with nothing at its initial value."""
    model = load(name, **hyper)
    shapes = jax.eval_shape(lambda x: model.init(jax.random.key(0), x, train=False), images(name, 1))
    rng = np.random.default_rng(0)

    def draw(leaf):
        if leaf.ndim == 1:
            return rng.uniform(0.5, 1.0, leaf.shape).astype(np.float32)
        return (rng.normal(size=leaf.shape) / np.sqrt(leaf.size / leaf.shape[-1])).astype(np.float32)

    return model, jax.tree.map(draw, shapes)


def images(name, count, seed=0):
    return np.random.default_rng(seed).normal(size=(count, *shape_of(name))).astype(np.float32)


@functools.cache
def forward(name):
    model, _ = made(name)
    return jax.jit(lambda variables, x: model.apply(variables, x, train=False))


@pytest.mark.parametrize("name", NAMES)
def test_outputs_are_as_layers_says(name):
    model, variables = made(name)
    logits, layers = forward(name)(variables, images(name, 2))
    stated = model.layers(shape_of(name))
    assert logits.shape == (2, CLASSES) and logits.dtype == jnp.float32
    assert set(layers) == {layer.name for layer in stated}
    depths = [layer.depth for layer in stated]
    assert depths == sorted(depths) and depths[0] > 0 and depths[-1] < 1
    for layer in stated:
        values = layers[layer.name]
        cells = (layer.frequency.size, layer.time.size) if layer.is_map else ()
        assert values.shape == (2, *cells, layer.neurons) and values.dtype == jnp.float32
        assert np.isfinite(values).all() and np.std(values) > 0
    # The last layer is the embedding, or what a network of waves says frame by frame.
    assert not stated[-1].is_map or model.takes == "wave"


@pytest.mark.parametrize("name", NAMES)
def test_layers_come_in_depth_order(name):
    model, variables = made(name)
    layers = []

    def run(x):
        logits, found = model.apply(variables, x, train=False)
        layers.extend(found)
        return logits

    jax.eval_shape(run, images(name, 1))
    assert layers == [layer.name for layer in model.layers(shape_of(name))]


@pytest.mark.parametrize("name", NAMES)
def test_clips_do_not_mix_and_nothing_compiles_twice(name):
    _, variables = made(name)
    x = images(name, 2)
    whole = forward(name)(variables, x)[0]
    other = forward(name)(variables, np.stack([images(name, 1, seed=1)[0], x[1]]))[0]
    np.testing.assert_allclose(whole[1], other[1], rtol=2e-4, atol=2e-5)
    assert np.abs(whole[0] - other[0]).max() > 1e-4
    assert forward(name)._cache_size() == 1


@pytest.mark.usefixtures("optimised")
@pytest.mark.parametrize("name", MAIN)
def test_receptive_fields(name):
    """The inputs that move a cell are those that LayerAxis says, found by differentiating."""
    if name == "basic_pitch":
        pytest.skip("its image is put to 0 .. 1 over the clip: every cell sees all of it")
    model, variables = made(name)
    stated = [layer for layer in model.layers(shape_of(name)) if layer.is_map]
    cells = {layer.name: (layer.frequency.size // 2, layer.time.size // 2) for layer in stated}
    rng = np.random.default_rng(2)
    weights = {layer.name: rng.normal(size=layer.neurons).astype(np.float32) for layer in stated}

    @jax.jit
    def influence(variables, x_ft):
        def cell_values(one_ft):
            layers = model.apply(variables, one_ft[None], train=False)[1]
            return jnp.stack([jnp.vdot(layers[n][0, i, j], weights[n]) for n, (i, j) in cells.items()])

        out, pull = jax.vjp(cell_values, x_ft)
        return jax.lax.map(lambda one: jnp.abs(pull(one)[0]), jnp.eye(len(out), dtype=x_ft.dtype))

    # Where a maximum is taken only the winner matters; over several inputs each wins once. A maximum over 96
    # bands of 51 filters needs more of them than one over a pool.
    inputs = 16 if name == "musicnn" else 4
    seen = sum(np.asarray(influence(variables, x)) > 0 for x in images(name, inputs, seed=3))
    for layer, hits in zip(stated, seen, strict=True):
        for axis, cell, other in zip((layer.frequency, layer.time), cells[layer.name], (1, 0), strict=True):
            touched = np.flatnonzero(hits.any(other))[[0, -1]]
            centre, half = axis.centres()[cell], (axis.field - 1) / 2
            field = np.round([centre - half, centre + half]).astype(int)
            expected = np.clip(field, 0, axis.input_size - 1)
            # At the input's end a stride may leave frames that no cell sees.
            slack = 0 if field[1] < axis.input_size else axis.step - 1
            assert touched[0] == expected[0], (layer.name, axis)
            assert expected[1] - slack <= touched[1] <= expected[1], (layer.name, axis)


def train(model, variables, x, mask_b):
    """Logits and batch statistics of one pass in training mode without dropout."""
    (logits, _), changed = model.apply(variables, x, train=True, mutable=["batch_stats"], mask_b=mask_b)
    return logits, changed


@pytest.mark.usefixtures("optimised")
@pytest.mark.parametrize("name", MAIN)
def test_batch_norm_is_the_same_on_any_number_of_devices(name):
    """Statistics and output of 4 devices with padding equal those of 1 without, in training mode."""
    model, variables = made(name, dropout=0.0)
    spread = load(name, axis_name=parallel.AXIS, dropout=0.0)
    x, mask = images(name, 8), np.array([1, 1, 1, 0, 1, 1, 0, 0], bool)
    alone, stats = jax.jit(functools.partial(train, model))(variables, x[mask], None)
    run = parallel.pmap(functools.partial(train, spread))
    together, spread_stats = run(parallel.replicate(variables), parallel.shard(x), parallel.shard(mask))
    np.testing.assert_allclose(parallel.unshard(together)[mask], alone, rtol=2e-3, atol=2e-4)
    for got, expected in zip(
        jax.tree.leaves(parallel.unreplicate(spread_stats)), jax.tree.leaves(stats), strict=True
    ):
        np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_every_batch_norm_gets_the_axis_and_the_mask(name):
    model, variables = made(name, axis_name=parallel.AXIS, dropout=0.0)
    seen = {}

    def watch(call, args, kwargs, context):
        if isinstance(context.module, BatchNorm) and context.method_name in ("__call__", "rectified"):
            seen[context.module.path] = (context.module.axis_name, kwargs["mask_b"].shape)
        return call(*args, **kwargs)

    with nn.intercept_methods(watch):
        run = jax.vmap(functools.partial(train, model, variables), axis_name=parallel.AXIS)
        jax.eval_shape(run, images(name, 4)[:, None], np.ones((4, 1), bool))
    norms = len(jax.tree.leaves(variables.get("batch_stats", {}))) // 2
    assert list(seen.values()) == [(parallel.AXIS, (1,))] * norms


@pytest.mark.parametrize("name", NAMES)
def test_dropout_only_in_training(name):
    model, variables = made(name, dropout=0.5)

    def shape(rngs):
        run = functools.partial(model.apply, train=True, mutable=["batch_stats"], rngs=rngs)
        return jax.eval_shape(run, variables, images(name, 1))[0][0].shape

    # Without training `forward` asks for no random numbers.
    assert shape({"dropout": jax.random.key(0)}) == (1, CLASSES)
    with pytest.raises(flax.errors.InvalidRngError, match="dropout"):
        shape(None)


@pytest.mark.parametrize("name", NAMES)
def test_too_small_an_input_is_one_clear_line(name):
    model = load(name)
    with pytest.raises(ValueError, match=r"sees \d+ frames, got 0 frames; take longer") as error:
        model.layers((96, 0))
    assert "\n" not in str(error.value)


def test_unknown_option_lists_the_known():
    with pytest.raises(lookup.UnknownNameError, match="did you mean widths"):
        lookup.load("model", "vgg", num_classes=3, width=3)
