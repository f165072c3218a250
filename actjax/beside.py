"""Runs works beside each other where an accelerator computes: each compiles and starts its programs."""

import concurrent.futures
import contextlib
import contextvars
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from actjax import parallel

_Result = TypeVar("_Result")
# Python lets one thread trace or use NumPy at a time: more threads would wait for each other.
_MOST = 8
# While Python traces in one thread another that comes back from JAX waits so long for its turn. It is 5 ms
# by default, several times a call, which made a training loop of 3 s on an H200 one of 14.
_TURN_S = 2e-4


def in_order(works: Sequence[Callable[[], _Result]], bytes_each: int) -> Iterator[_Result]:
    """Yields the results of all works, in their order; with an accelerator they run in threads.

    There most of a short work's time is compiling, which takes one core. On a CPU programs share the cores
    and the machine's memory, and several processes have to ask each other in one order: works then run one
    after the other.

    Args:
      works: each runs in a copy of the caller's context.
      bytes_each: what a work may hold on a device.
    """
    threads = min(_MOST, os.cpu_count() or 1, (parallel.device_bytes() or 0) // bytes_each)
    if threads < 2 or parallel.on_cpu() or parallel.process_count() > 1:
        for work in works:
            yield work()
        return
    with _short_turns(), concurrent.futures.ThreadPoolExecutor(threads) as pool:
        started = [pool.submit(contextvars.copy_context().run, work) for work in works]
        try:
            for one in started:
                yield one.result()
        finally:
            for one in started:
                one.cancel()


@contextlib.contextmanager
def _short_turns() -> Iterator[None]:
    """Python's threads take turns often meanwhile."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(_TURN_S)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


class Aside:
    """Works that run one after another in a thread of their own, for their effect on JAX alone.

    Where `in_order` runs works one after the other, these do not run at all.
    """

    def __init__(self) -> None:
        """No work yet."""
        self._pool = concurrent.futures.ThreadPoolExecutor(1)
        self._started: dict[str, concurrent.futures.Future[None]] = {}
        self._leave = contextlib.ExitStack()

    def __enter__(self) -> "Aside":
        if self._runs():
            self._leave.enter_context(_short_turns())
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(cancel_futures=True)
        self._leave.close()

    def start(self, name: str, work: Callable[[], None]) -> None:
        """Runs a work once those before it are done; it sees the caller's context."""
        if self._runs():
            self._started[name] = self._pool.submit(contextvars.copy_context().run, work)

    def wait_for(self, name: str) -> None:
        """Waits until the work of that name is done, if it was started; what it raised is let be."""
        if name in self._started:
            self._started.pop(name).exception()

    def _runs(self) -> bool:
        return not parallel.on_cpu() and parallel.process_count() == 1
