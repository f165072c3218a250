"""Evaluation counts every clip once; batch statistics are exact averages."""

import flax.linen as nn
import jax
import numpy as np
import pytest
import synthetic

from actjax import parallel
from actjax.nn.frontend import images
from actjax.train import evaluation, loop


@pytest.fixture(scope="module")
def trained():
    model = synthetic.network(parallel.AXIS)
    return model, loop.init_variables(model, synthetic.FRONTEND, 0, synthetic.SAMPLES)


images_of = jax.jit(images, static_argnums=1)


def reference_logits(model, variables, count):
    image = images_of(synthetic.AUDIO[:count], synthetic.FRONTEND)
    apply = jax.jit(model.apply, static_argnames="train")
    return np.asarray(apply(variables, image, train=False)[0], np.float64)


@pytest.mark.parametrize("size", [8, pytest.param(12, marks=pytest.mark.long)])
def test_every_clip_counts_once(trained, size):
    model, variables = trained
    count = 50
    batches = synthetic.eval_batches(size, count)
    result = evaluation.evaluate(model, synthetic.FRONTEND, variables, batches, synthetic.CLASSES)
    logits, label = reference_logits(model, variables, count), synthetic.LABEL[:count]
    log_p = logits - np.log(np.exp(logits).sum(1, keepdims=True))
    confusion = np.zeros((3, 3), int)
    np.add.at(confusion, (label, logits.argmax(1)), 1)
    assert result.count == count
    np.testing.assert_allclose(result.loss, -log_p[np.arange(count), label].mean(), rtol=1e-5)
    np.testing.assert_allclose(result.accuracy, (logits.argmax(1) == label).mean(), rtol=1e-6)
    np.testing.assert_array_equal(result.confusion, confusion)


def test_probabilities_by_clip(trained):
    model, variables = trained
    found, index = evaluation.predict(model, synthetic.FRONTEND, variables, synthetic.eval_batches(8, 50))
    logits = reference_logits(model, variables, 50)
    expected = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    np.testing.assert_array_equal(index, np.arange(50))
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)


def test_nothing_to_evaluate_and_wrong_classes(trained):
    model, variables = trained
    with pytest.raises(ValueError, match="at least one clip to evaluate, got none"):
        evaluation.evaluate(model, synthetic.FRONTEND, variables, [], 3)
    with pytest.raises(ValueError, match="expected 4 network outputs, got 3"):
        evaluation.evaluate(model, synthetic.FRONTEND, variables, synthetic.eval_batches(), 4)


class FlaxNormed(nn.Module):
    """A network from elsewhere: flax's own batch norm, another momentum, no mask."""

    @nn.compact
    def __call__(self, mel_bft, *, train):
        x = nn.BatchNorm(
            use_running_average=not train,
            momentum=0.7,
            axis_name=parallel.AXIS if train else None,
            name="bn0",
        )(mel_bft[..., None])
        return nn.Dense(3)(x.mean((1, 2))), {}


@pytest.mark.parametrize("own", [True, False])
def test_recomputed_statistics_are_averages_of_batch_moments(trained, own):
    if own:
        model, variables = trained
        sizes = (50, 7 * 8)
    else:
        model = FlaxNormed()
        variables = loop.init_variables(model, synthetic.FRONTEND, 0, synthetic.SAMPLES)
        sizes = (48,)
    for count in sizes:
        batches = list(synthetic.eval_batches(8, count))
        found = evaluation.recompute_batch_stats(model, synthetic.FRONTEND, variables, batches)
        image = np.asarray(images_of(synthetic.AUDIO[:count], synthetic.FRONTEND), np.float64)
        parts = [image[i : i + 8] for i in range(0, count, 8)]
        weights = [len(part) for part in parts]
        stats = found["batch_stats"]["bn0"]
        tolerance = {"rtol": 1e-4, "atol": 1e-5}
        np.testing.assert_allclose(
            stats["mean"][0], np.average([p.mean() for p in parts], weights=weights), **tolerance
        )
        np.testing.assert_allclose(
            stats["var"][0], np.average([p.var() for p in parts], weights=weights), **tolerance
        )
        assert jax.tree.structure(found) == jax.tree.structure(variables)
        np.testing.assert_array_equal(
            jax.tree.leaves(found["params"])[0], jax.tree.leaves(variables["params"])[0]
        )


def test_a_network_without_batch_norm_stays_as_it_is():
    assert evaluation.recompute_batch_stats(None, None, {"params": 1}, []) == {"params": 1}
