"""Keeps compiled programs in the user's cache folder, and counts what a run compiles."""

import contextlib
import glob
import importlib.metadata
import os
import re
import sys
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jax
from jax.experimental.compilation_cache import compilation_cache

from actjax import parallel

OFF = "off"
# What JAX itself reads: whoever sets it has chosen the folder.
VARIABLE = "JAX_COMPILATION_CACHE_DIR"
# Programs that compile faster are not kept: reading them would take about as long.
SETTINGS = {
    "jax_persistent_cache_min_compile_time_secs": 0.05,
    "jax_persistent_cache_min_entry_size_bytes": -1,
}
# Of the folder; the programs used longest ago go first.
MOST_BYTES = 2 * 2**30
COMPILED = "/jax/core/compile/backend_compile_duration"  # JAX says so of the programs that it reads, too
READ = "/jax/compilation_cache/cache_retrieval_time_sec"
# XLA's flags of this beginning say how it tries out kernels.
TRYING_OUT = "--xla_gpu_autotune"
# Training for so many steps is over before faster kernels pay for having been tried out.
FEW_STEPS = 4000
UNREADABLE = r"Error reading persistent compilation cache entry for '(.*?)'"


class Programs:
    """Counts the programs that JAX compiles and reads, from the moment that it is made.

    Attributes:
      compiled, read: programs compiled, and programs found compiled.
      compiling_seconds, reading_seconds: what both took.
    """

    def __init__(self) -> None:
        """Starts to count."""
        self.compiled = self.read = 0
        self.compiling_seconds = self.reading_seconds = 0.0
        jax.monitoring.register_event_duration_secs_listener(self._count)

    def close(self) -> None:
        """Stops counting."""
        jax.monitoring.unregister_event_duration_listener(self._count)

    def __str__(self) -> str:
        """How many there were, and how long they took."""
        return (
            f"{self.compiled} compiled in {self.compiling_seconds:.1f} s, "
            f"{self.read} found compiled and read in {self.reading_seconds:.1f} s"
        )

    def _count(self, event: str, duration_secs: float, **_: str | int) -> None:
        if event == READ:
            self.read += 1
            self.reading_seconds += duration_secs
            self.compiled -= 1
            self.compiling_seconds -= duration_secs
        elif event == COMPILED:
            self.compiled += 1
            self.compiling_seconds += duration_secs


def compile_soon() -> None:
    """Asks XLA not to try out which of many kernels a GPU runs fastest: most of compiling's time there.

    It asks by the environment, before JAX looks for devices. Who has said in XLA_FLAGS how kernels are tried
    out is obeyed, and without a plug-in for accelerators nothing is changed.
    """
    flags = os.environ.get("XLA_FLAGS", "")
    if TRYING_OUT not in flags and importlib.metadata.entry_points(group="jax_plugins"):
        os.environ["XLA_FLAGS"] = f"{flags} {TRYING_OUT}_level=0".strip()


@contextlib.contextmanager
def kept(option: str | None = None) -> Iterator[Programs]:
    """Within it, JAX keeps what it compiles in a folder, and finds there what was compiled before.

    JAX names a program by a hash of its code, its compiler and its devices, so that runs of all configs
    share one folder. Programs that call back to the host are not kept. A folder that cannot be written
    is one line of warning.

    Args:
      option: the folder; "off"; None for $JAX_COMPILATION_CACHE_DIR or else the user's cache folder.

    Yields:
      What is compiled and read meanwhile.
    """
    folder = None if option == OFF else _writable_folder(option)
    settings = {"jax_compilation_cache_dir": str(folder) if folder else None}
    settings |= {name: value for name, value in SETTINGS.items() if name.upper() not in os.environ}
    programs = Programs()
    try:
        with _told(settings), _mended(folder):
            yield programs
    finally:
        programs.close()
        if folder is not None and parallel.process_index() == 0:
            prune(folder, MOST_BYTES)


def say(programs: Programs) -> None:
    """Prints what was compiled, unless that is nothing; the first process of a run speaks."""
    if (programs.compiled or programs.read) and parallel.process_index() == 0:
        print(f"programs: {programs}")


def user_folder() -> Path:
    """Where programs are kept unless the user says otherwise, by the custom of the operating system.

    Raises:
      RuntimeError: the user has no home.
    """
    if sys.platform == "win32" and os.environ.get("LOCALAPPDATA"):
        return Path(os.environ["LOCALAPPDATA"]) / "actjax" / "compiled"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "actjax" / "compiled"
    named = os.environ.get("XDG_CACHE_HOME", "")
    # A relative path there is to be ignored, says the XDG specification.
    base = Path(named) if os.path.isabs(named) else Path.home() / ".cache"
    return base / "actjax" / "compiled"


def prune(folder: Path, most_bytes: int) -> None:
    """Removes the programs used longest ago until the folder holds at most `most_bytes`."""
    entries = []
    for path in folder.glob("*-cache"):
        with contextlib.suppress(OSError):  # another run has removed it meanwhile
            known = path.stat()
            # Many file systems note a read once a day only.
            entries.append((max(known.st_atime, known.st_mtime), known.st_size, path))
    total = sum(size for _, size, _ in entries)
    for _, size, path in sorted(entries):
        if total <= most_bytes:
            return
        with contextlib.suppress(OSError):
            path.unlink()
        total -= size


def _writable_folder(option: str | None) -> Path | None:
    """The folder, made if need be; None, after a line of warning, where nothing can be written."""
    name = option or os.environ.get(VARIABLE)
    try:
        folder = Path(name).expanduser().absolute() if name else user_folder()
        # Whoever writes there can make this user's programs do anything.
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except (OSError, RuntimeError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        where = name or "the user's cache folder"
        print(
            f"warning: cannot keep compiled programs in {where}: {reason}; everything is compiled again "
            "(see --compilation_cache)",
            file=sys.stderr,
        )
        return None


@contextlib.contextmanager
def _told(settings: Mapping[str, Any]) -> Iterator[None]:
    """Tells JAX, and by the environment the processes that this one starts; takes it back at the end."""
    before = {name: getattr(jax.config, name) for name in settings}, os.environ.get(VARIABLE)
    try:
        _tell(settings, settings["jax_compilation_cache_dir"])
        yield
    finally:
        _tell(*before)


def _tell(settings: Mapping[str, Any], folder: str | None) -> None:
    for name, value in settings.items():
        jax.config.update(name, value)
    compilation_cache.reset_cache()  # JAX asks for the folder once only
    os.environ[VARIABLE] = folder or ""


@contextlib.contextmanager
def _mended(folder: Path | None) -> Iterator[None]:
    """Removes programs that JAX cannot read, which it neither does nor ever writes over them.

    A killed run leaves them. They are compiled again, without a warning.
    """
    show = warnings.showwarning

    def remove_or_show(message: Warning | str, *where: Any, **more: Any) -> None:
        unreadable = re.match(UNREADABLE, str(message))
        if folder is None or unreadable is None:
            show(message, *where, **more)
            return
        for path in folder.glob(f"{glob.escape(unreadable[1])}-*-cache"):
            path.unlink(missing_ok=True)

    warnings.showwarning = remove_or_show
    try:
        yield
    finally:
        warnings.showwarning = show
