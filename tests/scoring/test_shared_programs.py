"""Comparisons of unequal sizes share a compiled program, and their scores do not change."""

import dataclasses
import runpy
import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from launching import ROOT

from actjax import compilation, parallel, runs
from actjax.activations.capture import BothSides
from actjax.scoring import networks, plan, running, stacks, tasks
from actjax.scoring import stacked as programs
from actjax.similarity.api import make_metric
from actjax.similarity.arithmetic import long_counts
from actjax.similarity.stream import PairStream


def comparison(frames=20, view="frame", neurons=7, metrics=("pearson",), bands=4):
    images = view == "map"
    stream = PairStream(tuple(make_metric(m) for m in metrics), n=neurons, k=3, images=images)
    time = None if view == "clip" else types.SimpleNamespace(size=frames)
    problem = types.SimpleNamespace(
        view=view,
        time=time,
        frequency=None,
        cells=False,
        usable_bands=np.arange(bands),
        features=(types.SimpleNamespace(rows=4),),
        nuisances=(),
        neurons=neurons,
    )
    return tasks.Comparison(problem, None if view == "clip" else stream, ())


def stacked(*given, clips=10, networks=2):
    """The comparisons of each stack, and its sizes."""
    laid_out = stacks.lay_out([(networks, given)], clips=clips, batch_size=4)
    return {tuple(m.comparison for m in one.members): one.sizes for one in laid_out}


def test_few_clips_share_programs_and_many_are_padded_by_nothing():
    given = [comparison(neurons=n, frames=t) for n, t in ((24, 67), (32, 31), (48, 31), (64, 27))]
    assert {ids: size[:3] for ids, size in stacked(*given).items()} == {(0, 1, 2, 3): (64, 3, 67)}
    exact = stacked(*given, comparison(neurons=64, frames=27), clips=10**9)
    assert sorted(exact) == [(0,), (1,), (2,), (3, 4)]
    assert exact[3, 4][:3] == (64, 3, 27)


def test_only_what_differs_in_sizes_alone_shares():
    given = [
        comparison(60),
        comparison(60, "map"),
        comparison(0, "clip"),
        comparison(60, metrics=("cosine",)),
    ]
    assert sorted(stacked(*given, comparison(60, "map", metrics=("cka",)))) == [(0,), (1,), (3,), (4,)]


@pytest.mark.parametrize(("on_cpu", "most"), [(True, 16), (False, 8)])
def test_the_quickstart_streams_in_few_programs(tmp_path, monkeypatch, on_cpu, most):
    monkeypatch.setattr(parallel, "on_cpu", lambda: on_cpu)
    config = runpy.run_path(str(ROOT / "configs" / "quickstart.py"))["get_config"]()
    run = runs.open_run(config, tmp_path)
    weights = dict.fromkeys(run.setup.scored.run_networks)
    network = networks.open_network(run, 12)
    planned = plan.plan(run.setup, run.setup.computed_features, network, weights, clips=360)
    streaming = [c for _, comparisons in planned.families for c in comparisons if c.stream]
    assert len(streaming) == 35
    assert len(planned.stacks) <= most
    assert sum(len(one.members) for one in planned.stacks) == len(streaming)


def test_a_program_compiled_ahead_of_its_batch_is_not_compiled_again():
    [stack] = stacks.lay_out(
        [(2, [comparison(8, neurons=3), comparison(7, neurons=2)])], clips=10, batch_size=4
    )
    rng, d = np.random.default_rng(0), parallel.local_device_count()
    layout = jax.tree.leaves(parallel.replicate(np.zeros(1)))[0].sharding

    def arrays(neurons, frames):
        both = (rng.normal(size=shape) for shape in ((d, 2, 4, frames, neurons), (d, 4, frames, 3)))
        return BothSides(*(side.astype(np.float32) for side in both), np.ones((d, 4, frames), bool))

    sides = [arrays(3, 8), arrays(2, 7)]
    shapes = jax.tree.map(lambda one: jax.ShapeDtypeStruct(one.shape, one.dtype, sharding=layout), sides)
    mask, context = np.ones((d, 4), bool), {name: np.zeros((d, 4), np.int32) for name in ("clip", "fold")}
    accumulating = programs.Accumulating(stack)
    accumulating.lower(shapes, mask, context).compile()
    counted = compilation.Programs()
    done = accumulating.add(parallel.put(sides), mask, context)
    counted.close()
    assert (counted.compiled, counted.read, np.sum(done)) == (0, 0, 4 * d)


