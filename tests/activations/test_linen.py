"""Any Flax module: its layers are found, and where their cells lie is measured."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from actjax.activations.capture import network_outputs
from actjax.activations.linen import AnyNetwork
from actjax.layer_axis import LayerAxis

BANDS, FRAMES = 20, 48


class Block(nn.Module):
    @nn.compact
    def __call__(self, x):
        return nn.relu(nn.Conv(6, (3, 3), padding="VALID", name="conv")(x))


class Plain(nn.Module):
    """Returns logits alone."""

    @nn.compact
    def __call__(self, mel_bft, deterministic):
        x = nn.relu(nn.Conv(4, (5, 4), strides=(1, 2), name="conv1")(mel_bft[..., None]))
        x = nn.max_pool(x, (2, 2), (2, 2))
        x = Block(name="block")(x)
        x = nn.relu(nn.Conv(6, (1, 7), name="wide")(x))
        x = nn.Dropout(0.5)(x.mean((1, 2)), deterministic=deterministic)
        return nn.Dense(3, name="out")(x)


class Attentive(nn.Module):
    """A sequence, and a layer of its own making."""

    @nn.compact
    def __call__(self, mel_bft):
        x = nn.Conv(4, (3,), strides=(2,), padding="VALID", name="conv")(mel_bft.transpose(0, 2, 1))
        weights_btt = jax.nn.softmax(jnp.einsum("btc,bsc->bts", x, x))
        mixed = nn.Dense(5, name="mixed")(jnp.einsum("bts,bsc->btc", weights_btt, x))
        return nn.Dense(2, name="out")(mixed.mean(1)), {"mine": mixed.max(1)}


def test_geometry_is_that_of_kernels_strides_and_padding():
    layers = {layer.name: layer for layer in AnyNetwork(Plain()).layers((BANDS, FRAMES))}
    f, t = LayerAxis.of_input(BANDS), LayerAxis.of_input(FRAMES)
    f, t = f.window(5), t.window(4, 2)
    assert (layers["conv1"].frequency, layers["conv1"].time) == (f, t)
    f, t = f.window(2, 2, "VALID").window(3, 1, "VALID"), t.window(2, 2, "VALID").window(3, 1, "VALID")
    assert (layers["block/conv"].frequency, layers["block/conv"].time) == (f, t)
    assert layers["block"].time == t
    t = t.window(7)
    # Of 48 frames each cell of this layer sees 39, most of them padding: measured on a longer input.
    assert (layers["wide"].frequency, layers["wide"].time) == (f, t) and not t.inside()[0]
    assert layers["out"].time is None and layers["out"].neurons == 3
    assert list(layers) == ["conv1", "block/conv", "block", "wide", "Dropout_0", "out"]
    assert sorted(x.depth for x in layers.values()) == [x.depth for x in layers.values()]


class Half(nn.Module):
    """Computes in another precision than its input has, and tells which cells were active."""

    dtype: jnp.dtype

    @nn.compact
    def __call__(self, mel_bft):
        x = nn.relu(nn.Conv(4, (5, 4), strides=(1, 2), dtype=self.dtype, name="conv1")(mel_bft[..., None]))
        x = nn.Conv(6, (3, 3), padding="VALID", dtype=self.dtype, name="conv2")(x)
        return nn.Dense(3, dtype=self.dtype, name="out")(x.mean((1, 2))), {"active": x > 0}


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16])
def test_geometry_in_half_precision_is_that_of_full(dtype):
    half, full = (AnyNetwork(Half(d)).layers((BANDS, FRAMES)) for d in (dtype, jnp.float32))
    assert half == full and [layer.name for layer in half] == ["conv1", "conv2", "out"]


def test_outputs_are_captured_by_path():
    network = AnyNetwork(Plain())
    image = jnp.asarray(np.random.default_rng(0).normal(size=(2, BANDS, FRAMES)), jnp.float32)
    variables = network.init(jax.random.key(0), image, train=False)
    outputs = network_outputs(network)(variables, image)
    logits, own = network.apply(variables, image, train=False)
    assert own == {} and logits.shape == (2, 3)
    np.testing.assert_array_equal(outputs["out"], logits)
    np.testing.assert_array_equal(outputs["block"], jnp.maximum(outputs["block/conv"], 0))


def test_cells_that_see_everything_are_placed_side_by_side():
    layers = {
        layer.name: layer for layer in AnyNetwork(Attentive()).layers((BANDS, FRAMES), "conv|mixed|mine")
    }
    assert layers["conv"].time == LayerAxis.of_input(FRAMES).window(3, 2, "VALID")
    mixed = layers["mixed"].time
    assert mixed.size == 23 and mixed.step == FRAMES / 23 and mixed.inside().all()
    assert layers["conv"].frequency.size == 1 and layers["conv"].frequency.inside().all()
    assert layers["mine"].neurons == 5 and not layers["mine"].is_map


def test_an_expression_that_matches_nothing_lists_the_layers():
    with pytest.raises(ValueError, match="matches no layer; known: conv1, block/conv, block, wide"):
        AnyNetwork(Plain()).layers((BANDS, FRAMES), "conv9")
