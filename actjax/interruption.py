"""Ends a run politely: Ctrl-C, SIGTERM and SIGHUP stop it between two pieces of work, or after a while.

A KeyboardInterrupt in the middle of a step would leave half-done work, one inside a library's callback is
swallowed, and a thread that compiles cannot be interrupted at all. So a signal is noted where work is being
kept piece by piece (`StopRequest`), raised elsewhere, and whatever happens, the program ends in time.
"""

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from types import FrameType

# After so many seconds a program that was told to stop ends by itself, wherever it is.
GRACE_SECONDS = 8.0
STATUS = 130
AGAIN = "the same command goes on from here"
MESSAGE = f"interrupted; {AGAIN}"
_NAMES = ("SIGINT", "SIGTERM", "SIGHUP")


class _State:
    """What signal handlers share, of the one program that they are handlers of."""

    def __init__(self) -> None:
        self.noting: list[StopRequest] = []
        self.timer: threading.Timer | None = None
        self.last_acts: list[Callable[[], None]] = []


_state = _State()


class StopRequest:
    """Turns the first signal into a request that a loop reads between two steps; the second interrupts.

    Outside the main thread, where Python allows no handlers, it never sees one.
    """

    def __init__(self) -> None:
        """No request yet."""
        self._asked = False
        self._leave = contextlib.ExitStack()

    def __enter__(self) -> "StopRequest":
        self._leave.enter_context(handled())
        _state.noting.append(self)
        return self

    def __exit__(self, *_: object) -> None:
        _state.noting.remove(self)
        self._leave.close()

    def asked(self) -> bool:
        """True once this process was asked to stop."""
        return self._asked

    def note(self) -> bool:
        """Notes a request; False if there was one already."""
        before, self._asked = self._asked, True
        return not before


@contextlib.contextmanager
def handled() -> Iterator[None]:
    """Handles signals while the block runs, unless they are handled already; in the main thread alone."""
    before = {}
    if threading.current_thread() is threading.main_thread():
        for number in (getattr(signal, name) for name in _NAMES if hasattr(signal, name)):
            if signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
                before[number] = signal.signal(number, _handle)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def ends_in_time() -> Iterator[None]:
    """The whole program: signals are handled, and end it after GRACE_SECONDS even where nobody listens."""
    _state.timer = threading.Timer(GRACE_SECONDS, _end)
    _state.timer.daemon = True
    with handled():
        yield


def was_asked() -> bool:
    """Whether a signal came while `ends_in_time` was open: whatever is raised after that may come of it."""
    return _state.timer is not None and _state.timer.is_alive()


@contextlib.contextmanager
def last_act(act: Callable[[], None]) -> Iterator[None]:
    """What is to be done, from another thread, if the program is ended by force while the block runs."""
    _state.last_acts.append(act)
    try:
        yield
    finally:
        _state.last_acts.remove(act)


def end_now(status: int, message: str) -> None:
    """Ends the program from any thread, without unwinding: the last acts, one line, the exit status."""
    for act in reversed(_state.last_acts):
        with contextlib.suppress(Exception):
            act()
    print(f"\nerror: {message}", file=sys.stderr, flush=True)
    os._exit(status)


def _end() -> None:
    end_now(STATUS, MESSAGE)


def _handle(number: int, frame: FrameType | None) -> None:
    timer = _state.timer
    if timer is not None and not timer.is_alive():
        with contextlib.suppress(RuntimeError):  # a second signal: it was started once
            timer.start()
    if not (_state.noting and _state.noting[-1].note()):
        raise KeyboardInterrupt
