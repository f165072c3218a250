"""Every metric on vectors is right at every size, by every way in which it is computed.

`python -m pytest --long -s tests/similarity/test_sizes.py` also prints a row of errors for each metric.
"""

import functools
import re
import time

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from size_references import PAIRS, Reference, sides

from actjax import parallel
from actjax.similarity.api import make_metric, score, score_maps
from actjax.similarity.arithmetic import long_counts
from actjax.similarity.kernel import pairwise
from actjax.similarity.stream import PairStream
from actjax.types import Context

# Compiled as users do.
pytestmark = pytest.mark.usefixtures("optimised")

NAMES = sorted([*PAIRS, "ridge"])
QUADRATIC = ("kendall", "distance_correlation")
LONGEST = 131_073  # one more than a block of the host's ranks
COUNTS = (2, 3, 31, 32_768, 65_536, 131_072, LONGEST)
MILLION = 10**6
BOUND = 1e-5
# In every run; the others' ways to a score share their code.
EACH_WAY = ("auc", "iou", "mutual_information", "pearson", "spearman")
COUNTED = (
    *EACH_WAY, "auprc", "cosine", "distance_correlation", "kendall", "mean_activation_difference",
    "partial_pearson", "rank_reorder", "wpmi",
)  # fmt: skip
# One score of products and one of sets, for what compiles a program of its own.
FEW = ("iou", "pearson")


def in_every_run(chosen, names):
    """All names; those that are not chosen run with --long only."""
    return [name if name in chosen else pytest.param(name, marks=pytest.mark.long) for name in names]


@functools.cache
def reference(o, of=None):
    """The first o observations of `of`."""
    return Reference(*(side[:o] for side in sides(of or o)))


def made(name):
    return make_metric(name, **({"view": "frame"} if name == "max_ncc" else {}))


def close(name, found, ref, o):
    """The largest error; asserts that it is within the bound, and NaN where the metric is undefined."""
    if o < made(name).min_observations:
        assert np.isnan(found).all()
        return np.nan
    expected = ref.score(name)
    np.testing.assert_array_equal(np.isnan(found), np.isnan(expected))
    error = np.nanmax(np.abs(found - expected) / np.maximum(np.abs(expected), 1), initial=0.0)
    assert error <= BOUND, (name, o, found, expected)
    return error


def scored(name, ref, mask=None, order="C"):
    x, y = (np.asarray(side, order=order) for side in (ref.x, ref.y))
    return score(x, y, metric=made(name), mask=mask, nuisance=ref.z if name == "partial_pearson" else None)


@pytest.mark.parametrize("name", in_every_run(COUNTED, NAMES))
def test_counts_of_observations(name):
    """Shorter inputs are masks of one shape, which compiles once."""
    longest = 3_000 if name in QUADRATIC else LONGEST
    whole, errors = reference(longest, LONGEST), []
    for o in sorted({min(o, longest) for o in COUNTS}):
        with np.errstate(all="ignore"):
            found = scored(name, whole, np.arange(longest) < o)
            if o < 31 and o >= made(name).min_observations:
                # Two or three observations leave most references undefined; ours are NaN or in range.
                low, high, _ = made(name).range
                assert (np.isnan(found) | ((found >= low) & (found <= high))).all()
                continue
            errors.append(close(name, found, reference(o, LONGEST), o))
    print(f"| {name} | " + " | ".join(f"{e:.0e}" for e in errors) + " |")


def tying(kind, o):
    """Two values on either side, or ReLUs' zeros: sums of terms that are alike round to the same side."""
    rng = np.random.default_rng(3)
    if kind == "two values":
        x = rng.random((o, 4)) < (0.1, 0.3, 0.55, 0.8)
        y = np.where(rng.random((o, 4)) < 0.05, ~x, x)
        x, y = (np.float32(0.37) * side - np.float32(0.11) for side in (x, y))
    else:
        normal, noise = rng.standard_normal((2, o, 4), np.float32)
        x, y = np.maximum(normal, 0), np.maximum(normal[:, ::-1] + 0.2 * noise - 0.5, 0)
    return Reference(x, y, rng.standard_normal((o, 1), np.float32))


@pytest.mark.parametrize("o", [700, 30_000])
@pytest.mark.parametrize("kind", ["two values", "zeros"])
@pytest.mark.parametrize("name", in_every_run((*FEW, "cosine", "spearman"), NAMES))
def test_values_that_tie(name, kind, o):
    ref = tying(kind, min(o, 4_000) if name in QUADRATIC else o)
    found = scored(name, ref)
    if name == "distance_correlation":
        # The root of what is right: near zero it is off by more.
        np.testing.assert_allclose(found**2, ref.score(name) ** 2, rtol=0, atol=5e-6)
    else:
        close(name, found, ref, o)


