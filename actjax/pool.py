"""Runs work in a pool of Python processes that import nothing but that work.

The standard pools either fork, which can hang once JAX has started threads, or import the calling script
anew in every process, which repeats its slow imports and needs a guard in it. These processes are started
by `python -m actjax.pool` and talk in pickles over their standard input and output.
"""

import concurrent.futures
import os
import pickle
import queue
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import IO, Any, cast


def run(function: Callable[..., Any], calls: Sequence[tuple[Any, ...]], workers: int) -> Iterator[Any]:
    """Yields function(*call) for every call as soon as it is done; one worker works in this process.

    Stopped early (Ctrl-C, an error), it gives out no further calls and waits for those in work.

    Raises:
      RuntimeError: a process died.
      Exception: whatever a call raised.
    """
    if workers == 1:
        for call in calls:
            yield function(*call)
        return
    waiting: queue.SimpleQueue = queue.SimpleQueue()
    for call in calls:
        waiting.put((function, call))
    done: queue.SimpleQueue = queue.SimpleQueue()
    with concurrent.futures.ThreadPoolExecutor(workers) as threads:
        for _ in range(workers):
            threads.submit(_drive, waiting, done)
        try:
            for _ in calls:
                ok, value = done.get()
                if not ok:
                    raise value
                yield value
        finally:
            _empty(waiting)


def available_cores() -> int:
    """The cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _drive(waiting: queue.SimpleQueue, done: queue.SimpleQueue) -> None:
    """Feeds one process, call by call, until none is waiting."""
    # One BLAS thread a process: the processes already take all cores.
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        "OMP_NUM_THREADS": "1",
    }
    child = subprocess.Popen(
        [sys.executable, "-m", __name__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment
    )
    with child:
        calls, answers = cast(IO[bytes], child.stdin), cast(IO[bytes], child.stdout)
        try:
            while True:
                pickle.dump(waiting.get_nowait(), calls)
                calls.flush()
                done.put(pickle.load(answers))
        except queue.Empty:
            return
        except (EOFError, OSError, pickle.PickleError) as error:
            done.put((False, RuntimeError(f"a worker process ended unexpectedly ({child.poll()}): {error}")))


def _empty(waiting: queue.SimpleQueue) -> None:
    try:
        while True:
            waiting.get_nowait()
    except queue.Empty:
        return


def _serve() -> None:
    """Answers call after call until the input ends; what each process of the pool runs."""
    # Ctrl-C is the parent's to handle; it lets the call in work finish.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    source, sink = sys.stdin.buffer, sys.stdout.buffer
    sys.stdout = sys.stderr  # what the work prints must not mix with the answers
    while True:
        try:
            function, call = pickle.load(source)
        except EOFError:
            return
        except Exception as error:  # the work cannot be imported here
            reply = (False, error)
        else:
            reply = _answer(function, call)
        try:
            pickle.dump(reply, sink)
            sink.flush()
        except BrokenPipeError:  # the parent has ended and wants no answer
            os._exit(0)


def _answer(function: Callable[..., Any], call: tuple[Any, ...]) -> tuple[bool, Any]:
    try:
        return True, function(*call)
    except Exception as error:
        return False, error


if __name__ == "__main__":
    _serve()
