"""Runs programs on all devices of all processes; the one file that names pmap, its axis and collectives.

Arrays of a program on devices carry a leading axis `d`, one entry for each device of this process.
"""

import contextvars
import functools
import json
import os
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

AXIS = "device"
# True while a function under `pmap` is being traced.
_INSIDE = contextvars.ContextVar("inside pmap", default=False)


def pmap(
    fn: Callable[..., Any], *, donate: Sequence[int] = (), static: Sequence[int] = ()
) -> jax.stages.Wrapped:
    """`fn` on every device at once, over the leading axis [d] of its arguments, named AXIS inside.

    Args:
      fn: a function of one device's part; inside it psum, pmean and device_index work.
      donate: positions of arguments whose memory the call may reuse; they are dead afterwards.
      static: positions of hashable arguments that are compiled in and carry no device axis.
    """

    @functools.wraps(fn)
    def traced(*args: Any) -> Any:
        token = _INSIDE.set(True)
        try:
            return fn(*args)
        finally:
            _INSIDE.reset(token)

    return jax.pmap(
        traced, axis_name=AXIS, donate_argnums=tuple(donate), static_broadcasted_argnums=tuple(static)
    )


def callbacks_are_safe() -> bool:
    """False while a program for several devices is traced.

    Host callbacks of several CPU devices wait for the threads that they block: such a program hangs.
    """
    return not _INSIDE.get() or local_device_count() == 1


def psum(tree: Any) -> Any:
    """Inside pmap: the sum over all devices of all processes."""
    return jax.lax.psum(tree, AXIS)


def pmean(tree: Any) -> Any:
    """Inside pmap: the mean over all devices of all processes."""
    return jax.lax.pmean(tree, AXIS)


def device_index() -> jax.Array:
    """Inside pmap: int32 index of this device among those of all processes."""
    return jax.lax.axis_index(AXIS)


def local_device_count() -> int:
    """Number of devices of this process."""
    return jax.local_device_count()


def device_count() -> int:
    """Number of devices of all processes."""
    return jax.device_count()


def on_cpu() -> bool:
    """True where the devices are those of the host."""
    return jax.local_devices()[0].platform == "cpu"


def process_index() -> int:
    """Index of this process."""
    return jax.process_index()


def process_count() -> int:
    """Number of processes."""
    return jax.process_count()


def describe_devices() -> dict[str, Any]:
    """Kind and number of the devices that run this, and how many processes."""
    kinds = sorted({device.device_kind for device in jax.devices()})
    return {"kinds": kinds, "count": device_count(), "processes": process_count()}


def device_bytes() -> int | None:
    """Memory of a device of this process; None if it is the machine's memory or unknown."""
    return _bytes_limit(jax.local_devices()[0])


@functools.cache
def _bytes_limit(device: jax.Device) -> int | None:  # pyright: ignore (a class that jax does not declare as one)
    return (device.memory_stats() or {}).get("bytes_limit")


def replicate(tree: Any) -> Any:
    """[...] -> [d, ...]: a copy of every leaf on each device of this process; compiles nothing."""

    def copies(leaf: Any) -> jax.Array:
        if isinstance(leaf, jax.Array) and jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
            return jax.random.wrap_key_data(copies(jax.random.key_data(leaf)), impl=jax.random.key_impl(leaf))
        return _on_each_device(np.asarray(leaf), shared=False)

    return jax.tree.map(copies, tree)


def hold(tree: Any) -> Any:
    """[...] -> [d, ...] for large host arrays that are never donated: devices of the host share them."""
    return jax.tree.map(lambda leaf: _on_each_device(leaf, shared=True), tree)


def put(tree: Any) -> Any:
    """[d, ...] -> [d, ...]: host arrays on their way to the devices; does not wait until they are there."""
    return jax.device_put(tree, _local_sharding())


def restore(tree: Any) -> Any:
    """[d, ...] -> [d, ...]: what `to_host` gave, on the devices again, where it may be donated."""

    def spread(leaf: np.ndarray) -> jax.Array:
        shares = [jax.device_put(leaf[i : i + 1].copy(), one) for i, one in enumerate(jax.local_devices())]
        return jax.make_array_from_single_device_arrays(leaf.shape, _local_sharding(), shares)

    return jax.tree.map(spread, tree)


def unreplicate(tree: Any) -> Any:
    """[d, ...] -> [...]: the first device's copy of every leaf, as NumPy arrays on the host."""
    return jax.tree.map(lambda leaf: np.asarray(leaf.addressable_shards[0].data)[0], tree)


def to_host(tree: Any) -> Any:
    """[d, ...] -> [d, ...]: every leaf on this process's devices, as NumPy arrays."""

    def fetch(leaf: Any) -> np.ndarray:
        if isinstance(leaf, jax.Array) and not leaf.is_fully_addressable:
            return np.concatenate([np.asarray(part.data) for part in leaf.addressable_shards])
        return np.asarray(leaf)

    return jax.tree.map(fetch, tree)


def check_divisible(batch_size: int, what: str = "batch size", devices: int | None = None) -> None:
    """Raises ValueError unless `devices` (default: this process's) divide the batch size."""
    d = local_device_count() if devices is None else devices
    if batch_size % d:
        below = batch_size // d * d
        take = f"{below} or {below + d}" if below else str(d)
        raise ValueError(f"expected a {what} divisible by {d} devices, got {batch_size}; take {take}")


def shard(tree: Any) -> Any:
    """[b, ...] -> [d, b / d, ...] for host arrays, consecutive clips on one device.

    Raises:
      ValueError: the number of devices does not divide b.
    """
    d = local_device_count()

    def split(leaf: Any) -> np.ndarray:
        check_divisible(leaf.shape[0])
        return np.reshape(leaf, (d, leaf.shape[0] // d, *leaf.shape[1:]))

    return jax.tree.map(split, tree)


def unshard(tree: Any) -> Any:
    """[d, b / d, ...] -> [b, ...] on the host, the inverse of `shard`."""
    return jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:]), to_host(tree))


