"""Comparisons of unequal numbers of frames share a compiled program, and their scores do not change."""

import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from actjax.scoring import one_pass, tasks
from actjax.similarity.api import make_metric
from actjax.similarity.stream import PairStream


def comparison(frames, view="frame", neurons=7, metrics=("pearson",)):
    images = view == "map"
    stream = PairStream(tuple(make_metric(m) for m in metrics), n=neurons, k=3, images=images)
    time = None if view == "clip" else types.SimpleNamespace(size=frames)
    feature = types.SimpleNamespace(rows=4)
    bands = np.array([0, 1])
    problem = types.SimpleNamespace(
        view=view, time=time, frequency=None, usable_bands=bands, features=(feature,), neurons=neurons
    )
    return tasks.Comparison(problem, None if view == "clip" else stream, ())


def test_a_quarter_of_the_frames_may_be_masked_ones():
    sizes = (48, 74, 60, 56, 54, 30)
    shared = tasks.share_programs([comparison(size) for size in sizes])
    assert [c.frames for c in shared] == [54, 74, 74, 74, 54, 30]


def test_only_what_is_alike_in_all_else_shares():
    given = [comparison(60), comparison(58, neurons=8), comparison(57, "map"), comparison(0, "clip")]
    shared = tasks.share_programs([*given, comparison(59, metrics=("cosine",)), comparison(55)])
    assert [c.frames for c in shared] == [60, 58, 57, 0, 59, 60]


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
    found = []
    for sides in ((x, y, valid), one_pass._with_masked_frames(55, images, x, y, valid)):
        # One network: a leading axis on every leaf.
        state = jax.tree.map(lambda leaf: leaf[None], stream.init())
        state = one_pass._update_all_networks(stream, state, *sides, jnp.ones(5, bool), context)
        found.append(stream.finalize(jax.tree.map(lambda leaf: leaf[0], state)))
    assert found[1]["pearson"]["score"].shape == (3, 2)
    for metric in metrics:
        for output in found[0][metric]:
            np.testing.assert_allclose(
                found[1][metric][output], found[0][metric][output], rtol=2e-5, atol=2e-6, err_msg=metric
            )
        assert np.isfinite(np.asarray(found[0][metric]["score"])).all(), metric
