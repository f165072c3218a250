"""Files: written whole or not at all, and read without trusting them.

Whatever a library raises over a damaged file becomes a `FileError`, one line that names the file.
"""

import contextlib
import hashlib
import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any


class FileError(ValueError):
    """A file that is damaged, or is not what is asked for; one line that begins with its path."""

    def __init__(self, path: str | os.PathLike[str], message: str):
        super().__init__(f"{printable(os.fspath(path))}: {printable(message)}")


@contextlib.contextmanager
def reading(path: str | os.PathLike[str], expected: str) -> Iterator[None]:
    """Turns whatever is raised inside, while a file is read, into a FileError that names it.

    Args:
      path: the file.
      expected: what it should be, as in "a WAV file"; stands in the message.

    Raises:
      FileError: the file is damaged or is something else.
      OSError: as it comes where it is about the path itself: no such file, no permission, a full disk.
    """
    try:
        yield
    except (FileError, FileNotFoundError, PermissionError):
        raise
    except OSError as error:
        if error.errno is not None and error.filename is not None:
            raise
        raise FileError(path, f"cannot be read as {expected}: {_first_line(error)}") from error
    except Exception as error:
        # Libraries raise anything over a damaged file, from KeyError and struct.error to RecursionError.
        raise FileError(path, f"cannot be read as {expected}: {_first_line(error)}") from error


def regular_file(path: str | os.PathLike[str]) -> int:
    """The size in bytes of a regular file, links to one included.

    Raises:
      FileNotFoundError: there is none.
      FileError: a folder, a pipe, a device or a socket, which would block or never end.
    """
    try:
        status = os.stat(path)
    except (OSError, ValueError) as error:
        if isinstance(error, FileNotFoundError):
            raise FileNotFoundError(f"there is no file {printable(os.fspath(path))}") from error
        raise FileError(path, f"cannot be opened: {_first_line(error)}") from error
    if not stat.S_ISREG(status.st_mode):
        raise FileError(path, "expected a regular file, got a folder, pipe, device or socket")
    return status.st_size


def printable(text: str) -> str:
    r"""Text from outside made safe for a terminal and a log: what does not print is escaped.

    >>> printable("a\x1b[2Jb")
    'a\\x1b[2Jb'
    """
    safe = (c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text)
    return "".join(safe)


class PrintableStream:
    """A text stream through which nothing reaches a terminal that does not print, but tabs and line ends."""

    def __init__(self, stream: Any):
        self._stream = stream

    def write(self, text: str) -> int:
        """Writes the text, what does not print escaped; what the stream cannot encode as well."""
        safe = "".join(c if c in "\n\t" else printable(c) for c in text)
        encoding = getattr(self._stream, "encoding", None) or "utf-8"
        self._stream.write(safe.encode(encoding, "backslashreplace").decode(encoding))
        return len(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextlib.contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Yields a path beside `path` to write to; renames it to `path` if no error came."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield aside
        with open(aside, "rb") as file:
            os.fsync(file.fileno())
        os.replace(aside, path)
    finally:
        aside.unlink(missing_ok=True)


def write_json(path: Path, value: Any) -> Path:
    """Writes JSON, whole or not at all."""
    with written_whole(path) as aside:
        aside.write_text(json.dumps(value, indent=1, sort_keys=True, default=str) + "\n", encoding="utf-8")
    return path


def read_json(path: Path, default: Any = None, *, kind: type = dict) -> Any:
    """The parsed file, or `default` where there is none.

    Raises:
      FileError: no JSON, or its outermost value is not of `kind`, an object by default.
    """
    if not path.exists():
        return default
    regular_file(path)
    with reading(path, "JSON"):
        value = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(value, kind):
        names = {dict: "an object", list: "a list"}
        raise FileError(path, f"expected {names.get(kind, kind.__name__)}, got {type(value).__name__}")
    return value


def digest(value: Any, length: int = 10) -> str:
    """A short hash of anything JSON can hold."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()[:length]


def file_digest(path: Path) -> str:
    """The SHA-256 of a file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _first_line(error: BaseException) -> str:
    """What an error says, in one line, with its type where that says more than the text."""
    text = " ".join(str(error).split())[:200]
    plain = isinstance(error, (ValueError, OSError)) and text
    return text if plain else f"{type(error).__name__} {text}".strip()
