"""Ranks that the host makes between programs give the scores of ranks made inside, and of scipy."""

import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from actjax.similarity.api import make_metric
from actjax.similarity.arithmetic import long_counts
from actjax.similarity.beforehand import ranked_beforehand, ranks_beforehand
from actjax.similarity.stream import PairStream
from actjax.types import Context


@pytest.mark.parametrize("images", [False, True])
def test_ranks_made_beforehand_give_scipys_scores(images):
    rng = np.random.default_rng(0)
    shapes = ((1, 1, 2, 3, 7, 80), (1, 2, 2, 7, 80)) if images else ((1, 1, 2, 560, 3), (1, 2, 560, 2))
    x, y = (np.round(rng.normal(size=shape), 1).astype(np.float32) for shape in shapes)
    valid = rng.random((1, 2, 80 if images else 560)) < 0.9
    stream = PairStream((make_metric("spearman"),), n=3, k=2, images=images)
    assert ranks_beforehand(stream, 560) and not ranks_beforehand(stream, 400)
    ranked = ranked_beforehand(x, y, valid, images=images)
    clips = jnp.broadcast_to(jnp.arange(2, dtype=jnp.int32)[:, None], valid[0].shape)
    context = Context() if images else Context(clip_ids_o=clips)
    sides = (jnp.asarray(side) for side in (x[0, 0], y[0], valid[0]))
    both = jnp.asarray(ranked[0][0, 0]), jnp.asarray(ranked[1][0])
    state = stream.update(stream.init(), *sides, jnp.ones(2, bool), context, both)
    found = long_counts.on_host(stream.finalize(state))["spearman"]["score"]

    def columns(side, b):
        cells = side[b][..., valid[0, b]].reshape(len(side[b]), -1) if images else side[b][valid[0, b]].T
        return list(cells)

    expected = [
        [[scipy.stats.spearmanr(i, j).statistic for j in columns(y[0], b)] for i in columns(x[0, 0], b)]
        for b in range(2)
    ]
    np.testing.assert_allclose(found, np.mean(expected, axis=0), atol=2e-6)
