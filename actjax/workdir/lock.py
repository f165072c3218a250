"""Lets one writer in at a time by a lock file that names its owner and is kept fresh by a heartbeat.

The file is created exclusively, which also holds on file systems that several hosts share. A lock whose
process is gone is taken over: at once on its own host, elsewhere when its heartbeat has stopped.
"""

import contextlib
import contextvars
import dataclasses
import json
import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from actjax import files, interruption
from actjax.workdir import lock_owner

BEAT_SECONDS = 5.0
# Without a heartbeat for as long, the process of another host counts as gone.
STALE_SECONDS = 120.0
# A takeover is a few system calls; whoever has been at it for as long died over it.
_TAKEOVER_SECONDS = 10.0
# Locks of this thread's own run, which it may ask for again: a sweep runs other stages inside.
_HELD: contextvars.ContextVar[frozenset[Path]] = contextvars.ContextVar("held locks", default=frozenset())


class LockedError(ValueError):
    """Another run is writing there; one line that names it."""


@dataclasses.dataclass(frozen=True)
class _Seen:
    """A lock file as it was read: its owner (None if it does not say) and the time of its last heartbeat."""

    owner: dict[str, Any] | None
    content: bytes
    beat: float


@contextlib.contextmanager
def held(path: Path, what: str, remedy: str, *, wait_seconds: float = 0.0) -> Iterator[bool]:
    """Holds the lock file `path` while the block runs; released at its end, at errors, Ctrl-C and SIGTERM.

    Yields whether it was taken now; False inside another block of the same thread that holds it.

    Args:
      path: the lock file; folders that are missing are made, and removed again if they stay empty.
      what: is locked, as in "workdir runs/a".
      remedy: what to do about a refusal.
      wait_seconds: how long to wait for another run to release it, saying so once.

    Raises:
      LockedError: another run holds it.
      OSError: the folder cannot be written to.
    """
    path = Path(os.path.realpath(path))
    if path in _HELD.get():
        yield False
        return
    try:
        created = _make_folders(path.parent)
        try:
            content = _take(path, what, remedy, wait_seconds)
        except BaseException:
            _remove_folders(created)
            raise
    except OSError as error:
        reason = error.strerror or str(error)
        raise OSError(
            f"cannot write into {files.printable(what)}: {reason}; choose another, or make this one writable"
        ) from error
    heartbeat = _Heartbeat(path, content)

    def release() -> None:
        if _is(_read(path), content):
            path.unlink(missing_ok=True)

    before = _HELD.get()
    _HELD.set(before | {path})
    try:
        with interruption.handled(), interruption.last_act(release):
            yield True
    except KeyboardInterrupt:
        if not heartbeat.lost:
            raise
    finally:
        _HELD.set(before)
        heartbeat.stop()
        release()
        _remove_folders(created)
    if heartbeat.lost:
        raise LockedError(f"{files.printable(what)} was taken over by another run while this one stood still")


def _take(path: Path, what: str, remedy: str, wait_seconds: float) -> bytes:
    """Creates the lock, taking over a dead one; returns its content."""
    content = json.dumps(lock_owner.this_process()).encode()
    until, said, pause = time.monotonic() + wait_seconds, False, 0.05
    patience = time.monotonic() + 2 * _TAKEOVER_SECONDS
    while not _create(path, content):
        seen = _read(path)
        if seen is not None and not _is_gone(path, seen):
            if time.monotonic() >= until:
                raise LockedError(f"{files.printable(what)} is in use by {_describe(path, seen)}: {remedy}")
            if not said:
                _say(f"{what} is in use by {_describe(path, seen)}: waiting for it")
                said = True
            time.sleep(min(pause, max(until - time.monotonic(), 0.01)))
            pause = min(1.5 * pause, 2.0)
            patience = time.monotonic() + 2 * _TAKEOVER_SECONDS
        elif seen is not None and _remove_dead(path, seen):
            _say(f"{what} was in use by {_describe(path, seen)}, which is gone: taken over")
        elif time.monotonic() > patience:
            raise OSError(f"the lock {path} can be neither read nor removed")
        else:
            time.sleep(0.05)
    return content


