"""Writes files whole or not at all, and reads them without trusting them.

Whatever a library raises over a damaged file becomes a `FileError`, one line that names the file.
"""

import contextlib
import hashlib
import json
import os
import secrets
import stat
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

# Names this process in its temporary files: process ids recur, on other hosts above all.
RUN = secrets.token_hex(4)
LONGEST = 800  # letters of a message about a file, beside its path


class FileError(ValueError):
    """A damaged file, or one that is not what is asked for; one line that begins with its path."""

    def __init__(self, path: str | os.PathLike[str], message: str):
        # A file chooses the names in it: one of a million letters is none to print.
        shown = message if len(message) <= LONGEST else f"{message[:LONGEST]} ..."
        super().__init__(f"{printable(os.fspath(path))}: {printable(shown)}")


@contextlib.contextmanager
def reading(path: str | os.PathLike[str], expected: str, remedy: str = "") -> Iterator[None]:
    """Turns whatever is raised inside, while a file is read, into a FileError that names it.

    Args:
      path: the file.
      expected: what it should be, as in "a WAV file"; stands in the message.
      remedy: what to do about it, at the message's end.

    Raises:
      FileError: the file is damaged or is something else.
      OSError: as it comes where it is about the path itself: no such file, no permission, a full disk.
    """
    end = f"; {remedy}" if remedy else ""
    try:
        yield
    except (FileError, FileNotFoundError, PermissionError):
        raise
    except OSError as error:
        if error.errno is not None and error.filename is not None:
            raise
        raise FileError(path, f"cannot be read as {expected}: {_first_line(error)}{end}") from error
    except Exception as error:
        # Libraries raise anything over a damaged file, from KeyError and struct.error to RecursionError.
        raise FileError(path, f"cannot be read as {expected}: {_first_line(error)}{end}") from error


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


def read_text(path: str | os.PathLike[str], encoding: str = "utf-8-sig") -> str:
    """The text of a regular file; a byte order mark is no part of it.

    Raises:
      FileNotFoundError: there is none.
      FileError: not a regular file, or in another encoding; names the line and the byte.
    """
    regular_file(path)
    data = Path(path).read_bytes()
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        # UTF-8's position counts from behind a byte order mark.
        data = data.removeprefix(b"\xef\xbb\xbf")
        line, byte = data[: error.start].count(b"\n") + 1, data[error.start]
        raise FileError(
            path, f"line {line}: expected text in UTF-8, got the byte 0x{byte:02x}; save it as UTF-8"
        ) from error


def printable(text: str) -> str:
    r"""Text from outside made safe for a terminal and a log: what does not print is escaped.

    >>> printable("a\x1b[2Jb")
    'a\\x1b[2Jb'
    """
    safe = (c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text)
    return "".join(safe)


class PrintableStream:
    """A text stream that escapes what does not print on a terminal, except tabs and line ends."""

    def __init__(self, stream: Any):
        self._stream = stream

    def write(self, text: str) -> int:
        """Writes the text; escapes what does not print and what the stream cannot encode."""
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
    aside = path.with_name(f".{path.name}.{RUN}.part")
    try:
        yield aside
        _fsync(aside)
        os.replace(aside, path)
    finally:
        aside.unlink(missing_ok=True)
    # The name is on disk when its folder is.
    _fsync(path.parent)


def write_text(path: Path, text: str) -> Path:
    """Writes text in UTF-8 with the line ends that it has, whole or not at all."""
    with written_whole(path) as aside:
        aside.write_text(text, encoding="utf-8", newline="")
    return path


def write_json(path: Path, value: Any) -> Path:
    """Writes JSON, whole or not at all."""
    return write_text(path, json.dumps(value, indent=1, sort_keys=True, default=str) + "\n")


def read_json(path: Path, default: Any = None, *, kind: type = dict, remedy: str = "") -> Any:
    """The parsed file, or `default` where there is none; `remedy` says what to do if it is damaged.

    Raises:
      FileError: no JSON, or its outermost value is not of `kind`, an object by default.
    """
    if not path.exists():
        return default
    regular_file(path)
    with reading(path, "JSON", remedy):
        value = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(value, kind):
        end = f"; {remedy}" if remedy else ""
        raise FileError(path, f"expected {_WORDS.get(kind, kind.__name__)}, got {_brief(value)}{end}")
    return value


def fields(
    path: Path,
    value: Any,
    needed: Mapping[str, Any],
    optional: Mapping[str, Any] | None = None,
    *,
    remedy: str = "",
) -> dict[str, Any]:
    """The JSON object `value` of the file `path`, each of its known entries checked to be of its type.

    Args:
      path: the file, for messages.
      value: what was read from it.
      needed: name -> type of the entries that must be there; a tuple of types leaves a choice.
      optional: those that may be missing.
      remedy: what to do about a refusal.

    Raises:
      FileError: names the entry that is missing or of another type; a whole number is a float, a
        bool is no number.
    """
    remedy = f"; {remedy}" if remedy else ""
    if not isinstance(value, dict):
        raise FileError(path, f"expected an object, got {_brief(value)}{remedy}")
    for name in needed:
        if name not in value:
            raise FileError(path, f"expected an entry {name!r}, found none{remedy}")
    for name, kind in {**needed, **(optional or {})}.items():
        kinds = kind if isinstance(kind, tuple) else (kind,)
        if name in value and not any(_is(value[name], one) for one in kinds):
            words = " or ".join(str(_WORDS.get(one, one.__name__)) for one in kinds)
            raise FileError(path, f"expected {name!r} to be {words}, got {_brief(value[name])}{remedy}")
    return value


_WORDS: dict[Any, str] = {
    dict: "an object",
    list: "a list",
    str: "text",
    int: "a whole number",
    float: "a number",
}
_WORDS |= {bool: "true or false", type(None): "null"}


def _is(value: Any, kind: type) -> bool:
    if isinstance(value, bool):
        return kind is bool
    if kind is float and isinstance(value, int):
        return abs(value) <= sys.float_info.max
    return isinstance(value, kind)


def _brief(value: Any) -> str:
    text = json.dumps(value, default=str)
    return text if len(text) <= 40 else f"{text[:37]}..."


def digest(value: Any, length: int = 10) -> str:
    """A short hash of anything JSON can hold."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()[:length]


def file_digest(path: Path) -> str:
    """The SHA-256 of a file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _fsync(path: Path) -> None:
    """Waits until a file, or the names in a folder, are on disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _first_line(error: BaseException) -> str:
    """The message of an error in one line, with its type where that says more than the text."""
    text = " ".join(str(error).split())[:200]
    plain = isinstance(error, (ValueError, OSError)) and text
    return text if plain else f"{type(error).__name__} {text}".strip()
