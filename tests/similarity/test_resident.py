"""The front door of an accelerator, on a CPU that takes itself for one."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import actjax
from actjax.similarity import checks, resident


@pytest.fixture
def accelerated(monkeypatch):
    monkeypatch.setattr(resident, "on_accelerator", lambda: True)
    monkeypatch.setattr(resident, "_limit", lambda: 1 << 32)


@pytest.fixture
def sides():
    rng = np.random.default_rng(0)
    return rng.standard_normal((400, 6)).astype(np.float32), rng.standard_normal((400, 3), np.float32)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int16])
def test_scores_are_those_of_the_cpu(monkeypatch, sides, order, dtype):
    x, y = (np.asarray(100 * side, dtype, order=order) for side in sides)
    expected = actjax.score(x, y, "pearson, iou")
    monkeypatch.setattr(resident, "on_accelerator", lambda: True)
    monkeypatch.setattr(resident, "_limit", lambda: 1 << 32)
    found = actjax.score(x, y, "pearson, iou")
    for name, scores in expected.items():
        np.testing.assert_allclose(found[name], scores, rtol=0, atol=2e-7)
        found[name][0, 0] = 0
    np.testing.assert_allclose(actjax.score(jnp.asarray(x[:50]), y[:50], "auc").shape, (6, 3))


def test_a_side_is_copied_once_and_read_by_the_device(accelerated, sides, monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("the host reads the values")

    monkeypatch.setattr(checks, "finite", refuse)
    kept = [resident.resident(checks.matrix(side, "activations", "n")).values for side in sides]
    assert all(isinstance(values, jax.Array) for values in kept)
    wide = resident.resident(checks.matrix(sides[0].astype(np.float64), "activations", "n")).values
    assert isinstance(wide, np.ndarray)
    assert np.isfinite(actjax.score(*sides, "spearman")).all()
    assert np.isfinite(actjax.score(*sides, "pearson")).all()
    constant = np.where(np.arange(6) == 2, 1, sides[0]).astype(np.float32)
    assert np.isnan(actjax.score(constant, sides[1], "pearson")).any(1).tolist() == [
        False, False, True, False, False, False,
    ]  # fmt: skip


@pytest.mark.parametrize("metric", ["pearson", "spearman", "iou"])
@pytest.mark.parametrize("on_device", [False, True])
def test_what_is_not_finite_is_named(accelerated, sides, metric, on_device):
    x, y = sides
    x[3, 2] = np.inf
    mask = np.arange(400) != 3
    x, y = (jnp.asarray(side) if on_device else side for side in (x, y))
    with pytest.raises(ValueError, match="expected finite activations, got inf at observation 3 of neuron 2"):
        actjax.score(x, y, metric)
    assert np.isfinite(actjax.score(x, y, metric, mask=mask)).all()


@pytest.mark.parametrize("accelerator", [False, True])
def test_arrays_come_back_as_they_went_in(monkeypatch, sides, accelerator):
    monkeypatch.setattr(resident, "on_accelerator", lambda: accelerator)
    outputs = actjax.score(*sides, "pearson", details=True)
    on_device = [jnp.asarray(side) for side in sides]
    found = actjax.score(*on_device, "pearson", details=True)
    for output, values in outputs.items():
        assert type(values) is np.ndarray and isinstance(found[output], jax.Array)
        np.testing.assert_allclose(found[output], values, rtol=0, atol=3e-7)
    assert isinstance(actjax.score(*on_device, "pearson", np.arange(400) // 40), jax.Array)
    # Tiles come back as one array.
    assert isinstance(actjax.score(*on_device, "pearson", memory_gib=1e-4), jax.Array)
    assert type(actjax.score(on_device[0], sides[1], "pearson")) is np.ndarray
    images = [jnp.asarray(side.reshape(20, -1, 4, 5)) for side in sides]
    assert isinstance(actjax.score_maps(*images, "ssim"), jax.Array)


def test_what_is_masked_may_be_anything(accelerated, sides):
    x, y = sides[0][:, :2], sides[1]
    hidden = np.zeros(x.shape, bool)
    hidden[5, 1] = True
    x[5, 1] = np.nan
    found = actjax.score(np.ma.masked_array(x, hidden), y, "iou")
    assert np.isfinite(found).all()
    np.testing.assert_array_equal(found[0], actjax.score(x[:, :1], y, "iou")[0])


def test_a_side_that_does_not_fit_stays_on_the_host(accelerated, sides, monkeypatch):
    monkeypatch.setattr(resident, "_limit", lambda: 1 << 14)
    side = checks.matrix(sides[0], "activations", "n")
    assert resident.resident(side) is side
    assert np.isfinite(actjax.score(*sides, "spearman")).all()
    assert resident.default_memory() == 1 << 30