def _create(path: Path, content: bytes) -> bool:
    """Makes the lock file; False if there is one."""
    try:
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)
    except FileExistsError:
        return False
    try:
        with open(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(descriptor)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return True


def _remove_dead(path: Path, seen: _Seen) -> bool:
    """Removes a lock whose owner is gone; False if another run was faster."""
    guard = path.with_name(f"{path.name}.takeover")
    try:
        os.close(os.open(guard, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644))
    except FileExistsError:
        with contextlib.suppress(FileNotFoundError):
            if _now(path.parent) - guard.stat().st_mtime > _TAKEOVER_SECONDS:
                guard.unlink()
        return False
    try:
        now = _read(path)
        if now is None or now.content != seen.content:
            return False
        path.unlink()
        return True
    finally:
        guard.unlink(missing_ok=True)


def _read(path: Path) -> _Seen | None:
    """The lock file; None if there is none."""
    try:
        with open(path, "rb") as file:
            content, beat = file.read(2**16), os.fstat(file.fileno()).st_mtime
    except FileNotFoundError:
        return None
    try:
        owner = files.fields(path, json.loads(content), lock_owner.FIELDS)
    except (ValueError, RecursionError):  # being written, or damaged
        owner = None
    return _Seen(owner, content, beat)


def _is(seen: _Seen | None, content: bytes) -> bool:
    return seen is not None and seen.content == content


def _is_gone(path: Path, seen: _Seen) -> bool:
    """Whether the owner has ended: its process where it can be looked up, else its heartbeat."""
    if seen.owner is not None and seen.owner["machine"] == lock_owner.machine():
        return not lock_owner.is_alive(seen.owner)
    return _now(path.parent) - seen.beat > STALE_SECONDS


def _describe(path: Path, seen: _Seen) -> str:
    """The owner in words, and when it last gave a sign of life."""
    silent_s = max(_now(path.parent) - seen.beat, 0)
    silent = f"last sign of life {silent_s:.0f} s ago, taken over after {STALE_SECONDS:.0f} s without one"
    if seen.owner is None:
        return f"an unknown process (see {files.printable(str(path))}; {silent})"
    owner = seen.owner
    text = f"process {owner['pid']} of {owner['user']} on {owner['host']} since {owner['since']}"
    known = owner["machine"] == lock_owner.machine()
    return files.printable(f"{text} ({owner['command']}{'' if known else '; ' + silent})")


def _now(folder: Path) -> float:
    """The file system's own time, with which heartbeats can be compared; hosts' clocks differ."""
    with tempfile.TemporaryFile(dir=folder) as file:
        file.write(b".")
        file.flush()
        return os.fstat(file.fileno()).st_mtime


class _Heartbeat:
    """Touches the lock every few seconds, and interrupts the run if it is another's by now."""

    def __init__(self, path: Path, content: bytes):
        self.lost = False
        self._path, self._content, self._end = path, content, threading.Event()
        self._of_main = threading.current_thread() is threading.main_thread()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ends the thread."""
        self._end.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._end.wait(BEAT_SECONDS):
            try:
                seen = _read(self._path)
                # Deleted by hand, it is made again, unless another run was faster.
                if _is(seen, self._content) or (seen is None and _create(self._path, self._content)):
                    os.utime(self._path)
                    continue
            except OSError:  # a file system that is away for a while
                continue
            self.lost = True
            main = threading.main_thread().ident
            if self._of_main and main is not None:
                signal.pthread_kill(main, signal.SIGINT)
            return


def _make_folders(folder: Path) -> list[Path]:
    """Makes a folder and those above it; returns which, the deepest first."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    return missing


def _remove_folders(created: list[Path]) -> None:
    """Removes those that are empty still."""
    with contextlib.suppress(OSError):
        for path in created:
            path.rmdir()


def _say(text: str) -> None:
    print(files.printable(text), file=sys.stderr, flush=True)
