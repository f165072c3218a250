"""What every metric file must hold; a new file is found and tested by itself."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from actjax import lookup
from actjax.similarity.api import make_metric
from actjax.similarity.pairwise import clip_scores, pairwise
from actjax.similarity.stream import PairStream
from actjax.types import VIEWS, Context

NAMES = lookup.names("metric")
N, K, OBS, T, ROWS = 7, 5, 61, 37, 12
TOLERANCE = 2e-5


def sides(metric, seed=0, o=OBS, t=T, n=N, k=K):
    """Related sides (x, y) as `pairwise` takes them, with a mean of several deviations."""
    rng = np.random.default_rng(seed)
    if metric.observes == "image":
        common = rng.standard_normal((1, ROWS, t)).cumsum(2)
        x, y = (common + 3 * rng.standard_normal((count, ROWS, t)) + 5 for count in (n, k))
    else:
        common = rng.standard_normal((o, 1))
        x, y = (common + rng.standard_normal((o, count)) + 5 for count in (n, k))
    return x.astype(np.float32), y.astype(np.float32)


def context_for(o=OBS, clips=6):
    rng = np.random.default_rng(9)
    ids = np.sort(np.arange(o) % clips).astype(np.int32)
    nuisance = rng.standard_normal((o, 2)).astype(np.float32)
    return Context(ids, ids % 3, nuisance, jax.random.key(3))


def observations(metric, x):
    return x.shape[-1] if metric.observes == "image" else x.shape[0]


def score(metric, x, y, mask=None, context=None, **options):
    context = context_for(observations(metric, x)) if context is None else context
    mask = np.ones(observations(metric, x), bool) if mask is None else mask
    return {k: np.asarray(v) for k, v in pairwise(metric, x, y, mask, context, **options).items()}


@pytest.fixture(params=NAMES)
def metric(request):
    return make_metric(request.param)


def test_declaration(metric):
    factory = lookup.factory("metric", metric.name)
    assert factory.__doc__ and metric.reference
    assert set(metric.views) <= set(VIEWS) and metric.views
    low, high, none = metric.range
    assert low <= none <= high
    assert metric.outputs[0] == "score"
    assert metric.observes in ("vector", "image") and metric.level in ("row", "feature")
    assert metric.within in ("pooled", "per_clip") and metric.compares in ("cells", "frames")
    assert metric.within == "per_clip" or metric.accumulator is not None
    assert metric.observes == "vector" or metric.views == ("map",)


def test_outputs_and_range(metric):
    low, high, _ = metric.range
    for seed in range(3):
        out = score(metric, *sides(metric, seed))
        assert tuple(sorted(out)) == tuple(sorted(metric.outputs))
        columns = 1 if metric.level == "feature" and metric.observes == "vector" else K
        assert out["score"].shape == (N, columns) and out["score"].dtype == np.float32
        assert np.isfinite(out["score"]).all()
        assert (out["score"] >= low).all() and (out["score"] <= high).all()


def test_symmetric_where_declared(metric):
    if metric.symmetric:
        x, y = sides(metric)
        axis = 0 if metric.observes == "image" else 1
        # The same shapes the other way round: all of y, filled up with x, against a part of x.
        fill, part = (np.s_[: N - K], np.s_[:K]) if axis == 0 else (np.s_[:, : N - K], np.s_[:, :K])
        turned = score(metric, np.concatenate([y, x[fill]], axis), x[part])["score"][:K]
        np.testing.assert_allclose(score(metric, x, y)["score"][:K].T, turned, atol=TOLERANCE)


def test_masked_observations_do_not_count(metric):
    x, y = sides(metric)
    o, extra = observations(metric, x), 6
    axis = 2 if metric.observes == "image" else 0
    padding = [(0, extra) if a == axis else (0, 0) for a in range(x.ndim)]
    wide = [np.pad(side, padding, constant_values=1e6) for side in (x, y)]
    context = context_for(o)
    wider = context._replace(
        clip_ids_o=np.pad(context.clip_ids_o, (0, extra)),
        folds_o=np.pad(context.folds_o, (0, extra)),
        nuisance_oq=np.pad(context.nuisance_oq, ((0, extra), (0, 0)), constant_values=1e6),
    )
    plain = score(metric, x, y, np.ones(o, bool), context)
    padded = score(metric, *wide, np.arange(o + extra) < o, wider)
    for name in metric.outputs:
        np.testing.assert_allclose(plain[name], padded[name], atol=TOLERANCE)


def test_tiles_do_not_matter(metric):
    x, y = sides(metric)
    whole = score(metric, x, y)
    # Room for three prepared neurons, or for three pairs: the last tile of seven overlaps.
    image = metric.observes == "image"
    item = jax.eval_shape(
        metric.prepare_x,
        jax.ShapeDtypeStruct(x.shape[1:] if image else x.shape[:1], jnp.float32),
        jnp.ones((observations(metric, x),), bool),
        context_for(observations(metric, x)),
    )
    item_bytes = sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(item))
    tile_bytes = 3 * item_bytes * (1 if metric.dot else metric.pair_copies)
    tiled = score(metric, x, y, tile_bytes=tile_bytes)
    for name in metric.outputs:
        np.testing.assert_allclose(whole[name], tiled[name], atol=TOLERANCE)


def test_eager_pair_equals_kernel(metric):
    x, y = sides(metric)
    o, context = observations(metric, x), context_for(observations(metric, x))
    mask = jnp.ones((o,), bool)
    image = metric.observes == "image"
    px = metric.prepare_x(jnp.asarray(x[2] if image else x[:, 2]), mask, context)
    whole = metric.level == "feature" and not image
    py = metric.prepare_y(jnp.asarray(y if whole else y[3] if image else y[:, 3]), mask, context)
    pair = metric.compare(px, py)
    kernel = score(metric, x, y)
    for name in metric.outputs:
        np.testing.assert_allclose(pair[name], kernel[name][2, 0 if whole else 3], atol=TOLERANCE)


@pytest.mark.parametrize("value", [0.0, 0.1, -1e4])
def test_constant_is_undefined(metric, value):
    x, y = sides(metric)
    if metric.name == "cosine" and value:
        return  # a constant that is not zero has a direction
    flat_x, flat_y = x.copy(), y.copy()
    neuron = np.s_[2] if metric.observes == "image" else np.s_[:, 2]
    flat_x[neuron] = value
    flat_y[:] = value
    assert np.isnan(score(metric, flat_x, y)["score"][2]).all()
    assert np.isfinite(score(metric, flat_x, y)["score"][3]).all()
    assert np.isnan(score(metric, x, flat_y)["score"]).all()


def test_too_few_observations_are_undefined(metric):
    x, y = sides(metric)
    mask = np.arange(observations(metric, x)) < metric.min_observations - 1
    assert np.isnan(score(metric, x, y, mask)["score"]).all()


def test_no_intermediate_of_all_pairs_and_observations(metric):
    if not metric.dot:
        return
    n, k = 11, 13
    x, y = sides(metric, n=n, k=k)
    context = context_for(observations(metric, x))
    jaxpr = jax.make_jaxpr(lambda x, y: pairwise(metric, x, y, None, context))(x, y)
    for shape in _shapes(jaxpr.jaxpr):
        assert not (n in shape and k in shape and len(shape) > 2 and np.prod(shape) > n * k), shape


def _shapes(jaxpr):
    for equation in jaxpr.eqns:
        for variable in equation.outvars:
            yield getattr(variable.aval, "shape", ())
        for inner in jax.tree.leaves(tuple(equation.params.values()), is_leaf=_is_jaxpr):
            if _is_jaxpr(inner):
                yield from _shapes(getattr(inner, "jaxpr", inner))


def _is_jaxpr(value):
    return hasattr(value, "eqns") or hasattr(value, "jaxpr")


def test_compiles_once(metric):
    x, y = sides(metric)
    score(metric, x, y)
    size = pairwise._cache_size()
    score(make_metric(metric.name), x + 1, y)
    assert pairwise._cache_size() == size


def clips_of(metric, b=12):
    """Batched sides, mask, clip mask and context of b clips."""
    parts = [sides(metric, seed) for seed in range(b)]
    x, y = (np.stack(side) for side in zip(*parts, strict=True))
    o = observations(metric, parts[0][0])
    contexts = [context_for(o)._replace(key=None) for _ in range(b)]
    context = jax.tree.map(lambda *leaves: np.stack(leaves), *contexts)
    mask = np.random.default_rng(5).random((b, o)) < 0.95
    return x, y, mask, np.arange(b) < b - 1, context


@functools.partial(jax.jit, static_argnums=0)
def state_of(stream, x, y, mask, clip_mask, context):
    context = context._replace(key=jax.random.key(3))
    return stream.update(stream.init(), x, y, mask, clip_mask, context)


@functools.partial(jax.jit, static_argnums=0)
def finalized(stream, *states):
    (metric,) = stream.metrics
    return stream.finalize(functools.reduce(stream.merge, states))[metric.name]


@pytest.mark.parametrize("within", [True, False])
def test_stream_equals_batch_in_any_order(metric, within):
    if not within and (metric.accumulator is None or metric.observes == "image"):
        return
    batches = clips_of(metric)
    stream = PairStream((metric,), N, K, within=within, images=metric.observes == "image")
    whole = finalized(stream, state_of(stream, *batches))
    a, b, c = (
        state_of(stream, *jax.tree.map(lambda leaf, start=start: leaf[start : start + 4], batches))
        for start in (0, 4, 8)
    )
    for order in ((a, b, c), (c, a, b)):
        found = finalized(stream, *order)
        for name in metric.outputs:
            np.testing.assert_allclose(found[name], whole[name], atol=TOLERANCE)
        assert found["valid"].all()


def test_stream_over_all_clips_equals_the_kernel(metric):
    if metric.accumulator is None or metric.observes == "image":
        return
    x, y, mask, clip_mask, context = clips_of(metric)
    stream = PairStream((metric,), N, K, within=False)
    found = finalized(stream, state_of(stream, x, y, mask, clip_mask, context))["score"]
    flat = jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:]), (x, y, mask, context))
    valid = flat[2] & np.repeat(clip_mask, OBS)
    np.testing.assert_allclose(found, score(metric, *flat[:2], valid, flat[3])["score"], atol=TOLERANCE)


def test_per_clip_mean_and_standard_error(metric):
    if metric.within == "pooled":
        return
    x, y, mask, clip_mask, context = clips_of(metric)
    stream = PairStream((metric,), N, K, images=metric.observes == "image")
    keyed = context._replace(key=jax.random.key(3))
    found = finalized(stream, state_of(stream, x, y, mask, clip_mask, context))
    each = np.asarray(clip_scores(metric, x, y, mask, keyed)["score"], np.float64)[clip_mask]
    np.testing.assert_allclose(found["score"], each.mean(0), atol=TOLERANCE)
    np.testing.assert_allclose(found["std_error"], each.std(0, ddof=1) / len(each) ** 0.5, atol=TOLERANCE)


@pytest.mark.parametrize("devices", [2, 4])
def test_devices_do_not_matter(metric, devices):
    if devices == 2 and metric.name not in ("pearson", "spearman", "cka"):
        return  # two devices are no other path than four
    batches = clips_of(metric)
    stream = PairStream((metric,), N, K, images=metric.observes == "image")

    one = finalized(stream, state_of(stream, *batches))
    shards = jax.tree.map(lambda leaf: leaf.reshape(devices, -1, *leaf.shape[1:]), batches)
    states = jax.pmap(functools.partial(state_of, stream), devices=jax.devices()[:devices])(*shards)
    states = jax.device_get(states)
    many = finalized(stream, *(jax.tree.map(lambda leaf, d=d: leaf[d], states) for d in range(devices)))
    for name in metric.outputs:
        np.testing.assert_allclose(one[name], many[name], atol=1e-5)
