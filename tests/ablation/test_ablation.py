"""What a neuron is worth: cuts of networks beside plain arithmetic, intervals, the table that is kept."""

import dataclasses

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from actjax.ablation import cut, effects
from actjax.data.source import Source
from actjax.scoring.networks import Network
from actjax.statistics.bootstrap import t_quantile
from actjax.types import Frontend, Layer
from actjax.workdir import ablation
from actjax.workdir.ablation import AblatedLayer, Ablation

RATE, CLASSES = 2000, 3


class Small(nn.Module):
    """Two layers with a connection around the second."""

    copies: bool = False

    @nn.compact
    def __call__(self, mel_bft, *, train):
        x = first = nn.relu(nn.Dense(4, name="a")(mel_bft.mean(2)))
        layers = {"first": first * 1.0 if self.copies else first}
        x = layers["second"] = nn.relu(nn.Dense(4, name="b")(x)) + first
        return nn.Dense(CLASSES, name="c")(x), layers


def variables(module, image):
    return module.init(jax.random.key(0), image, train=False)


def by_hand(weights, image, layer, n, value):
    """The logits in float64 with one unit of one layer at a value."""
    p = jax.tree.map(lambda x: np.asarray(x, np.float64), weights["params"])
    dense = lambda x, name: x @ p[name]["kernel"] + p[name]["bias"]  # noqa: E731
    first = np.maximum(dense(np.asarray(image, np.float64).mean(2), "a"), 0)
    if layer == "first":
        first[:, n] = value
    second = np.maximum(dense(first, "b"), 0) + first
    if layer == "second":
        second[:, n] = value
    return dense(second, "c")