@pytest.mark.parametrize("name", in_every_run(EACH_WAY + QUADRATIC, NAMES))
def test_a_million_observations(name):
    if name in QUADRATIC:
        nothing = np.zeros((LONGEST, 1), np.float32)
        with pytest.raises(
            ValueError, match=f"{name} expected at most 131,072 observations at once, got 131,"
        ):
            score(nothing, nothing, metric=name)
        return
    ref = reference(MILLION)
    # Neurons first in memory.
    error = close(name, scored(name, ref, order="F"), ref, MILLION)
    print(f"| {name} | {error:.0e} |")


@pytest.mark.long
@pytest.mark.parametrize("name", QUADRATIC)
def test_as_many_observations_as_quadratic_metrics_take(name):
    ref = reference(65_536)
    print(name, close(name, scored(name, ref), ref, 65_536))


@pytest.mark.long
@pytest.mark.parametrize("o", [2 * 10**7, 10**8])
@pytest.mark.parametrize(
    "name", ["pearson", "cosine", "iou", "accuracy", "mean_activation_difference", "spearman"]
)
def test_beyond_the_whole_numbers_of_float32(name, o):
    if name == "spearman" and o > 2 * 10**7:
        pytest.skip("sorting 10^8 values takes minutes and gigabytes")
    ref = Reference(*(side[:, :1] for side in sides(o)))
    print(name, o, close(name, scored(name, ref), ref, o))


@pytest.mark.parametrize(
    "name",
    in_every_run(FEW, [name for name in NAMES if name not in QUADRATIC]),
)
def test_several_devices(name):
    """Device code throughout: programs of several devices may not call the host."""
    ref, d = reference(LONGEST, LONGEST), parallel.local_device_count()
    mask, context = np.ones(LONGEST, bool), Context(nuisance_oq=ref.z, key=jax.random.key(0))

    def run(x, y, mask, context):
        return pairwise(made(name), x, y, mask, context)["score"]

    call = (ref.x, ref.y, mask, context._replace(key=None))
    found = parallel.pmap(lambda *a: run(*a[:3], a[3]._replace(key=jax.random.key(0))))(
        *jax.tree.map(lambda leaf: np.broadcast_to(leaf, (d, *leaf.shape)), call)
    )
    for one in np.asarray(found):
        close(name, one, ref, LONGEST)


