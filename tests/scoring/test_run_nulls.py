"""The nulls of a run, from observations as its pass over the clips keeps them."""

import contextlib
import types

import numpy as np
import pytest
import scipy.stats

from actjax import defaults, parallel, setup
from actjax.scoring import nulls
from actjax.scoring.observations import Observations
from actjax.similarity.api import make_metric
from actjax.statistics import permutations
from actjax.statistics.metric_nulls import null_of
from actjax.statistics.rescored import Sides

B, N, BANDS, FRAMES = 8, 3, 4, 20
CLIPS = np.random.default_rng(1).permutation(B)  # batches come in any order
RECORDINGS = np.arange(B) // 2


def feature(name, rows):
    return types.SimpleNamespace(name=name, rows=rows)


def kept(stack, folder, view, x, y, valid):
    """Observations of one network, given in the order of CLIPS: two batches, one padded clip each."""
    features = (feature("two", 2), feature("one", 1))
    rows = (("two", -1), ("one", -1)) if view == "map" else (("two", 0), ("two", 1), ("one", 0))
    problem = types.SimpleNamespace(
        name=f"conv1/{view}", view=view, neurons=N, rows=rows, features=features, nuisances=()
    )
    made = Observations(problem, 1, folder, stack)
    devices = parallel.device_count()
    for some in (CLIPS[: B // 2], CLIPS[B // 2 :]):
        padding = -len(some) % devices or devices
        index = np.append(some, np.zeros(padding, int))
        mask = np.arange(len(index)) < len(some)
        context = {"clip": index.astype(np.int32), "fold": RECORDINGS[index].astype(np.int32)}
        batch = parallel.shard((x[index], y[index], valid[index], mask, context))
        made.add(np.asarray(batch[0])[:, None], *batch[1:])
    made.finish()
    return made


@pytest.mark.parametrize(
    ("name", "chosen"),
    [
        ("pearson", "permuted"),
        ("pearson", "shifted"),
        ("spearman", "permuted"),
        ("ridge", "shifted"),
        pytest.param("spearman", "shifted", marks=pytest.mark.long),
        pytest.param("ridge", "permuted", marks=pytest.mark.long),
    ],
)
def test_the_null_of_a_frame_view_is_that_of_its_sides_in_the_source_s_order(name, chosen, tmp_path):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(B, FRAMES, N)).astype(np.float32)
    y = (rng.normal(size=(B, FRAMES, 3)) + 0.5 * x).astype(np.float32)
    valid = np.ones((B, FRAMES), bool)
    valid[:, -3:] = False
    draws = permutations.unrestricted(RECORDINGS, replicates=20, seed=0)
    rearranged = draws
    if chosen == "shifted":
        rearranged = nulls.AskedShifts(replicates=20, seed=0, level=0.05)
        draws = permutations.circular_shift(valid, replicates=20, seed=0)
    metric = make_metric(name)
    with contextlib.ExitStack() as stack:
        observed = kept(stack, tmp_path, "frame", x, y, valid)
        found = nulls.make(rearranged, RECORDINGS.tolist(), "within", 1.0)(observed, 0, metric)
    pieces = [[0, 1], [2]] if name == "ridge" else [[0, 1, 2]]
    want = [null_of(metric, Sides(x, y[:, :, rows], valid, FRAMES, RECORDINGS), draws) for rows in pieces]
    for key, field in (("null_mean", "mean"), ("null_std", "std"), ("p_value", "p")):
        expected = np.concatenate([getattr(one, field) for one in want], axis=1)
        np.testing.assert_allclose(found[key], expected, atol=1e-5)
    assert ("recording_error" in found) == (name == "pearson")
    assert [at for at, _ in found["null"]] == ([[0], [1]] if name == "ridge" else [[0, 1, 2]])


@pytest.mark.parametrize("name", ["pearson", "cka"])
def test_the_null_of_a_map_view_takes_cells_or_frames(name, tmp_path):
    rng = np.random.default_rng(2)
    rows = BANDS if name == "pearson" else 6
    x = rng.normal(size=(B, N, BANDS, FRAMES)).astype(np.float32)
    y = rng.normal(size=(B, 2, rows, FRAMES)).astype(np.float32)
    valid = np.ones((B, FRAMES), bool)
    draws = permutations.unrestricted(RECORDINGS, replicates=20, seed=0)
    metric = make_metric(name)
    with contextlib.ExitStack() as stack:
        observed = kept(stack, tmp_path, "map", x, y, valid)
        found = nulls.make(draws, RECORDINGS.tolist(), "within", 1.0)(observed, 0, metric)
    sides = Sides(x, y, valid, FRAMES)
    if name == "pearson":
        flat = [v.transpose(0, 2, 3, 1).reshape(B, BANDS * FRAMES, -1) for v in (x, y)]
        sides = Sides(*flat, np.ones((B, BANDS * FRAMES), bool), FRAMES)
    want = null_of(metric, sides, draws)
    np.testing.assert_allclose(found["null_mean"], want.mean, atol=1e-5)
    np.testing.assert_allclose(found["p_value"], want.p, atol=1e-5)


@pytest.mark.parametrize(
    ("metric", "null", "views", "tested"),
    [
        ("pearson", "within_class", "clip,frame", {"clip", "frame"}),
        ("pearson", "within_class", "map", {"map"}),
        ("pearson", "circular_shift", "clip,frame,map", {"frame", "map"}),
        ("cka", "within_class", "clip,frame", {"map"}),
        ("spearman", "within_class", "clip,frame", set()),
        ("pearson", "none", "clip,frame", set()),
    ],
)
def test_which_views_get_a_null(metric, null, views, tested):
    config = defaults.default_config()
    config.score.null, config.score.null_views, config.score.null_metrics = null, views, "pearson,cka"
    asked, made = setup.resolve(config).scored.null, make_metric(metric)
    assert {view for view in made.views if nulls.is_tested(asked, made, view)} == tested


def test_a_metric_without_an_accumulator_takes_the_cells_of_all_maps(tmp_path):
    """As score.part=total asks for: the map view's images as vectors of cells."""
    rng = np.random.default_rng(3)
    x = rng.normal(size=(B, N, BANDS, FRAMES)).astype(np.float32)
    y = (rng.normal(size=(B, 2, BANDS, FRAMES)) + x[:, :2]).astype(np.float32)
    with contextlib.ExitStack() as stack:
        observed = kept(stack, tmp_path, "map", x, y, np.ones((B, FRAMES), bool))
        found = observed.score(make_metric("spearman"), 0)["score"]
    cells = [side.transpose(1, 0, 2, 3).reshape(side.shape[1], -1) for side in (x, y)]
    for n, k in np.ndindex(N, 2):
        assert found[n, k] == pytest.approx(scipy.stats.spearmanr(cells[0][n], cells[1][k])[0], abs=1e-5)