@pytest.mark.parametrize("layer", ["first", "second"])
def test_a_cut_network_says_what_arithmetic_says(layer):
    image = jnp.asarray(np.random.default_rng(0).normal(size=(5, 6, 7)), jnp.float32)
    module = Small()
    weights = variables(module, image)
    run = cut.replaced(lambda v, x: module.apply(v, x, train=False), layer)

    def without(n):
        return run(weights, image, lambda x: jnp.where(jnp.arange(4) == n, jnp.float32(0.3), x))

    found = np.asarray(jax.jit(jax.vmap(without))(jnp.arange(4)))
    for n in range(4):
        np.testing.assert_allclose(found[n], by_hand(weights, image, layer, n, 0.3), rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(
        np.asarray(run(weights, image, lambda x: x)), np.asarray(module.apply(weights, image, train=False)[0])
    )


def test_a_layer_that_is_returned_as_a_copy_is_refused():
    image, module = jnp.zeros((2, 6, 7)), Small(copies=True)
    run = cut.replaced(lambda v, x: module.apply(v, x, train=False), "first")
    with pytest.raises(ValueError, match="layer first: the network does not go on from the output"):
        run(variables(module, image), image, lambda x: x)


def clips(count=6, multi_label=False):
    rng = np.random.default_rng(3)
    waves = (0.1 * rng.normal(size=(count, RATE // 2))).astype(np.float32)
    labels = np.arange(count) % CLASSES
    return Source(
        reader=[{"audio": wave} for wave in waves],
        clip_ids=[str(i) for i in range(count)],
        recording_ids=[str(i // 2) for i in range(count)],
        labels=np.eye(CLASSES, dtype=np.uint8)[labels] if multi_label else labels.astype(np.int32),
        class_names=("a", "b", "c"),
        sample_rate_hz=RATE,
        clip_samples=RATE // 2,
        fingerprint="01",
    )


@pytest.mark.parametrize("multi_label", [False, True])
def test_changes_of_loss_and_outputs_are_those_of_the_cut_network(multi_label, standard_promotion):
    from actjax import dsp

    front = Frontend(sample_rate_hz=RATE, n_fft=128, hop_samples=64, n_mels=6)
    source, module = clips(multi_label=multi_label), Small()
    image = jnp.stack([dsp.log_mel_image(jnp.asarray(example["audio"]), front) for example in source.reader])
    weights = variables(module, image)
    network = Network(module, module, front, image.shape[1:], ".*", None, 0, batch_size=4)
    found = effects.without_each(
        network,
        Layer("second", 4, 0.6),
        {"trained": weights},
        source,
        {"trained": np.full(4, 0.5, np.float32)},
    )["trained"]

    def judged(logits):
        if multi_label:
            p = 1 / (1 + np.exp(-logits))
            return -np.log(np.where(source.labels == 1, p, 1 - p)).mean(axis=1), p
        p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        return -np.log(p[np.arange(6), source.labels]), p

    plain_loss, plain_p = judged(by_hand(weights, image, "", 0, 0.0))
    for n in range(4):
        loss, p = judged(by_hand(weights, image, "second", n, 0.5))
        assert found.loss[n] == pytest.approx((loss - plain_loss).mean(), rel=2e-3, abs=2e-4)
        np.testing.assert_allclose(found.outputs[n], (p - plain_p).mean(axis=0), rtol=2e-3, atol=2e-4)
    assert (found.low < found.loss).all() and (found.loss < found.high).all()


def test_label_sets_of_many_labels_are_told_apart(standard_promotion):
    """Labels 0 and 3 named instead of 1 and 2 are other names, among thirty as among four."""

    class Swaps(nn.Module):
        @nn.compact
        def __call__(self, mel_bft, *, train):
            layer = jnp.ones((len(mel_bft), 1)) + 0.0 * mel_bft.mean((1, 2))[:, None]
            sides = jnp.asarray([-1.0, 1.0, 1.0, -1.0] + [-9.0] * 26)
            return jnp.where(jnp.arange(30) < 4, layer * sides, -9.0), {"only": layer}

    front = Frontend(sample_rate_hz=RATE, n_fft=128, hop_samples=64, n_mels=6)
    source, module = clips(multi_label=True), Swaps()
    source = dataclasses.replace(source, labels=np.zeros((6, 30), np.uint8))
    network = Network(module, module, front, (6, 16), ".*", None, 0, batch_size=4)
    means = {"trained": np.full(1, -1.0, np.float32)}
    found = effects.without_each(network, Layer("only", 1, 0.5), {"trained": {}}, source, means)["trained"]
    assert found.changed.tolist() == [1.0]


def test_intervals_are_over_recordings():
    values = np.random.default_rng(5).normal(size=(3, 40))
    alone = effects.interval_width(values, [str(i) for i in range(40)])
    expected = t_quantile(0.975, 39) * values.std(axis=1, ddof=1) / np.sqrt(40)
    np.testing.assert_allclose(alone, expected, rtol=1e-12)
    # Clips of one recording that are all alike are worth one clip.
    twice = effects.interval_width(np.repeat(values, 2, axis=1), [str(i // 2) for i in range(80)])
    np.testing.assert_allclose(twice, expected, rtol=1e-12)
    assert np.isnan(effects.interval_width(values, ["a"] * 40)).all()


def test_the_table_is_read_as_it_was_written(tmp_path):
    assert ablation.read(tmp_path) is None
    rng = np.random.default_rng(0)

    def of(n):
        return AblatedLayer(*(rng.normal(size=n) for _ in range(4)), rng.normal(size=(n, 2)))

    networks = {
        "trained": {"conv1": of(3), "embedding": of(2)},
        "untrained": {"conv1": of(3), "embedding": of(2)},
    }
    slopes = {"trained": {"conv1": {"gain": np.asarray([1.0, np.nan, -1.0])}, "embedding": {}}}
    made = Ablation("ab", ("x", "y"), networks, slopes)
    ablation.write(tmp_path, made)
    found = ablation.read(tmp_path)
    assert (found.made_from, found.class_names) == ("ab", ("x", "y"))
    np.testing.assert_equal(found.networks, networks)
    np.testing.assert_equal(found.responses["trained"], slopes["trained"])
    line = ablation.of_neuron(found, "trained", "conv1", 1)
    assert line["ablation"]["loss"] == pytest.approx(networks["trained"]["conv1"].loss[1], abs=1e-6)
    assert line["ablation"]["twin"]["loss"] == pytest.approx(networks["untrained"]["conv1"].loss[1], abs=1e-6)
    assert line["responses"]["gain"]["trained"] is None and ablation.of_neuron(found, "trained", "x", 0) == {}
