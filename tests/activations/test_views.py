"""Grids and averaging, against direct integration in float64."""

import jax.numpy as jnp
import numpy as np
import pytest

from actjax.activations import views
from actjax.layer_axis import LayerAxis
from actjax.types import Feature, Frontend, Layer

FRONT = Frontend(sample_rate_hz=12000, n_fft=512, hop_samples=256, n_mels=64)
CLIP_S = 3.0


def feature(**changes):
    values = {
        "name": "f",
        "fn": None,
        "rows": 4,
        "row_names": tuple("abcd"),
        "axis": "frequency",
        "centres_hz": (100.0, 200.0, 400.0, 800.0),
        "sample_rate_hz": 12000,
        "hop_samples": 256,
        "window_samples": 512,
        "unit": "",
        "reference": "",
    }
    return Feature(**(values | changes))


def layer(step=2, frames=141):
    time = LayerAxis.of_input(frames).window(3, padding="SAME").window(step, step, padding="VALID")
    return Layer("conv", neurons=3, depth=0.5, frequency=LayerAxis.of_input(64), time=time)


def test_receptive_field_arithmetic_follows_kernels_strides_and_padding():
    axis = LayerAxis.of_input(141).window(3, 2, "VALID").window(5, 1, "SAME").window(2, 2, "VALID")
    # conv 3/2: cell i covers inputs 2i..2i+2; conv 5 same: +-2 cells; pool 2/2.
    assert (axis.step, axis.field) == (4.0, 3 + 4 * 2 + 1 * 2)
    assert axis.first == pytest.approx(1 + 0.5 * 2)
    assert axis.size == 35
    inside = axis.inside()
    assert not inside[0] and inside[1]


def test_cells_that_see_padding_are_left_out():
    cells = views.layer_time(layer().time, FRONT, CLIP_S)
    inside = (cells.reach[:, 0] >= -1e-6) & (cells.reach[:, 1] <= CLIP_S + 1e-6)
    np.testing.assert_array_equal(cells.usable, inside)
    assert not cells.usable[0] and cells.usable[2] and cells.usable.sum() > 60


@pytest.mark.parametrize("hop", [128, 256, 384, 512, 1000])
def test_a_ramp_keeps_its_true_time_on_both_sides(hop):
    """Both sides sample the same function of time, so on the common grid they must agree."""
    spec = feature(hop_samples=hop, window_samples=hop)
    frames = 1 + 36000 // hop
    grid = views.common_grid(
        views.layer_time(layer().time, FRONT, CLIP_S), views.feature_time(spec, frames, CLIP_S)
    )
    layer_times = layer().time.centres() * 256 / 12000
    feature_times = np.arange(frames) * hop / 12000
    # A finer cell that is cut counts with its own centre: at most an eighth of a finer step is lost.
    tolerance = 2e-6 + (0 if 512 % hop == 0 else min(hop, 512) / 12000 / 8)
    np.testing.assert_allclose(grid.of_layer @ layer_times, grid.edges.mean(1), atol=tolerance)
    np.testing.assert_allclose(grid.of_feature @ feature_times, grid.edges.mean(1), atol=tolerance)
    np.testing.assert_allclose(grid.of_layer.sum(1), 1, atol=1e-6)
    assert grid.size <= min(frames, layer().time.size)
    assert (grid.ends <= CLIP_S + 1e-6).all()


def test_averages_are_area_weighted_overlaps():
    """Fine cells of width 1 onto coarse cells of width 2.5, by hand."""
    fine = views.Cells(
        np.stack([np.arange(10.0), np.arange(10.0) + 1], 1), np.zeros((10, 2)), np.ones(10, bool)
    )
    coarse = views.Cells(
        np.array([[0, 2.5], [2.5, 5], [5, 7.5], [7.5, 10]]), np.zeros((4, 2)), np.ones(4, bool)
    )
    grid = views.common_grid(coarse, fine)
    np.testing.assert_allclose(grid.of_feature[0, :4], np.array([1, 1, 0.5, 0]) / 2.5, atol=1e-7)
    np.testing.assert_allclose(grid.of_layer, np.eye(4))


def test_frequency_grid_is_in_hz():
    bands = np.linspace(50, 5950, 64)
    cells = views.layer_frequency(layer().frequency, bands)
    np.testing.assert_allclose(cells.centres, bands)
    spec = feature(rows=8, centres_hz=tuple(np.linspace(375, 5625, 8)), row_names=("r",) * 8)
    grid = views.common_grid(cells, views.feature_frequency(spec))
    np.testing.assert_allclose(grid.of_layer @ bands, grid.edges.mean(1), atol=np.diff(bands)[0] / 8)


def test_average_valid_ignores_invalid_frames_and_marks_mostly_invalid_cells():
    weights = np.array([[0.5, 0.5, 0, 0], [0, 0, 0.5, 0.5]], np.float32)
    values = jnp.asarray([[[1.0, 99.0, 3.0, 5.0]]])
    out, valid = views.average_valid(weights, values, jnp.asarray([[True, False, True, True]]))
    np.testing.assert_allclose(out[0, 0], [1.0, 4.0])
    np.testing.assert_array_equal(valid[0], [True, True])
    _, valid = views.average_valid(weights, values, jnp.asarray([[False, False, True, True]]))
    np.testing.assert_array_equal(valid[0], [False, True])


def test_seed_grid_resizes_ends_to_ends():
    grid = views.seed_grid(12, 6)
    assert grid.of_layer.shape == (6, 12)
    np.testing.assert_allclose(grid.of_feature, np.eye(6), atol=1e-6)
    np.testing.assert_allclose(grid.of_layer.sum(1), 1, atol=1e-6)


def test_where_every_band_sees_padding_all_are_used():
    tall = LayerAxis.of_input(64).window(65, padding="SAME")
    one = Layer("deep", neurons=3, depth=1.0, frequency=tall, time=LayerAxis.of_input(141))
    assert not tall.inside().any()
    assert views.layer_frequency(one.frequency, np.linspace(50, 5950, 64)).usable.all()
