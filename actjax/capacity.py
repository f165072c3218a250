"""How much memory a device has, and the machine."""

import contextlib
import os
from pathlib import Path

from actjax import parallel

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


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="ascii").strip()
    except (OSError, UnicodeError):
        return ""
