"""Replication, sharding and collectives on simulated devices, and between two real processes."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from launching import finish, free_port, start

from actjax import parallel


def test_replicate_and_unreplicate_are_inverse():
    tree = {"w": np.arange(6, dtype=np.float32).reshape(2, 3), "n": np.int32(7)}
    held = parallel.replicate(tree)
    assert held["w"].shape == (4, 2, 3) and held["n"].shape == (4,)
    back = parallel.unreplicate(held)
    np.testing.assert_array_equal(back["w"], tree["w"])
    assert back["n"] == 7 and back["n"].dtype == np.int32


def test_shard_keeps_order_and_refuses_what_does_not_divide():
    x = np.arange(24).reshape(8, 3)
    parts = parallel.shard({"x": x})["x"]
    assert parts.shape == (4, 2, 3)
    np.testing.assert_array_equal(parallel.unshard(parts), x)
    with pytest.raises(ValueError, match="expected a batch size divisible by 4 devices, got 6; take 4 or 8"):
        parallel.shard(np.zeros((6, 2)))


def test_collectives_cover_all_devices():
    def fn(x):
        return parallel.psum(x), parallel.pmean(x), parallel.device_index()

    total, mean, index = parallel.unshard(
        jax.tree.map(lambda leaf: leaf[:, None], parallel.pmap(fn)(jnp.arange(4.0)))
    )
    np.testing.assert_array_equal(total, [6.0] * 4)
    np.testing.assert_array_equal(mean, [1.5] * 4)
    np.testing.assert_array_equal(index, np.arange(4))


def test_a_state_fed_back_compiles_once():
    compiled = []
    jax.monitoring.register_event_duration_secs_listener(lambda name, *_, **__: compiled.append(name))

    def step(state, x):
        return jax.tree.map(lambda leaf: leaf + parallel.psum(x.sum()), state)

    run = parallel.pmap(step, donate=(0,))
    state = run(parallel.replicate({"w": np.ones(3, np.float32)}), parallel.shard(np.ones(8, np.float32)))
    first = sum("backend_compile" in name for name in compiled)
    for _ in range(2):
        state = run(state, parallel.shard(np.ones(8, np.float32)))
    assert first > 0 and sum("backend_compile" in name for name in compiled) == first
    np.testing.assert_array_equal(parallel.unreplicate(state)["w"], [25.0] * 3)


def test_static_arguments():
    run = parallel.pmap(lambda x, power: x**power, static=(1,))
    np.testing.assert_array_equal(run(jnp.arange(4.0), 2), [0, 1, 4, 9])


def test_gather_of_one_process_keeps_bits_and_types():
    tree = {"a": np.array([np.pi, np.nan]), "b": np.int64(2**40), "c": np.zeros((0, 3), bool)}
    (back,) = parallel.gather_hosts(tree)
    assert back["a"].dtype == np.float64 and back["b"] == 2**40 and back["c"].shape == (0, 3)
    np.testing.assert_array_equal(back["a"], tree["a"])
    assert parallel.gather_bytes(b"abc") == [b"abc"]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (("localhost:1", None, 0), "give all three"),
        ((None, 2, 0), "give all three"),
        (("localhost:1", 2, 2), "process_id in 0 .. 1, got 2"),
    ],
)
def test_initialize_refuses_half_of_it(given, says):
    with pytest.raises(ValueError, match=says):
        parallel.initialize(*given)


def test_initialize_alone_does_nothing():
    parallel.initialize()
    assert parallel.process_count() == 1 and parallel.process_index() == 0


PROGRAM = """
import json, sys, time
import numpy as np
from actjax import parallel, peers
me, coordinator = int(sys.argv[2]), "localhost:" + sys.argv[1]
parallel.initialize(coordinator, 2, me)
with peers.watched(coordinator):
    tree = {"a": np.arange(3 + me, dtype=np.float64) + np.pi, "n": np.int64(2**40 + me)}
    gathered = parallel.gather_hosts(tree)
    step = parallel.pmap(lambda x: (parallel.psum(x.sum()), parallel.device_index()))
    sums, index = step(parallel.shard(np.arange(4, dtype=np.float32) + 10 * me))
    print(json.dumps({
        "a": [t["a"].tolist() for t in gathered], "n": [int(t["n"]) for t in gathered],
        "psum": float(parallel.unreplicate(sums)),
        "index": parallel.unshard(index[:, None]).tolist(),
        "counts": [parallel.process_count(), parallel.local_device_count(), parallel.device_count()],
    }))
    time.sleep(me)  # the first process, which serves the other, waits for it
"""


def test_two_processes_meet_over_gloo():
    port = str(free_port())
    started = [start(port, str(i), program=["-c", PROGRAM], devices=2) for i in range(2)]
    results = [json.loads(finish(process)[0].splitlines()[-1]) for process in started]
    for me, result in enumerate(results):
        assert result["a"] == [(np.arange(3 + i) + np.pi).tolist() for i in range(2)]
        assert result["n"] == [2**40, 2**40 + 1]
        assert result["psum"] == 6 + 46
        assert result["index"] == [2 * me, 2 * me + 1]
        assert result["counts"] == [2, 2, 4]
