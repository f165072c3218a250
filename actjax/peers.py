"""Watches the other processes of a run: if one dies, falls silent or fails, all end in a line that names it.

A collective waits for all processes, for minutes or for ever. So each process holds a connection to the first
one, over which it says every few seconds that it lives, and in the end how it ended; the first one tells all.
"""

import contextlib
import json
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

from actjax import files, interruption, parallel

BEAT_SECONDS = 3.0
# Without a word for as long, a process counts as gone. One that is killed closes its connection at once.
SILENT_SECONDS = 30.0
STATUS = 1
# An error of a library that may be another process's fault waits for the news of it.
_NEWS_SECONDS = SILENT_SECONDS + 4 * BEAT_SECONDS


class _Watch:
    """The connections of this process, and what is known of the others."""

    def __init__(self) -> None:
        self.lines: dict[int, socket.socket] = {}
        self.messages: dict[int, Iterator[dict[str, Any]]] = {}
        self.listening: list[threading.Thread] = []
        self.closing = threading.Event()
        self.sending = threading.Lock()


# Of this process, while it is one of several.
_watching: list[_Watch] = []


@contextlib.contextmanager
def watched(coordinator: str | None) -> Iterator[None]:
    """Watches the others while the block runs; where there are none, does nothing.

    Args:
      coordinator: host:port of the first process, or "auto"; None where this process is alone.
    """
    if coordinator is None or parallel.process_count() == 1:
        yield
        return
    watch = _Watch()
    _watching.append(watch)
    _connect(watch, coordinator)
    threading.Thread(target=_beat, args=(watch,), name="beat", daemon=True).start()
    for index in watch.lines:
        thread = threading.Thread(target=_listen, args=(watch, index), name=f"peer {index}", daemon=True)
        watch.listening.append(thread)
        thread.start()
    yield
    say_end(0, "")
    _leave(watch)
    _watching.remove(watch)


def say_end(status: int, message: str) -> None:
    """Tells the others that this process ends: well if the status is 0, else why, and then they end too."""
    for watch in _watching:
        watch.closing.set()
        _send_all(watch, {"process": parallel.process_index(), "status": status, "message": message})


def wait_for_news(error: BaseException) -> None:
    """If the error may come from another process's death, waits until that is known and ends this one."""
    ours = isinstance(error, (ValueError, OSError, ImportError, KeyboardInterrupt))
    if _watching and not ours:
        time.sleep(_NEWS_SECONDS)


def are_watched() -> bool:
    """Whether this process is one of several, which a leaving one must not wait for."""
    return bool(_watching)


def _connect(watch: _Watch, coordinator: str) -> None:
    """Connects each process with the first one."""
    me, count = parallel.process_index(), parallel.process_count()
    with contextlib.ExitStack() as stack:
        port, server = 0, None
        host = socket.gethostname() if coordinator == "auto" else coordinator.rpartition(":")[0].strip("[]")
        if me == 0:
            family = socket.AF_INET6 if socket.has_dualstack_ipv6() else socket.AF_INET
            server = stack.enter_context(
                socket.create_server(("", 0), family=family, dualstack_ipv6=family == socket.AF_INET6)
            )
            port = server.getsockname()[1]
        host, port = json.loads(parallel.gather_bytes(json.dumps([host, port]).encode())[0])
        if server is None:
            watch.lines[0] = socket.create_connection((host, port), timeout=SILENT_SECONDS)
            watch.messages[0] = _messages(watch.lines[0])
            _send(watch, watch.lines[0], {"process": me})
            return
        server.settimeout(SILENT_SECONDS)
        for _ in range(count - 1):
            line, _ = server.accept()
            line.settimeout(SILENT_SECONDS)
            messages = _messages(line)  # read on by its listener: more may have come with the first
            index = int(next(messages)["process"])
            watch.lines[index], watch.messages[index] = line, messages


def _beat(watch: _Watch) -> None:
    while not watch.closing.wait(BEAT_SECONDS):
        _send_all(watch, {})


def _leave(watch: _Watch) -> None:
    """Leaves JAX's coordination service, the first process last: it serves the others.

    JAX aborts a process that cannot say goodbye because the service has gone.
    """
    if parallel.process_index() == 0:
        for thread in watch.listening:
            thread.join()
    else:
        parallel.leave()
    for line in watch.lines.values():
        with contextlib.suppress(OSError):
            line.shutdown(socket.SHUT_RDWR)  # at once, though a listener still reads it
        line.close()


def _listen(watch: _Watch, index: int) -> None:
    """Reads what a process says until it has left, and ends this one if its end is a bad one."""
    why, well = "died, or its host did", False
    try:
        for message in watch.messages[index]:
            well = well or message.get("status") == 0
            if message.get("status", 0) != 0:
                _end(watch, message)
    except TimeoutError:
        why = f"has given no sign of life for {SILENT_SECONDS:.0f} s"
    except (OSError, ValueError):
        pass
    if not (well or watch.closing.is_set()):
        _end(watch, {"process": index, "status": STATUS, "message": f"it {why}"})


def _end(watch: _Watch, news: dict[str, Any]) -> None:
    """Ends this process, after the first one has told all others."""
    watch.closing.set()
    if parallel.process_index() == 0:
        _send_all(watch, news)
    text = files.printable(str(news["message"]))[:600]
    first = f"process {int(news['process'])} of {parallel.process_count()} ended: {text}"
    again = "" if interruption.AGAIN in text else f"; {interruption.AGAIN}"
    interruption.end_now(STATUS, f"{first}{again}")


def _messages(line: socket.socket) -> Iterator[dict[str, Any]]:
    """The messages that come over a connection until it is closed."""
    waiting = b""
    while data := line.recv(2**16):
        *whole, waiting = (waiting + data).split(b"\n")
        if len(waiting) > 2**16:
            raise ValueError("expected lines of JSON")
        for one in whole:
            message = json.loads(one)
            if not isinstance(message, dict):
                raise ValueError("expected an object")
            yield message


def _send_all(watch: _Watch, message: dict[str, Any]) -> None:
    for line in watch.lines.values():
        _send(watch, line, message)


def _send(watch: _Watch, line: socket.socket, message: dict[str, Any]) -> None:
    with watch.sending, contextlib.suppress(OSError):
        line.sendall(json.dumps(message).encode() + b"\n")
