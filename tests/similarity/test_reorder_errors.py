"""Strongest activations in concepts' orders as a GPU compares them, step by step on a CPU."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.experimental import pallas

from actjax import precision
from actjax.kernels import platform, reorder_errors, strongest_blocks, turned_words
from actjax.similarity.api import make_metric
from actjax.similarity.arithmetic.all_pairs import seen_at_once
from actjax.similarity.families import reorder
from actjax.similarity.host.ranks import twice_ranks
from actjax.similarity.kernel import pairwise

COUNT = 130


@pytest.fixture
def interpreted(monkeypatch):
    monkeypatch.setattr(pallas, "pallas_call", functools.partial(pallas.pallas_call, interpret=True))


@pytest.fixture
def emulated(interpreted, monkeypatch):
    monkeypatch.setattr(precision, "current_way", lambda: "fast")
    monkeypatch.setattr(precision, "_holds", lambda tried: tried is reorder_errors.holds)
    monkeypatch.setattr(reorder, "_LEAST_SORTED", 1)


def bits(words):
    return (np.asarray(words)[..., None] >> np.arange(32)) & 1


def turned_plainly(member_bow, order_ko):
    """What the kernel returns, by NumPy's way."""
    (b, _, words), (k, o) = member_bow.shape, order_ko.shape
    # [b, k, o, words, bits] with the bit first among the neurons of a block.
    bit = jnp.arange(32, dtype=jnp.int32)
    neurons = jnp.swapaxes((member_bow[:, order_ko][..., None] >> bit[(None,) * 4]) & 1, 3, 4)
    padded = jnp.pad(neurons.reshape(b, k, o, 32 * words), ((0, 0), (0, 0), (0, -o % 32), (0, 0)))
    places = padded.reshape(b, k, -1, 32, 32 * words) << bit[None, None, None, :, None]
    return jnp.sum(places, 3, dtype=jnp.int32)


def test_squares_of_bits_are_transposed():
    rows = np.random.default_rng(0).integers(-(2**31), 2**31, (32, 3)).astype(np.int32)
    turned = np.stack(turned_words._transposed(list(rows)))
    np.testing.assert_array_equal(bits(turned), bits(rows).transpose(2, 1, 0))


@pytest.mark.long
def test_words_are_turned_in_each_order(interpreted):
    rng = np.random.default_rng(1)
    member = rng.integers(-(2**31), 2**31, (2, 70, 2)).astype(np.int32)
    order = rng.permuted(np.tile(np.arange(70, dtype=np.uint16), (2, 1)), axis=1)
    turned = jax.jit(turned_words.turned_words, static_argnums=2)(member, order, 4)
    np.testing.assert_array_equal(turned, turned_plainly(jnp.asarray(member), jnp.asarray(order)))


def sides():
    """Neurons that tie and are constant, concepts that tie, of two levels and constant."""
    rng = np.random.default_rng(2)
    mask = rng.random(COUNT) < 0.9
    x = rng.standard_normal((35, COUNT)).astype(np.float32)
    x[1], x[2] = np.round(2 * x[1]), 5
    y = rng.random((5, COUNT)).astype(np.float32)
    y[1], y[2], y[3] = np.round(y[1], 1), y[2] > 0.9, 0.5
    return x, y, mask


