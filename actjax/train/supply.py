"""How batches reach the devices: whole, or as rows of clips that are there already."""

import collections
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple, TypeVar

import jax

from actjax import parallel
from actjax.types import Batch

T = TypeVar("T")


def whole(on_device: tuple[()], sent: Batch) -> Batch:
    """The `gather` of a supply that sends batches whole."""
    del on_device
    return sent


class Supply(NamedTuple):
    """Batches for a program on devices, each in two pieces.

    Attributes:
      sent: for each batch, what comes from the host: arrays [b, ...] of this process.
      on_device: what all batches share: arrays [d, ...] on the devices, or nothing.
      gather: (on_device, sent), both of one device -> its batch; a pure function of the programs.
    """

    sent: Iterable[Any]
    on_device: Any = ()
    gather: Callable[[Any, Any], Batch] = whole

    def clip_samples(self, sent: Any) -> int:
        """The length of each clip, told from the shapes of one batch."""
        one = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape[1:], leaf.dtype), self.on_device)
        return jax.eval_shape(self.gather, one, sent).audio.shape[1]


def supply(batches: Iterable[Batch] | Supply) -> Supply:
    """Batches that are sent whole, or a supply as it is."""
    return batches if isinstance(batches, Supply) else Supply(batches)


def to_devices(source: Supply) -> Iterator[Any]:
    """What a supply sends, [b, ...] -> [d, b / d, ...].

    Whole batches are on their way to accelerators while the one before is used; rows are as good as nothing.
    """
    sharded = map(parallel.shard, source.sent)
    if source.on_device or parallel.on_cpu() or parallel.process_count() > 1:
        return sharded
    return lagging(map(parallel.put, sharded), 1)


def lagging(results: Iterable[T], count: int) -> Iterator[T]:
    """The same results, each given when `count` later ones have been asked for: devices need not wait."""
    waiting = collections.deque()
    for result in results:
        waiting.append(result)
        if len(waiting) > count:
            yield waiting.popleft()
    yield from waiting
