"""What every metric file must hold; a new file is found and tested by itself.

Compiling is what costs, so a metric has one compiled kernel and one compiled stream here: every property is
shown by other values in the same shapes. What needs further programs runs on one metric of each family, and
on the others with --long.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from actjax import lookup, parallel
from actjax.similarity.api import make_metric
from actjax.similarity.kernel import _pairwise, pairwise
from actjax.similarity.stream import PairStream
from actjax.types import VIEWS, Context

NAMES = lookup.names("metric")
N, K, FRAMES, ROWS, PADDING = 13, 11, 37, 12, 6
# Observations: three batches of two clips where they are pooled over clips.
BATCHES, CLIPS, LENGTH = 3, 2, 10
OBS = BATCHES * CLIPS * LENGTH
TOLERANCE = 2e-5
# Some of the ways of computing: images, sets, products, ranks, whole features.
STREAMING = ("cka", "pearson", "ridge")
TILED = ("cka", "iou", "pearson", "spearman")
ALONE = ("iou", "pearson", "rank_reorder", "ridge", "ssim")


def costly(chosen):
    """All names; those that are not chosen run with --long only."""
    return [name if name in chosen else pytest.param(name, marks=pytest.mark.long) for name in NAMES]


@pytest.fixture(params=NAMES)
def metric(request):
    return make_metric(request.param)


def is_image(metric):
    return metric.observes == "image"


def observations(metric):
    return FRAMES if is_image(metric) else OBS


def sides(metric, seed=0):
    """Related sides (x, y) as `pairwise` takes them, with a mean of several deviations."""
    rng = np.random.default_rng(seed)
    if is_image(metric):
        common = rng.standard_normal((1, ROWS, FRAMES)).cumsum(2)
        x, y = (common + 3 * rng.standard_normal((count, ROWS, FRAMES)) + 5 for count in (N, K))
    else:
        common = rng.standard_normal((OBS, 1))
        x, y = (common + rng.standard_normal((OBS, count)) + 5 for count in (N, K))
    return x.astype(np.float32), y.astype(np.float32)


def context_for(metric):
    o = observations(metric)
    rng = np.random.default_rng(9)
    ids = (np.arange(o) // LENGTH).astype(np.int32)
    return Context(ids, ids % 3, rng.standard_normal((o, 2)).astype(np.float32), jax.random.key(3))


def arguments(metric, x, y, mask=None, context=None, padding=1e6):
    """What the one compiled kernel takes: `PADDING` masked observations follow."""
    o = observations(metric)
    mask = np.ones(o, bool) if mask is None else mask
    context = context_for(metric) if context is None else context

    def pad(array, axis, value):
        widths = [(0, PADDING) if a == axis else (0, 0) for a in range(array.ndim)]
        return np.pad(array, widths, constant_values=value)

    axis = 2 if is_image(metric) else 0
    context = context._replace(
        clip_ids_o=pad(context.clip_ids_o, 0, 0),
        folds_o=pad(context.folds_o, 0, 0),
        nuisance_oq=pad(context.nuisance_oq, 0, padding),
    )
    return pad(x, axis, padding), pad(y, axis, padding), pad(mask, 0, False), context


def score(metric, *sides_mask_context, padding=1e6):
    found = pairwise(metric, *arguments(metric, *sides_mask_context, padding=padding))
    return {name: np.asarray(value) for name, value in found.items()}


def assert_close(metric, found, expected, atol=TOLERANCE, says=""):
    for name in metric.outputs:
        np.testing.assert_allclose(found[name], expected[name], atol=atol, err_msg=f"{name} {says}")


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
    assert metric.cost in ("product", "steps", "quadratic") and (metric.dot or metric.cost == "steps")
    assert metric.null in ("centred", "raw", "rescored") and set(metric.needs) <= set(Context._fields)
    if metric.null != "rescored":
        assert metric.accumulator is not None and metric.observes == "vector"


@pytest.mark.parametrize("name", [name for name in NAMES if make_metric(name).needs])
def test_what_a_metric_needs_is_missed(name):
    """Without what it needs a metric says so; without anything else it scores."""
    metric = make_metric(name)
    every = context_for(metric)
    needed = {field: getattr(every, field) for field in metric.needs}
    jax.eval_shape(functools.partial(pairwise, metric), *sides(metric), None, Context(**needed))
    with pytest.raises(ValueError, match=name):
        jax.eval_shape(
            functools.partial(pairwise, metric),
            *sides(metric),
            None,
            every._replace(**dict.fromkeys(metric.needs)),
        )


def test_outputs_and_range(metric):
    low, high, _ = metric.range
    for seed in range(3):
        out = score(metric, *sides(metric, seed))
        assert tuple(sorted(out)) == tuple(sorted(metric.outputs))
        columns = 1 if metric.level == "feature" and not is_image(metric) else K
        assert out["score"].shape == (N, columns) and out["score"].dtype == np.float32
        assert np.isfinite(out["score"]).all()
        assert (out["score"] >= low).all() and (out["score"] <= high).all()


def test_symmetric_where_declared(metric):
    if metric.symmetric:
        x, y = sides(metric)
        axis = 0 if is_image(metric) else 1
        # The same shapes the other way round: all of y, filled up with x, against a part of x.
        fill, part = (np.s_[: N - K], np.s_[:K]) if axis == 0 else (np.s_[:, : N - K], np.s_[:, :K])
        turned = score(metric, np.concatenate([y, x[fill]], axis), x[part])["score"][:K]
        plain = score(metric, x, y)["score"][:K].T
        np.testing.assert_allclose(plain, turned, atol=TOLERANCE, err_msg="declare symmetric=False")


def test_masked_values_do_not_count(metric):
    mask = np.random.default_rng(1).random(observations(metric)) < 0.9
    sides_and_mask = (*sides(metric), mask)
    assert_close(metric, score(metric, *sides_and_mask, padding=0), score(metric, *sides_and_mask))
    junk = [np.where(mask if is_image(metric) else mask[:, None], side, -1e6) for side in sides_and_mask[:2]]
    junk = [side.astype(np.float32) for side in junk]
    assert_close(metric, score(metric, *junk, mask), score(metric, *sides_and_mask))


@pytest.mark.parametrize("value", [0.0, 0.1, -1e4])
def test_constant_is_undefined(metric, value):
    x, y = sides(metric)
    if metric.null == "raw" and value:
        return  # a constant that is not zero has a direction
    flat_x, flat_y = x.copy(), y.copy()
    flat_x[2 if is_image(metric) else np.s_[:, 2]] = value
    flat_y[:] = value
    found = score(metric, flat_x, y)["score"]
    assert np.isnan(found[2]).all() and np.isfinite(found[3]).all(), "x is constant: its scores are NaN"
    assert np.isnan(score(metric, x, flat_y)["score"]).all(), "y is constant: its scores are NaN"


def powers(count, widest):
    """[count] powers of two from 2^-widest to 2^widest: products with them are exact."""
    return np.ldexp(np.float32(1), np.linspace(-widest, widest, count).round().astype(int)).astype(np.float32)


def along(metric, factors):
    return factors[:, None, None] if is_image(metric) else factors[None, :]


def test_scale_and_shift_matter_only_where_declared(metric):
    assert set(metric.invariant_to) <= {"scale", "shift", "order"}
    # Whole numbers of 1/64 keep their digits when others are added.
    x, y = (np.round(64 * side) / np.float32(64) for side in sides(metric))
    plain = score(metric, x, y)
    # From 1e-30 to 1e30, every neuron and row at another scale.
    scaled = score(metric, x * along(metric, powers(N, 100)), y * along(metric, powers(K, 100)[::-1]))
    shifted = score(metric, x + 256, y - 128)
    for name, found in (("scale", scaled), ("shift", shifted)):
        if name in metric.invariant_to:
            assert_close(metric, found, plain, says=f"{name} matters, but invariant_to has it")
        else:
            assert np.isfinite(found["score"]).all(), f"{name} matters, but the score stays a number"
            apart = np.abs(found["score"] - plain["score"]).max()
            assert apart > 100 * TOLERANCE, f"{name} does not matter: declare it in invariant_to"


# One of each way that a stream keeps its state; the others keep theirs in one of these ways.
EACH_STATE = ("pearson", "cosine_cubed", "partial_pearson", "ridge", "iou", "spearman", "cka", "ssim")

# Kernels that are run clip by clip as those above are, or as auprc, pearson_top_and_random, max_ncc and
# mutual_information: their streams run with --long. A new metric's stream runs in every run.
SAME_STREAM = (
    "accuracy", "auc", "balanced_accuracy", "cca", "cosine", "distance_correlation", "f1",
    "information_quality_ratio", "inverse_auc", "inverse_auprc", "inverse_balanced_accuracy", "kendall",
    "knn_jaccard", "mean_activation_difference", "precision", "procrustes", "rank_reorder", "recall", "rsa",
    "soft_wpmi", "spearman_top_and_random", "svcca", "wpmi",
)  # fmt: skip

SCALED = [name for name in NAMES if "scale" in make_metric(name).invariant_to]


@pytest.mark.parametrize(
    "name", [n if n in EACH_STATE else pytest.param(n, marks=pytest.mark.long) for n in SCALED]
)
def test_streams_at_any_scale(name):
    metric = make_metric(name)
    stream, clips = streamed(metric)
    x, y, *rest = clips
    lead = np.s_[None]
    x2, y2 = x * along(metric, powers(N, 100))[lead], y * along(metric, powers(K, 100)[::-1])[lead]
    z = rest[-1].nuisance_oq * np.float32(2.0**80)
    rest[-1] = rest[-1]._replace(nuisance_oq=z)
    expected = finalized(stream, batch_states(stream, clips)[0])
    whole, apart = batch_states(stream, (x2, y2, *rest))
    for states in ((whole,), apart):
        found = finalized(stream, *states)
        assert_close(metric, found, expected)
        assert found["valid"].all()


def test_too_few_observations_are_undefined(metric):
    mask = np.arange(observations(metric)) < metric.min_observations - 1
    assert np.isnan(score(metric, *sides(metric), mask)["score"]).all()


def test_no_intermediate_of_all_pairs_and_observations(metric):
    if metric.dot:
        call = arguments(metric, *sides(metric))
        for shape in _shapes(jax.make_jaxpr(functools.partial(pairwise, metric))(*call).jaxpr):
            # A table of bins for each pair may be there: it does not grow with the observations.
            large = N in shape and K in shape and max(shape) >= observations(metric)
            assert not large, f"{shape} holds every pair's observations: an inner product, or dot=False"


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
    size = _pairwise._cache_size()
    score(make_metric(metric.name), x + 1, y)
    assert _pairwise._cache_size() == size


def clips_within(metric):
    """Six clips, one of them padding: metrics that look at each clip by itself."""
    b = BATCHES * CLIPS
    x, y = (np.stack(side) for side in zip(*(sides(metric, seed) for seed in range(b)), strict=True))
    mask = np.random.default_rng(5).random((b, observations(metric))) < 0.95
    mask[0] = True
    plain = context_for(metric)._replace(key=None)
    context = jax.tree.map(lambda *leaves: np.stack(leaves), *[plain] * b)
    ids = np.broadcast_to(np.arange(b, dtype=np.int32)[:, None], mask.shape)
    return x, y, mask, np.arange(b) < b - 1, context._replace(clip_ids_o=ids)


def clips_together(metric):
    """The observations of `sides` as six clips: metrics that pool over clips."""
    mask = np.random.default_rng(5).random(OBS) < 0.95
    context = context_for(metric)._replace(key=None)
    x, y, mask, context = jax.tree.map(
        lambda leaf: leaf.reshape(-1, LENGTH, *leaf.shape[1:]), (*sides(metric), mask, context)
    )
    return x, y, mask, np.ones(len(x), bool), context


def streamed(metric):
    """(stream, clips) as the metric streams: pooled over clips, or within each."""
    pooled = metric.accumulator is not None and not is_image(metric)
    stream = PairStream((metric,), N, K, within=not pooled, images=is_image(metric))
    return stream, clips_together(metric) if pooled else clips_within(metric)


@functools.partial(jax.jit, static_argnums=0)
def updated(stream, state, x, y, mask, clip_mask, context):
    return stream.update(state, x, y, mask, clip_mask, context._replace(key=jax.random.key(3)))


@functools.partial(jax.jit, static_argnums=0)
def merged(stream, states):
    return stream.finalize(functools.reduce(stream.merge, states))


def finalized(stream, *states):
    (metric,) = stream.metrics
    # Means over clips are the same few operations for all metrics: eagerly they compile once for all.
    found = merged(stream, states) if not stream.within else merged.__wrapped__(stream, states)
    return found[metric.name]


def batch_states(stream, clips):
    """The states of each batch by itself, and of all in turn."""
    whole, apart = stream.init(), []
    for start in range(0, BATCHES * CLIPS, CLIPS):
        part = jax.tree.map(lambda leaf, start=start: leaf[start : start + CLIPS], clips)
        whole = updated(stream, whole, *part)
        apart.append(updated(stream, stream.init(), *part))
    return whole, apart


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=pytest.mark.long) if n in SAME_STREAM else n for n in NAMES]
)
def test_stream_equals_the_kernel_in_any_order(name):
    """The stream's clips are not padded and the kernel's are: neither must matter."""
    metric = make_metric(name)
    stream, clips = streamed(metric)
    whole, (a, b, c) = batch_states(stream, clips)
    x, y, mask, clip_mask, context = clips
    key = jax.random.key(3)
    if stream.within:
        each = []
        for i in np.flatnonzero(clip_mask):
            own = jax.tree.map(lambda leaf, i=i: leaf[i], context)
            own = own._replace(key=jax.random.fold_in(key, i.astype(np.int32)))
            each.append(score(metric, x[i], y[i], mask[i], own))
        expected = {name: np.mean([one[name] for one in each], 0) for name in metric.outputs}
        spread = np.std([one["score"] for one in each], 0, ddof=1, dtype=np.float64) / len(each) ** 0.5
        np.testing.assert_allclose(finalized(stream, whole)["std_error"], spread, atol=TOLERANCE)
    else:
        flat = jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:]), (x, y, mask, context))
        expected = score(metric, *flat[:3], flat[3]._replace(key=key))
    for states in ((whole,), (a, b, c), (c, a, b)):
        found = finalized(stream, *states)
        assert_close(metric, found, expected)
        assert found["valid"].all()


@pytest.mark.parametrize("name", costly(TILED))
def test_tiles_do_not_matter(name):
    metric = make_metric(name)
    call = arguments(metric, *sides(metric))
    x, _, mask, context = call
    # Room for six prepared neurons, or for six pairs: the last tile of thirteen overlaps.
    one = jax.ShapeDtypeStruct(x.shape[1:] if is_image(metric) else x.shape[:1], jnp.float32)
    item = jax.tree.leaves(jax.eval_shape(metric.prepare_x, one, mask, context))
    item_bytes = sum(leaf.size * leaf.dtype.itemsize for leaf in item)
    tile_bytes = 6 * item_bytes * (1 if metric.dot else metric.pair_copies)
    assert_close(metric, pairwise(metric, *call, tile_bytes=tile_bytes), pairwise(metric, *call))


@pytest.mark.parametrize("name", costly(ALONE))
def test_one_neuron_and_one_row_score_as_among_others(name):
    metric = make_metric(name)
    x, y = sides(metric)
    own = (np.s_[2:3], np.s_[3:4]) if is_image(metric) else (np.s_[:, 2:3], np.s_[:, 3:4])
    whole = metric.level == "feature" and not is_image(metric)
    found = score(metric, x[own[0]], y if whole else y[own[1]])
    column = np.s_[:1] if whole else np.s_[3:4]
    among = {name: value[2:3, column] for name, value in score(metric, x, y).items()}
    assert_close(metric, found, among)


@pytest.mark.parametrize("name", ["cosine", "iou", "pearson"])
def test_eager_equals_compiled(name):
    metric = make_metric(name)
    x, y = sides(metric)
    mask, context = jnp.ones((OBS,), bool), context_for(metric)
    px = metric.prepare_x(jnp.asarray(x[:, 2]), mask, context)
    found = metric.compare(px, metric.prepare_y(jnp.asarray(y[:, 3]), mask, context))
    np.testing.assert_allclose(found["score"], score(metric, x, y)["score"][2, 3], atol=TOLERANCE)


@pytest.mark.parametrize("name", costly(STREAMING))
def test_devices_do_not_matter(name):
    metric = make_metric(name)
    stream, clips = streamed(metric)
    whole, _ = batch_states(stream, clips)
    expected, d = finalized(stream, whole), jax.local_device_count()
    update = functools.partial(updated.__wrapped__, stream, stream.init())
    run = parallel.pmap(update)
    for devices in (2, d):
        shards = jax.tree.map(functools.partial(_dealt, devices=devices, d=d), clips)
        states = jax.device_get(run(*shards))
        apart = [jax.tree.map(lambda leaf, i=i: leaf[i], states) for i in range(d)]
        assert_close(metric, finalized(stream, *apart), expected, atol=1e-5)


def _dealt(leaf, *, devices, d):
    """[b, ...] -> [d, b / 2, ...]: dealt to the first `devices`; zeros, which do not count, elsewhere."""
    slots = len(leaf) // 2
    out = np.zeros((d, slots, *leaf.shape[1:]), leaf.dtype)
    for device, part in enumerate(np.array_split(leaf, devices)):
        out[device, : len(part)] = part
    return out