@pytest.mark.parametrize("name", in_every_run(FEW, EACH_WAY))
def test_maps_and_clips(name):
    """One clip of 3 x 43,691 cells; a stream over clips of odd length."""
    ref = reference(LONGEST, LONGEST)
    images = [np.ascontiguousarray(side.T).reshape(1, 2, 3, LONGEST // 3) for side in (ref.x, ref.y)]
    found = score_maps(*images, metric=name)
    if name == "pearson":  # within clips: of one clip that is the whole
        np.testing.assert_allclose(score(ref.x, ref.y, clip_ids=np.zeros(LONGEST, int)), found, atol=BOUND)
    close(name, found, ref, LONGEST)


@pytest.mark.parametrize("n, k", [(1, 1), (5, 3), (67, 65), pytest.param(4096, 2443, marks=pytest.mark.long)])
def test_tile_edges(n, k):
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((301, n), np.float32), rng.standard_normal((301, k), np.float32)
    expected = np.corrcoef(x.T.astype(np.float64), y.T.astype(np.float64))[:n, n:]
    for memory_gib in (1.0, 1e-5):
        np.testing.assert_allclose(
            score(x, y, memory_gib=memory_gib if n < 100 else 1.0), expected, atol=2e-6
        )


STREAMS = {
    "pearson": {},
    "cosine": {},
    "cosine_cubed": {},
    "partial_pearson": {},
    "ridge": {},
    "iou": {"threshold_x": 0.5, "threshold_y": 0.5},
    "balanced_accuracy": {"threshold_x": 0.5, "threshold_y": 0.5},
    "mutual_information": {"edges_x": (0.0, 0.5), "edges_y": (0.0, 0.5)},
    "mean_activation_difference": {"threshold_y": 0.5},
    "wpmi": {"threshold_x": 0.5, "probability": "given"},
}


# One of each accumulator; the others count by the same code.
EACH_COUNT = ("pearson", "ridge", "iou", "mutual_information", "wpmi")


@pytest.mark.parametrize("name", in_every_run(EACH_COUNT, STREAMS))
def test_streams_count_beyond_words(name):
    """Merging a state with itself doubles its counts: fifty times is 10^15 observations and more."""
    x, y, z = sides(400)
    y = 1 / (1 + np.exp(-y))
    accumulator = make_metric(name, **STREAMS[name]).accumulator
    context = Context(folds_o=np.arange(400, dtype=np.int32) % 5, nuisance_oq=z)
    update, finalize, merge = map(jax.jit, (accumulator.update, accumulator.finalize, accumulator.merge))
    state = update(accumulator.init(2, 2), x, y, np.ones(400, bool), context)
    expected = finalize(state)
    for doublings in (23, 10, 10):
        for _ in range(doublings):
            state = merge(state, state)
    found = long_counts.on_host(finalize(state))
    assert (np.asarray(found["n_observations"]) == 400 * 2**43).all()
    np.testing.assert_allclose(found["score"], expected["score"], atol=BOUND)
    # One more batch is counted to the last observation.
    state = update(state, x, y, np.ones(400, bool), context)
    more = long_counts.on_host(finalize(state))
    assert (np.asarray(more["n_observations"]) == 400 * 2**43 + 400).all()
    np.testing.assert_allclose(more["score"], expected["score"], atol=BOUND)


def test_clip_means_count_beyond_words():
    stream = PairStream((make_metric("spearman"),), 2, 2)
    x, y, _ = sides(80)
    batch = (x.reshape(4, 20, 2), y.reshape(4, 20, 2), np.ones((4, 20), bool), np.ones(4, bool))
    finalize, merge = jax.jit(stream.finalize), jax.jit(stream.merge)
    state = jax.jit(stream.update)(stream.init(), *batch)
    expected = finalize(state)["spearman"]["score"]
    for _ in range(40):
        state = merge(state, state)
    found = long_counts.on_host(finalize(state))["spearman"]
    assert (found["n_observations"] == 80 * 2**40).all() and found["n_observations"].dtype == np.int64
    np.testing.assert_allclose(found["score"], expected, atol=BOUND)


def test_counts_carry_and_borrow():
    a, b = (long_counts.Count(jnp.uint32(low), jnp.uint32(high)) for low, high in ((2**32 - 1, 3), (7, 1)))
    assert long_counts.on_host(long_counts.add(a, b)) == 2**32 * 4 + 2**32 - 1 + 7
    assert long_counts.on_host(long_counts.less(long_counts.add(a, b), a)) == 2**32 + 7
    assert float(long_counts.as_float(a)) == pytest.approx(4 * 2**32)


@pytest.mark.parametrize("name", in_every_run(FEW, NAMES))
@pytest.mark.parametrize("o", [MILLION])
def test_nothing_of_the_data_s_size_is_a_constant(name, o):
    """The mask that nobody gave, above all: XLA folds what follows from it for minutes."""
    assert largest_constant(compiled(name, 65_536 if name in QUADRATIC else o)) * 4 <= 2**20


@pytest.mark.parametrize("comparison", ["pearson", pytest.param("spearman", marks=pytest.mark.long)])
def test_nothing_of_the_frames_square_is_a_constant(comparison):
    """700 frames have 244,650 pairs, two indices each."""
    metric, side = make_metric("rsa", comparison=comparison), jax.ShapeDtypeStruct((1, 4, 700), jnp.float32)
    run = jax.jit(lambda x, y: pairwise(metric, x, y)["score"])
    assert largest_constant(run.lower(side, side).compile()) * 4 <= 2**20


def largest_constant(program):
    """The elements of the largest constant in a compiled program."""
    return max(
        int(np.prod([int(part) for part in shape.split(",") if part], initial=1))
        for shape in re.findall(r"= \w+\[([\d,]*)\]\S* constant\(", program.as_text())
    )


def compiled(name, o):
    """The program that scores 2 x 2 pairs of o observations."""
    metric, side = made(name), jax.ShapeDtypeStruct((o, 2), jnp.float32)
    z = jax.ShapeDtypeStruct((o, 1), jnp.float32)

    def run(x, y, z):
        context = Context(nuisance_oq=z, key=jax.random.key(0))
        return pairwise(metric, x, y, None, context)["score"]

    return jax.jit(run).lower(side, side, z).compile()


@pytest.mark.long
@pytest.mark.parametrize("name", [n for n in NAMES if n not in QUADRATIC])
def test_compiling_takes_no_longer_for_more_observations(name, optimised):
    """Seconds to trace and compile, the least of three in turn, from nothing."""
    seconds = {10_000: [], MILLION: []}
    jax.config.update("jax_enable_compilation_cache", False)
    try:
        for _ in range(3):
            for o, found in seconds.items():
                jax.clear_caches()
                start = time.perf_counter()
                compiled(name, o)
                found.append(time.perf_counter() - start)
    finally:
        jax.config.update("jax_enable_compilation_cache", True)
    few, many = (min(found) for found in seconds.values())
    print(f"| {name} | {few:.2f} | {many:.2f} | {many / few:.2f} |")
    # A tenth of a second is what the machine's other work makes of nothing.
    assert many <= 1.5 * few + 0.1
