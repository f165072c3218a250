"""Explains why a run failed: a user's mistake in one line, a bug with the place of its traceback."""

import errno
import os
import tempfile
import time
import traceback
from collections.abc import Callable
from concurrent.futures import BrokenExecutor
from pathlib import Path
from typing import NamedTuple

from actjax import interruption
from actjax.files import printable

# Exit statuses: sysexits.h calls 70 an internal error; a shell reports 128 and the signal's number.
MISTAKE, USAGE, BUG, INTERRUPTED, BROKEN_PIPE = 1, 2, 70, interruption.STATUS, 141
LOWER = (
    "lower train.batch_size, score.batch_size or score.memory_gib, or choose fewer layers (score.layers), "
    "features or metrics"
)


class Failure(NamedTuple):
    """The exit status, and the one line that goes after "error: "."""

    status: int
    message: str


def explain(error: BaseException, workdir: str | os.PathLike[str] | None = None) -> Failure:
    """The exit status and message of an error; the one place that tells mistakes from bugs.

    A mistake is what a user or the machine can mend: a ValueError (FileError and all of ours), an OSError,
    a missing package, too little memory. Everything else is a bug of actjax; its traceback is saved.

    Args:
      error: what was raised.
      workdir: where a bug's traceback is saved; a temporary folder where it is none or cannot be written.
    """
    if isinstance(error, KeyboardInterrupt):
        return Failure(INTERRUPTED, interruption.MESSAGE)
    for of_kind, say in _MISTAKES:
        if of_kind(error):
            return Failure(MISTAKE, printable(say(error)))
    return Failure(BUG, printable(_bug(error, workdir)))


def said(error: BaseException) -> str:
    """The message of an error in one line, with its type in front where the text does not tell it."""
    text = " ".join(str(error).split())
    plain = isinstance(error, (ValueError, OSError, ImportError)) and text
    return text if plain else f"{type(error).__name__}: {text}".removesuffix(": ")


def _out_of_memory(error: BaseException) -> bool:
    """Whether memory ran out: NumPy and Python say so by type, XLA in its message alone."""
    if isinstance(error, (MemoryError, BrokenExecutor)):
        return True
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    text = str(error)
    return isinstance(error, RuntimeError) and ("RESOURCE_EXHAUSTED" in text or "Out of memory" in text)


def _say_memory(error: BaseException) -> str:
    if isinstance(error, BrokenExecutor):
        return f"a worker process was killed, most likely for want of memory: {LOWER} ({said(error)[:200]})"
    return f"memory ran out: {LOWER} ({said(error)[:200]})"


def _say_file(error: BaseException) -> str:
    """The message of an OSError without its number, and with what helps against a full disk."""
    if not isinstance(error, OSError) or error.errno is None or error.strerror is None:
        return said(error)
    where = f"{os.fsdecode(error.filename)}: " if isinstance(error.filename, (str, bytes)) else ""
    hint = "; free some, the same command goes on from here" if error.errno == errno.ENOSPC else ""
    return f"{where}{error.strerror}{hint}"


def _bug(error: BaseException, workdir: str | os.PathLike[str] | None) -> str:
    saved = _saved("".join(traceback.format_exception(error)), workdir)
    where = f"report it with its traceback, {saved}" if saved else "report it with what --traceback shows"
    return f"this is a bug of actjax, not yours: {said(error)[:300]}; {where}"


def _saved(text: str, workdir: str | os.PathLike[str] | None) -> Path | None:
    """Saves the text; returns its file, or None if not even a temporary folder takes it."""
    folders = [Path(workdir)] if workdir is not None and Path(workdir).is_dir() else []
    name = f"traceback-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.txt"
    for folder in (*folders, None):
        try:
            path = (Path(tempfile.mkdtemp(prefix="actjax-")) if folder is None else folder) / name
            path.write_text(text, encoding="utf-8", errors="backslashreplace")
            return path
        except OSError:
            continue
    return None


_MISTAKES: tuple[tuple[Callable[[BaseException], bool], Callable[[BaseException], str]], ...] = (
    (_out_of_memory, _say_memory),
    (lambda error: isinstance(error, OSError), _say_file),
    (lambda error: isinstance(error, (ValueError, ImportError)), said),
)
