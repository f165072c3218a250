"""Networks of the raw wave in the atlas: their means, what is heard and seen, and what they lose."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from actjax.ablation import effects
from actjax.atlas_site import activity
from actjax.data.source import Source
from actjax.scoring.networks import Network
from actjax.types import Frontend, Layer, LayerAxis

RATE, SAMPLES = 800, 400
WAVE = Frontend(RATE, n_fft=1, hop_samples=1, n_mels=1, takes="wave")
PICTURE = Frontend(RATE, n_fft=64, hop_samples=16, n_mels=8)


class OfWave(nn.Module):
    """Eight samples of the wave give one cell of two neurons."""

    @nn.compact
    def __call__(self, wave_b1s, *, train):
        cells = jnp.abs(wave_b1s).reshape(len(wave_b1s), 1, -1, 8).mean(-1, keepdims=True)
        layer = jnp.concatenate([cells, 2 * cells], axis=-1)
        return nn.Dense(2)(layer.mean((1, 2))), {"cells": layer}


@pytest.fixture(scope="module")
def opened():
    """(network, its layer, its weights, five clips)."""
    waves = np.random.default_rng(0).normal(size=(5, SAMPLES)).astype(np.float32)
    source = Source(
        reader=[{"audio": wave} for wave in waves],
        clip_ids=[str(i) for i in range(5)],
        recording_ids=[str(i) for i in range(5)],
        labels=np.asarray([0, 1, 0, 1, 0], np.int32),
        class_names=("a", "b"),
        sample_rate_hz=RATE,
        clip_samples=SAMPLES,
        fingerprint="01",
    )
    module = OfWave()
    weights = module.init(jax.random.key(0), jnp.zeros((1, 1, SAMPLES)), train=False)
    time = LayerAxis(size=SAMPLES // 8, first=3.5, step=8.0, field=8, input_size=SAMPLES)
    layer = Layer("cells", 2, 0.5, frequency=LayerAxis.of_input(1), time=time)
    network = Network(module, module, WAVE, (1, SAMPLES), ".*", None, 0, batch_size=4)
    return network, layer, weights, source, waves


def test_means_are_of_the_wave_and_the_picture_is_a_spectrogram(opened):
    network, layer, weights, source, waves = opened
    means = activity.clip_means(network, [layer], {"trained": weights}, source)["trained"]["cells"]
    np.testing.assert_allclose(means, np.abs(waves).mean(1)[:, None] * [1.0, 2.0], rtol=1e-5)
    [one] = activity.hear(network, [layer], weights, [], source, np.asarray([3]), PICTURE)
    assert one.image_ft.shape == (8, 1 + SAMPLES // 16) and np.isfinite(one.image_ft).all()
    np.testing.assert_allclose(one.layers["cells"].mean((0, 1)), means[3], rtol=1e-5)


def test_what_it_loses_without_a_neuron_is_known(opened):
    network, layer, weights, source, _ = opened
    means = {"trained": np.zeros(2, np.float32)}
    found = effects.without_each(network, layer, {"trained": weights}, source, means)["trained"]
    assert np.isfinite(found.loss).all() and np.abs(found.outputs).max() > 1e-3