@pytest.mark.parametrize(
    ("images", "metrics"),
    [
        (False, ("pearson", "spearman", "mutual_information")),
        (True, ("cka", "ssim", "pearson")),
        pytest.param(False, ("cosine", "auc", "ridge", "pearson"), marks=pytest.mark.long),
        pytest.param(True, ("max_ncc", "rsa", "knn_jaccard", "pearson"), marks=pytest.mark.long),
    ],
)
def test_masked_frames_change_no_score(images, metrics):
    rng = np.random.default_rng(4)
    if images:
        x, y = rng.normal(size=(1, 5, 3, 8, 24)), rng.normal(size=(5, 2, 8, 24))
        stream = PairStream(tuple(map(make_metric, metrics)), n=3, k=2, images=True)
    else:
        x, y = rng.normal(size=(1, 5, 40, 3)), rng.normal(size=(5, 40, 2))
        stream = PairStream(tuple(map(make_metric, metrics)), n=3, k=2, features=((0, 1), (1, 2)))
    y = y + 0.5 * (x[0, :, :2] if images else x[0, ..., :2])
    x, y = jnp.asarray(x, jnp.float32), jnp.asarray(y, jnp.float32)
    valid = jnp.asarray(rng.random((5, x.shape[-1] if images else x.shape[2])) < 0.9)
    context = {"clip": jnp.arange(5, dtype=jnp.int32), "fold": jnp.arange(5, dtype=jnp.int32)}
    bands = (8, 8) if images else (1, 1)
    found = []
    for wide in (False, True):
        # Metrics of whole features want all rows of each, and no others.
        spare = 0 if "ridge" in metrics else 2
        shape = (5, 2 + spare, 29 if images else 55) if wide else (3, 2, valid.shape[1])
        size = stacks.Sizes(*shape, bands, 0)
        wider = dataclasses.replace(stream, n=size.n, k=size.k)
        empty = jax.tree.map(lambda leaf: jnp.zeros((2, *leaf.shape), leaf.dtype), jax.eval_shape(wider.init))
        # Of two members, the second has other neurons.
        sides = [BothSides(x, y, valid), BothSides(x[..., ::-1] if not images else x[:, :, ::-1], y, valid)]
        update = jax.jit(programs.update_items, static_argnums=(0, 1, 2))
        state, _ = update(
            wider, size, (1, 1), empty, jnp.asarray(True), sides, None, jnp.ones(5, bool), context
        )
        place = stacks.Place(0, 0, 1, 3, 2)
        layout = stacks.Stack(wider, size, (place, place._replace(comparison=1)))
        outputs = running._finished((wider,), [jax.tree.map(lambda leaf: leaf[None], state)])
        apart = running.of_members(layout, long_counts.on_host(outputs)[0])
        found.append(apart[0, 0][0])
        np.testing.assert_array_equal(
            apart[0, 1][0][metrics[0]]["score"], apart[0, 0][0][metrics[0]]["score"][::-1]
        )
    assert found[1][metrics[0]]["score"].shape == (3, 2)
    for metric in metrics:
        for output in found[0][metric]:
            np.testing.assert_allclose(
                found[1][metric][output], found[0][metric][output], rtol=2e-5, atol=2e-6, err_msg=metric
            )
        assert np.isfinite(np.asarray(found[0][metric]["score"])).all(), metric
