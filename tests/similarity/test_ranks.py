import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from actjax.similarity.host import ranks
from actjax.similarity.host.select import masked_quantile, order_statistic

WAYS = {
    "counting": lambda v, m, ties: ranks._by_counting(jnp.where(m, v, jnp.inf), m, ties),
    "device": lambda v, m, ties: ranks._by_device_sort(jnp.where(m, v, jnp.inf), m, ties),
    "host": lambda v, m, ties: ranks._by_host(v, m, ties),
}
WAYS = {name: jax.jit(way, static_argnums=2) for name, way in WAYS.items()}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("ties", "scipys"), [("average", "average"), ("ordinal", "ordinal")])
@pytest.mark.parametrize("o", [1, 2, 77])
def test_ranks(way, ties, scipys, o):
    rng = np.random.default_rng(o)
    values = np.round(rng.standard_normal(o) * 3).astype(np.float32)
    values[0] = -0.0
    mask = rng.random(o) < 0.8
    mask[0] = True
    found = np.asarray(WAYS[way](jnp.asarray(values), jnp.asarray(mask), ties))[mask] / 2
    np.testing.assert_array_equal(found, scipy.stats.rankdata(values[mask], scipys))


@pytest.mark.parametrize("ties", ["average", "ordinal"])
def test_host_ranks_of_all_kinds_of_floats(ties):
    rng = np.random.default_rng(0)
    bits = rng.integers(0, 1 << 32, 3000, dtype=np.uint32)
    # Values that share their upper or lower halves, tie, or have no upper half at all.
    bits[1000:1500], bits[1500:2000] = bits[:500] & 0xFFFF0000, bits[:500]
    bits[2000:2500] &= 0xFFFF
    values = np.where(np.isfinite(bits.view(np.float32)), bits.view(np.float32), np.float32(0))
    found = ranks.host_twice_ranks(values, np.ones(3000, bool), ties=ties) / 2
    np.testing.assert_array_equal(found, scipy.stats.rankdata(values, ties))


@pytest.mark.parametrize("o", [30, ranks.COUNTING_LIMIT + 1])
def test_ranks_under_vmap_and_pmap(o):
    values = np.random.default_rng(0).standard_normal((4, 3, o)).astype(np.float32)
    mask = np.random.default_rng(1).random((4, o)) < 0.9
    ranked = jax.pmap(jax.vmap(ranks.ranks, (0, None)))(values, mask)
    for d in range(4):
        assert (np.asarray(ranked[d])[:, ~mask[d]] == 0).all()
        expected = scipy.stats.rankdata(values[d][:, mask[d]], axis=-1)
        np.testing.assert_array_equal(np.asarray(ranked[d])[:, mask[d]], expected)


def test_random_ranks_are_a_permutation_that_keeps_order():
    values = jnp.asarray([3.0, 1.0, 1.0, 1.0, 2.0, 9.0])
    mask = jnp.asarray([True, True, True, True, True, False])
    orders, random_ranks = set(), jax.jit(ranks.twice_random_ranks)
    for seed in range(8):
        found = np.asarray(random_ranks(values, mask, jax.random.key(seed))) / 2
        assert found[0] == 5 and found[4] == 4 and found[5] == 0
        assert sorted(found[1:4]) == [1, 2, 3]
        orders.add(tuple(found[1:4]))
    assert len(orders) > 1


quantiles = jax.jit(jax.vmap(masked_quantile, (0, None, None)))


@pytest.mark.parametrize("q", [0.0, 0.05, 0.5, 0.77, 1.0])
def test_masked_quantile(q):
    rng = np.random.default_rng(0)
    values = (rng.standard_normal((5, 40)) * [[1e-30], [1], [1e4], [1e30], [0]]).astype(np.float32)
    mask = rng.random(40) < 0.7
    found = quantiles(values, mask, np.float32(q))
    np.testing.assert_allclose(found, np.quantile(values[:, mask].astype(np.float64), q, axis=1), rtol=1e-5)


def test_order_statistic_out_of_range_is_undefined():
    values, mask = jnp.asarray([2.0, -1.0, 5.0]), jnp.asarray([True, True, False])
    assert float(order_statistic(values, mask, jnp.asarray(1))) == 2.0
    assert np.isnan(order_statistic(values, mask, jnp.asarray(2)))
    assert np.isnan(masked_quantile(values, jnp.zeros(3, bool), 0.5))


@pytest.mark.parametrize("tied", [False, True])
def test_a_device_ranks_all_rows_at_once(tied):
    values = np.random.default_rng(3).standard_normal((2, 3, 400)).astype(np.float32)
    if tied:
        values[0, 1] = np.round(values[0, 1])
        values[1, 2, :9] = np.repeat([0.0, -0.0, 7.0], 3)
    mask = np.ones(400, bool)
    mask[5:9] = False
    expected = ranks.host_twice_ranks(values, mask[None, None])
    outside = jnp.where(mask, values, jnp.inf)
    found = np.asarray(jax.jit(jax.vmap(jax.vmap(ranks._by_rows)))(outside))
    np.testing.assert_array_equal(found[..., mask], expected[..., mask])
    one = np.asarray(jax.jit(ranks._by_rows)(outside[0, 1]))
    np.testing.assert_array_equal(one[mask], expected[0, 1, mask])