def initialize(
    coordinator: str | None = None, num_processes: int | None = None, process_id: int | None = None
) -> None:
    """Joins this process to a run of several; call it before anything else touches a device.

    Args:
      coordinator: "host:port" of process 0. "auto" asks JAX to find all three by itself, as it can
        under Slurm, Open MPI and on TPU pods. None runs alone and does nothing.
      num_processes, process_id: required with an explicit coordinator.

    Raises:
      ValueError: only some of the three are given, or process_id is out of range.
    """
    if coordinator is num_processes is process_id is None:
        return
    if "cpu" in (getattr(jax.config, "jax_platforms", None) or os.environ.get("JAX_PLATFORMS", "")):
        jax.config.update("jax_cpu_collectives_implementation", "gloo")
    # Its preemption service would take SIGTERM from us, who save and stop; and a process that dies would have
    # the others aborted with a stack of C++, where `peers` ends them in one line.
    jax.config.update("jax_enable_preemption_service", False)
    jax.config.update("jax_enable_recoverability", True)
    if coordinator == "auto":
        jax.distributed.initialize()
        return
    if coordinator is None or num_processes is None or process_id is None:
        raise ValueError(
            f"expected coordinator, num_processes and process_id together, got {coordinator}, "
            f"{num_processes}, {process_id}; give all three, or coordinator='auto'"
        )
    if num_processes < 1:
        raise ValueError(f"expected num_processes of at least 1, got {num_processes}")
    if not 0 <= process_id < num_processes:
        raise ValueError(f"expected process_id in 0 .. {num_processes - 1}, got {process_id}")
    jax.distributed.initialize(coordinator, num_processes, process_id)


def leave() -> None:
    """Says goodbye to the coordination service of several processes, which the first one runs.

    Processes do not wait for each other as they leave (`initialize` makes them recoverable), so the first one
    must be the last to call this or to end; `peers.watched` sees to that. Nothing is gathered afterwards.
    """
    jax.distributed.shutdown()


def gather_bytes(payload: bytes) -> list[bytes]:
    """The bytes that each process passed, in process order, at every process; lengths may differ."""
    if process_count() == 1:
        return [payload]
    longest = int(_gather_uint32(np.asarray([len(payload)], np.uint32)).max())
    words = np.zeros(longest // 4 + 2, np.uint32)
    words[0] = len(payload)
    words[1:].view(np.uint8)[: len(payload)] = np.frombuffer(payload, np.uint8)
    return [row[1:].tobytes()[: int(row[0])] for row in _gather_uint32(words)]


def gather_hosts(tree: Any) -> list[Any]:
    """Every process's host pytree, in process order, at every process; bits and dtypes are kept.

    Trees must have one structure; the leaves' shapes may differ between processes.
    """
    leaves, structure = jax.tree.flatten(tree)
    leaves = [np.asarray(leaf) for leaf in leaves]
    if process_count() == 1:
        return [jax.tree.unflatten(structure, leaves)]
    header = json.dumps([[leaf.dtype.str, leaf.shape] for leaf in leaves]).encode()
    payload = len(header).to_bytes(8, "little") + header + b"".join(leaf.tobytes() for leaf in leaves)
    return [jax.tree.unflatten(structure, _leaves(part)) for part in gather_bytes(payload)]


def barrier() -> None:
    """Waits until every process has come here."""
    gather_bytes(b"")


def _on_each_device(leaf: np.ndarray, shared: bool) -> jax.Array:
    """[...] -> [d, ...]. A program that memory is donated to writes there: nothing may share it then."""
    one_d, devices = leaf[None], jax.local_devices()
    copies = [jax.device_put(one_d if shared else one_d.copy(), device) for device in devices]
    return jax.make_array_from_single_device_arrays((len(devices), *leaf.shape), _local_sharding(), copies)


def _local_sharding() -> jax.sharding.NamedSharding:
    """How pmap lays out an axis [d] over this process's devices."""
    mesh = jax.sharding.Mesh(np.asarray(jax.local_devices()), (AXIS,))
    return jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec(AXIS))


def _leaves(payload: bytes) -> list[np.ndarray]:
    """The arrays that gather_hosts wrote into one payload."""
    start = 8 + int.from_bytes(payload[:8], "little")
    leaves = []
    for dtype, shape in json.loads(payload[8:start]):
        count = int(np.prod(shape, dtype=np.int64))
        leaf = np.frombuffer(payload, np.dtype(dtype), count, start).reshape(shape)
        start += leaf.nbytes
        leaves.append(leaf.copy())
    return leaves


def _gather_uint32(words: np.ndarray) -> np.ndarray:
    """[w] of each process -> [processes, w]; the first device of each process speaks for it."""
    gathered = jax.pmap(lambda one: jax.lax.all_gather(one, AXIS), axis_name=AXIS)(
        jnp.broadcast_to(jnp.asarray(words)[None], (local_device_count(), *words.shape))
    )
    everyone = np.asarray(gathered.addressable_shards[0].data)[0]
    first_of = {}
    for row, device in enumerate(_pmap_devices()):
        first_of.setdefault(device.process_index, row)
    return everyone[[first_of[p] for p in range(process_count())]]


def _pmap_devices() -> list[jax.Device]:  # pyright: ignore (a class that jax does not declare as one)
    """All devices in the order in which pmap numbers them: by process, then as each lists its own."""
    return [d for p in range(process_count()) for d in jax.local_devices(process_index=p)]