@pytest.mark.parametrize("power, scratch_bytes", [(3, 1 << 31), (1.5, 1 << 12)])
def test_errors_are_those_of_sorted_pairs(emulated, monkeypatch, power, scratch_bytes):
    """In one tile and in many, of a concept and 32 neurons each."""
    monkeypatch.setattr(reorder_errors, "turned_words", turned_plainly)
    monkeypatch.setattr(reorder_errors, "_WORDS", 1)
    monkeypatch.setattr(reorder_errors, "_SCRATCH_BYTES", scratch_bytes)
    x, y, mask = sides()
    px = jax.vmap(lambda v: reorder.strongest(v, mask, share=0.2, power=power))(x)
    place = jax.vmap(lambda v: twice_ranks(v, mask))(y) // 2
    py = reorder.Order(place.astype(jnp.uint16), y)
    taken = px.taken.at[4].set(7)
    px = px._replace(taken=taken)
    by_sort, at_once = (
        jax.jit(jax.vmap(jax.vmap(way, (None, 0)), (0, None)))
        for way in (functools.partial(reorder._by_sort, power=power), reorder._at_once(power))
    )
    sorted_error, sorted_mean = by_sort(px, py)
    error, mean = at_once(px, py)
    undefined = np.isnan(sorted_mean) | np.isnan(sorted_error)
    np.testing.assert_array_equal(np.isnan(error + mean), undefined)
    assert 35 + 5 < undefined.sum() < 80
    np.testing.assert_allclose(error, np.where(undefined, np.nan, sorted_error), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(mean[~undefined], sorted_mean[~undefined], rtol=1e-6)


@pytest.mark.long
@pytest.mark.parametrize("options", [{}, {"probability": "given", "top_share": 0.3}])
@pytest.mark.parametrize("neurons_first", [True, False])
def test_scores_are_those_of_the_plain_way(emulated, monkeypatch, options, neurons_first):
    x, y, mask = sides()
    x, y = (x, y) if neurons_first else (x.T, y.T)
    with monkeypatch.context() as plainly:
        plainly.setattr(precision, "current_way", lambda: "plain")
        plain = pairwise(make_metric("rank_reorder", **options), x, y, mask, neurons_first=neurons_first)
    monkeypatch.setattr(platform, "dependent", lambda *operands, cpu, default: default(*operands))
    jax.clear_caches()
    scores = pairwise(make_metric("rank_reorder", **options), x, y, mask, neurons_first=neurons_first)
    np.testing.assert_allclose(scores["score"], plain["score"], rtol=1e-5, atol=1e-6)


def test_sides_of_several_arrays_are_seen_at_once():
    """However vmap batches them: one side first or the other, some of a side's arrays, further axes."""
    seen = []

    def of_pair(a, b):
        return jnp.sum(a[0] * b[0]) * a[1], jnp.sum(b[0])

    def of_matrices(a, b):
        seen.append(a[0].shape)
        return (a[0] @ b[0].T) * a[1][:, None], jnp.broadcast_to(jnp.sum(b[0], 1), (len(a[0]), len(b[0])))

    rng = np.random.default_rng(3)
    a = rng.standard_normal((3, 8)).astype(np.float32), np.arange(3, dtype=np.float32)
    b = (rng.standard_normal((5, 8)).astype(np.float32),)
    at_once = seen_at_once(of_pair, of_matrices)
    for axes in (((None, 0), (0, None)), ((0, None), (None, 0)), ((None, 0), ((0, None), None))):
        sides = (a[0], a[1][1]) if isinstance(axes[1][0], tuple) else a, b
        expected, found = (jax.vmap(jax.vmap(way, axes[0]), axes[1])(*sides) for way in (of_pair, at_once))
        for one, other in zip(expected, found, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)
    assert seen == [(3, 8)] * 3


@pytest.mark.parametrize("n, k, o", [(3, 5, 700), (1_000, 20_000, 50_000)])
def test_the_kernels_are_programs_for_a_gpu(n, k, o):
    shape, t = jax.ShapeDtypeStruct, o // 20
    strongest = strongest_blocks.Strongest(
        shape((n, t), jnp.int32), shape((n, t), jnp.float32), shape((n,), jnp.int32)
    )
    concepts = reorder_errors.Concepts(shape((k, o), jnp.uint16), shape((k, o), jnp.float32))
    errors = jax.jit(functools.partial(reorder_errors.mean_errors, power=3))
    lowered = errors.trace(strongest, concepts).lower(lowering_platforms=("cuda",))
    assert lowered.as_text().count("__gpu$xla.gpu.triton") == 2
