"""How much memory a device has, and the machine; has both ready for what comes."""

import contextlib
import ctypes
import gc
import os
import sys
import threading
from pathlib import Path
from typing import Any

import jax
import numpy as np

from actjax import parallel

# Parameters of glibc's mallopt, by their numbers in malloc.h.
_TRIM_THRESHOLD, _MMAP_MAX = -1, -4
LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


def device_bytes() -> int | None:
    """An accelerator's memory; CPU devices share the machine's. None where nobody says."""
    of_device = parallel.device_bytes()
    if of_device is not None:
        return of_device
    of_machine = machine_bytes()
    return None if of_machine is None else of_machine // parallel.local_device_count()


def machine_bytes() -> int | None:
    """The machine's memory, or what this process may take of it; None where nobody says."""
    limits = [int(text) for path in LIMITS if (text := _read(path)).isdigit()]
    with contextlib.suppress(ValueError, OSError, AttributeError):  # not POSIX
        limits.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    return min(limits, default=None)


def release() -> None:
    """Gives back what a stage used. glibc would keep 1.8 of the 2.6 GiB that scoring the quickstart took.

    Programs stay where they are not the host's: the next stage may need them, and they are dear to compile.
    """
    if parallel.on_cpu():
        jax.clear_caches()
    gc.collect()
    if (trim := _of_glibc("malloc_trim")) is not None:
        trim(0)


def keep_freed() -> None:
    """Lets this process keep the memory that it frees, until `release`, where glibc gives memory out.

    Otherwise large arrays come fresh from the kernel each time, and the first write to a page costs about ten
    times as much as the computation that fills it. Threads keep their arenas: compilers that share one on
    many cores wait for each other. Who has set GLIBC_TUNABLES is obeyed.
    """
    settings = {_MMAP_MAX: 0, _TRIM_THRESHOLD: 2**31 - 1}
    if "GLIBC_TUNABLES" not in os.environ and (choose := _of_glibc("mallopt")) is not None:
        for parameter, value in settings.items():
            choose(parameter, value)


def awaken() -> None:
    """Starts the devices in a thread, which takes a GPU two seconds, and does not wait for them."""

    def start() -> None:
        with contextlib.suppress(Exception):  # the run meets it too, and says it
            parallel.replicate(np.zeros(()))

    threading.Thread(target=start, name="awaken").start()


def _of_glibc(name: str) -> Any:
    """A function of the C library that is glibc's alone; None elsewhere."""
    return getattr(ctypes.CDLL(None), name, None) if sys.platform == "linux" else None


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="ascii").strip()
    except (OSError, UnicodeError):
        return ""
