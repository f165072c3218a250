"""The pure steps: the same on any number of devices, right against NumPy, blind to padding."""

import dataclasses
import functools
import json

import jax
import jax.numpy as jnp
import launching
import losses
import numpy as np
import pytest
import synthetic

from actjax import defaults
from actjax.train import options, state, step


@pytest.mark.parametrize(("steps", "counts"), [(20, (1,)), pytest.param(50, (1, 2), marks=pytest.mark.long)])
def test_the_loss_of_many_steps_is_the_same_on_1_2_and_4_devices(steps, counts):
    started = [launching.start(steps, program=[losses.__file__], devices=count) for count in counts]
    four, _ = losses.trained(steps, padded=2)
    results = dict(json.loads(launching.finish(process)[0]) for process in started)
    assert tuple(sorted(results)) == counts
    assert np.mean(four[-10:]) < (0.8 if steps == 50 else 0.9) * np.mean(four[:10]), "it learns"
    for found in results.values():
        np.testing.assert_allclose(found, four, atol=1e-4)


def test_single_label_loss_against_numpy():
    rng = np.random.default_rng(0)
    logits, label = rng.normal(size=(6, 4)), rng.integers(0, 4, 6)
    log_p = logits - np.log(np.exp(logits).sum(1, keepdims=True))
    for smoothing in (0.0, 0.1):
        target = np.eye(4)[label] * (1 - smoothing) + smoothing / 4
        expected = -(target * log_p).sum(1)
        found = step.clip_loss(jnp.float32(logits), jnp.asarray(label, jnp.int32), False, smoothing)
        np.testing.assert_allclose(found, expected, rtol=1e-5)
    right = step.correct(jnp.float32(logits), jnp.asarray(label, jnp.int32), False)
    np.testing.assert_array_equal(right, logits.argmax(1) == label)


def test_multi_label_loss_against_numpy():
    rng = np.random.default_rng(0)
    logits, label = rng.normal(size=(6, 4)), rng.integers(0, 2, (6, 4))
    p = 1 / (1 + np.exp(-logits))
    for smoothing in (0.0, 0.1):
        target = label * (1 - smoothing) + smoothing / 2
        expected = -(target * np.log(p) + (1 - target) * np.log(1 - p)).mean(1)
        found = step.clip_loss(jnp.float32(logits), jnp.float32(label), True, smoothing)
        np.testing.assert_allclose(found, expected, rtol=1e-5)
    right = step.correct(jnp.float32(logits), jnp.float32(label), True)
    np.testing.assert_allclose(right, ((p > 0.5) == label).mean(1))


@pytest.mark.parametrize("optimizer", defaults.RULES["train.optimizer"].known)
def test_optimizers_follow_their_formulas(optimizer):
    """Two steps in float64, by hand."""
    chosen = synthetic.train_options(
        optimizer=optimizer, schedule="constant", learning_rate=0.1, weight_decay=0.01
    )
    chain = options.make_optimizer(chosen, 10, 5)
    w, b = np.array([[1.0, -2.0]]), np.array([0.5])
    params = {"w": jnp.float32(w), "b": jnp.float32(b)}
    grads = [
        {"w": np.array([[0.3, 0.1]]), "b": np.array([1.0])},
        {"w": np.array([[-0.2, 0.4]]), "b": np.array([0.5])},
    ]
    opt_state, expected = chain.init(params), {"w": w, "b": b}
    moments = {name: (np.zeros_like(p), np.zeros_like(p)) for name, p in expected.items()}
    for t, grad in enumerate(grads, 1):
        with jax.numpy_dtype_promotion("standard"):
            updates, opt_state = chain.update(jax.tree.map(jnp.float32, grad), opt_state, params)
        params = jax.tree.map(jnp.add, params, updates)
        for name, p in expected.items():
            decay = 0.01 * p if name == "w" else 0.0
            g = grad[name] + (decay if optimizer != "adamw" else 0.0)
            m, v = moments[name]
            if optimizer == "sgd":
                m = g + 0.9 * m
                move = g + 0.9 * m
            else:
                m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
                move = m / (1 - 0.9**t) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
                move = move + (decay if optimizer == "adamw" else 0.0)
            moments[name], expected[name] = (m, v), p - 0.1 * move
    for name in expected:
        np.testing.assert_allclose(params[name], expected[name], rtol=1e-5)


@pytest.mark.usefixtures("standard_promotion")
def test_schedules():
    def rates(at, **kwargs):
        rate = options.learning_rate(synthetic.train_options(learning_rate=1.0, **kwargs), 100, 10)
        return [float(rate(step)) for step in at]

    assert rates((0, 99), schedule="constant") == [1.0, 1.0]
    assert rates((0, 19, 20, 40), schedule="halving", halve_epochs=2) == [1.0, 1.0, 0.5, 0.25]
    np.testing.assert_allclose(rates((0, 50, 100), schedule="cosine"), [1.0, 0.5, 0.0], atol=1e-7)
    found = rates((0, 5, 10, 55, 100), schedule="cosine", warmup_steps=10)
    np.testing.assert_allclose(found, [0.0, 0.5, 1.0, 0.5, 0.0], atol=1e-7)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"optimizer": "lion"}, "train.optimizer knows adam, adamw, sgd; got 'lion'"),
        ({"learning_rate": 0.0}, "train.learning_rate must be a finite number above 0 .*, got 0.0"),
        ({"patience": -1}, "train.patience must be a whole number from 0"),
        ({"dropout": 1.0}, "train.dropout must be a finite number at least 0 and below 1, got 1.0"),
    ],
)
def test_options_that_cannot_be(given, says):
    with pytest.raises(ValueError, match=says):
        synthetic.train_options(**given)


def test_options_are_the_section_train_of_the_config():
    """Each entry stands in one of the two places that read it, and none beside them."""
    config = defaults.default_config()
    config.train.learning_rate, config.train.monitor = 0.125, "accuracy"
    chosen = dataclasses.asdict(options.of_config(config.train, 7, True))
    of_stage = {name: config.train[name] for name in options.OF_STAGE}
    beside = {"seed": 7, "multilabel": True, "clip_norm": None, "dropout": None}
    assert chosen | of_stage == config.train.to_dict() | beside


def test_initial_variables_are_a_function_of_the_seed():
    make = functools.partial(
        state.init_variables, synthetic.network(), synthetic.FRONTEND, clip_samples=synthetic.SAMPLES
    )
    first, again, other = (jax.tree.leaves(make(seed=seed)) for seed in (0, 0, 1))
    assert all((a == b).all() for a, b in zip(first, again, strict=True))
    assert any((a != b).any() for a, b in zip(first, other, strict=True))
